#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/core/arguments.h"
#include "base/check.h"
#include "base/json_parser.h"

// Claims: no argument value breaks the checker, whatever the types; and what passed once passes again
// unchanged.

namespace reeve::core {
namespace {

using config::TypeSpec;

constexpr uint32_t kTypes = 24;

// Types out of bytes: every index is below kTypes, so types may well contain themselves.
class TypeMaker {
 public:
  TypeMaker(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  std::vector<TypeSpec> Make() {
    std::vector<TypeSpec> types(kTypes);
    for (TypeSpec& type : types) {
      type.kind = static_cast<TypeSpec::Kind>(Byte() % 11);
      type.name = "T";
      type.element = Byte() % kTypes;
      if (type.kind == TypeSpec::Kind::kEnum) type.enum_values = {Name(), Name()};
      if (type.kind == TypeSpec::Kind::kAlternate) type.alternatives = {Byte() % kTypes, Byte() % kTypes};
      for (uint32_t i = Byte() % 4; i > 0; --i) type.members.push_back({Name(), Byte() % kTypes, Byte() % 2 == 0});
    }
    types[0].kind = TypeSpec::Kind::kObject;
    return types;
  }
  std::string_view rest() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  uint32_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::string Name() { return std::string(1, static_cast<char>('a' + Byte() % 6)); }

  const uint8_t* data_;
  size_t size_;
};

void Check(const uint8_t* data, size_t size) {
  TypeMaker maker(data, size);
  const std::vector<TypeSpec> types = maker.Make();
  Result<json::Value> value = json::Parse(maker.rest());
  if (!value) return;
  config::CommandSpec command;
  const Status status = CheckArguments(types, command, *value);
  if (!status) {
    REEVE_CHECK(!status.error().message().empty());
    return;
  }
  const json::Value first = *value;
  REEVE_CHECK(CheckArguments(types, command, *value).has_value());
  REEVE_CHECK(first == *value);
}

}  // namespace
}  // namespace reeve::core

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reeve::core::Check(data, size);
  return 0;
}
