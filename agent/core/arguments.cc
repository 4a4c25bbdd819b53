#include "agent/core/arguments.h"

#include <algorithm>
#include <string>
#include <utility>

namespace reeve::core {

namespace {

using config::TypeSpec;

bool IsNumber(const json::Value& value) {
  return value.As<int64_t>() != nullptr || value.As<uint64_t>() != nullptr || value.As<double>() != nullptr;
}

bool IsList(const json::Value& value) {
  return value.As<json::List>() != nullptr;
}
bool IsObject(const json::Value& value) {
  return value.As<json::Object>() != nullptr;
}
bool IsString(const json::Value& value) {
  return value.As<std::string>() != nullptr;
}
bool IsBool(const json::Value& value) {
  return value.As<bool>() != nullptr;
}

json::Value* FindMember(json::Object& object, std::string_view name) {
  const auto member = std::ranges::find(object, name, &json::Member::key);
  return member == object.end() ? nullptr : &member->value;
}

// Where a value stands, as QAPI names it: `vcpus[0].online`. A chain of places on the stack, so that a path
// is put together only for an error.
struct Place {
  const Place* parent = nullptr;
  std::string_view name;  // of a member, or
  size_t index = 0;       // of an element when `name` is empty

  std::string Path() const {
    const std::string before = parent != nullptr ? parent->Path() : std::string();
    if (name.empty()) return before + "[" + std::to_string(index) + "]";
    return before.empty() ? std::string(name) : before + "." + std::string(name);
  }
};

class Checker {
 public:
  explicit Checker(std::span<const TypeSpec> types) : types_(types) {}

  Status CheckMembers(const TypeSpec& type, json::Object& object, const Place* place) const;

 private:
  Status CheckValue(const TypeSpec& type, json::Value& value, const Place& place) const;
  Status CheckScalar(const TypeSpec& type, json::Value& value, const Place& place) const;
  Status CheckUint64(json::Value& value, const Place& place) const;
  Status CheckEnum(const TypeSpec& type, const json::Value& value, const Place& place) const;
  Status CheckList(const TypeSpec& type, json::Value& value, const Place& place) const;
  Status CheckAlternate(const TypeSpec& type, json::Value& value, const Place& place) const;
  bool FitsJsonType(const TypeSpec& type, const json::Value& value) const;

  std::span<const TypeSpec> types_;
};

std::unexpected<Error> Wrong(const Place& place, std::string_view why) {
  return Fail(Code::kInvalidArgument, "Parameter '" + place.Path() + "' " + std::string(why));
}

Status Expect(bool is_right, const Place& place, std::string_view expected) {
  if (is_right) return {};
  return Fail(Code::kInvalidArgument,
              "Invalid parameter type for '" + place.Path() + "', expected: " + std::string(expected));
}

Status Checker::CheckMembers(const TypeSpec& type, json::Object& object, const Place* place) const {
  for (const TypeSpec::MemberSpec& member : type.members) {
    const Place at{place, member.name};
    json::Value* value = FindMember(object, member.name);
    if (value != nullptr) {
      REEVE_TRY(CheckValue(types_[member.type], *value, at));
    } else if (!member.is_optional) {
      return Wrong(at, "is missing");
    }
  }
  for (const json::Member& member : object) {
    if (std::ranges::find(type.members, member.key, &TypeSpec::MemberSpec::name) == type.members.end())
      return Fail(Code::kInvalidArgument, "Parameter '" + (place != nullptr ? place->Path() + "." : std::string()) +
                                              member.key + "' is unexpected");
  }
  return {};
}

Status Checker::CheckValue(const TypeSpec& type, json::Value& value, const Place& place) const {
  switch (type.kind) {
    case TypeSpec::Kind::kEnum:
      return CheckEnum(type, value, place);
    case TypeSpec::Kind::kList:
      return CheckList(type, value, place);
    case TypeSpec::Kind::kObject:
      REEVE_TRY(Expect(IsObject(value), place, "object"));
      return CheckMembers(type, *value.As<json::Object>(), &place);
    case TypeSpec::Kind::kAlternate:
      return CheckAlternate(type, value, place);
    default:
      return CheckScalar(type, value, place);
  }
}

Status Checker::CheckScalar(const TypeSpec& type, json::Value& value, const Place& place) const {
  switch (type.kind) {
    case TypeSpec::Kind::kString:
    case TypeSpec::Kind::kBase64:
      return Expect(IsString(value), place, "string");
    case TypeSpec::Kind::kInt:
      return Expect(value.As<int64_t>() != nullptr, place, "integer");
    case TypeSpec::Kind::kUint64:
      return CheckUint64(value, place);
    case TypeSpec::Kind::kNumber:
      return Expect(IsNumber(value), place, "number");
    case TypeSpec::Kind::kBool:
      return Expect(IsBool(value), place, "boolean");
    default:
      return {};
  }
}

Status Checker::CheckUint64(json::Value& value, const Place& place) const {
  if (const int64_t* number = value.As<int64_t>()) {
    if (*number < 0) value = json::Value(static_cast<uint64_t>(*number));
    return {};
  }
  if (value.As<uint64_t>() != nullptr) return {};
  return Wrong(place, "expects uint64");
}

Status Checker::CheckEnum(const TypeSpec& type, const json::Value& value, const Place& place) const {
  REEVE_TRY(Expect(IsString(value), place, "string"));
  const std::string& text = *value.As<std::string>();
  if (std::ranges::find(type.enum_values, text) != type.enum_values.end()) return {};
  return Wrong(place, "does not accept value '" + text + "'");
}

Status Checker::CheckList(const TypeSpec& type, json::Value& value, const Place& place) const {
  REEVE_TRY(Expect(IsList(value), place, "array"));
  size_t index = 0;
  for (json::Value& element : *value.As<json::List>()) {
    const Place at{&place, {}, index++};
    REEVE_TRY(CheckValue(types_[type.element], element, at));
  }
  return {};
}

// Whether an alternate's branch is chosen for `value`. Any number chooses an integer's branch, which then
// refuses 1.5.
bool Checker::FitsJsonType(const TypeSpec& type, const json::Value& value) const {
  switch (type.kind) {
    case TypeSpec::Kind::kString:
    case TypeSpec::Kind::kBase64:
    case TypeSpec::Kind::kEnum:
      return IsString(value);
    case TypeSpec::Kind::kInt:
    case TypeSpec::Kind::kUint64:
    case TypeSpec::Kind::kNumber:
      return IsNumber(value);
    case TypeSpec::Kind::kBool:
      return IsBool(value);
    case TypeSpec::Kind::kList:
      return IsList(value);
    case TypeSpec::Kind::kObject:
      return IsObject(value);
    case TypeSpec::Kind::kAlternate:  // QAPI nests no alternates; the manifest's check refuses it
      return false;
    case TypeSpec::Kind::kAny:
      return true;
  }
  return false;
}

Status Checker::CheckAlternate(const TypeSpec& type, json::Value& value, const Place& place) const {
  for (const uint32_t alternative : type.alternatives) {
    if (FitsJsonType(types_[alternative], value)) return CheckValue(types_[alternative], value, place);
  }
  return Expect(false, place, type.name);
}

}  // namespace

Status CheckArguments(std::span<const TypeSpec> types, const config::CommandSpec& command, json::Value& arguments) {
  json::Object* object = arguments.As<json::Object>();
  if (object == nullptr) return Fail(Code::kInvalidArgument, "QMP input member 'arguments' must be an object");
  return Checker(types).CheckMembers(types[command.arguments], *object, nullptr);
}

}  // namespace reeve::core
