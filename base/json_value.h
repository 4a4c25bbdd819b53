#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reeve::json {

class Value;

struct Null {
  bool operator==(const Null&) const = default;
};
using List = std::vector<Value>;
struct Member;
// Members in the order they were written. No key stands twice (the parser refuses that).
using Object = std::vector<Member>;

// A JSON value. Strings are UTF-8 and may hold NUL (written \u0000 on the wire).
// Integers keep their kind: what fits int64 is int64, else uint64, else (or with `.` or `e`) double, as in QEMU.
class Value {
 public:
  using Variant = std::variant<Null, bool, int64_t, uint64_t, double, std::string, List, Object>;

  Value() = default;
  template <typename T>
    requires(!std::is_same_v<std::remove_cvref_t<T>, Value> && std::is_constructible_v<Variant, T>)
  explicit Value(T&& value) : value_(std::forward<T>(value)) {}

  const Variant& variant() const { return value_; }
  bool is_null() const { return std::holds_alternative<Null>(value_); }
  // The value as that type, or nullptr when it is another.
  template <typename T>
  const T* As() const {
    return std::get_if<T>(&value_);
  }
  template <typename T>
  T* As() {
    return std::get_if<T>(&value_);
  }
  // The member of that name when this is an object that has it, else nullptr.
  const Value* Find(std::string_view key) const;
  bool operator==(const Value& other) const;

 private:
  Variant value_;
};

struct Member {
  std::string key;
  Value value;
  bool operator==(const Member&) const = default;
};

}  // namespace reeve::json
