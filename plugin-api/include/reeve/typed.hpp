#ifndef REEVE_TYPED_HPP
#define REEVE_TYPED_HPP

// Arguments and replies as structs. NAME_commands.hpp, made from a plugin's manifest, has a struct for each command and
// each type of it; what reads and writes them is here. A struct of one's own, for a reply, says what it has the same way:
//
//   struct Load {
//     double average = 0;
//     std::optional<std::string> note;
//     static constexpr auto Members() {
//       return std::make_tuple(reeve::plugin::Member{"average", &Load::average}, reeve::plugin::Member{"note", &Load::note});
//     }
//   };
//   reply.ReturnValue(Load{0.5, {}});

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "reeve/json.hpp"

namespace reeve::plugin {

// One member of a struct: its name in JSON and its place. One of type std::optional may be absent.
template <typename Struct, typename T>
struct Member {
  std::string_view name;
  T Struct::* place;
};
template <typename Struct, typename T>
Member(std::string_view, T Struct::*) -> Member<Struct, T>;
template <typename Struct, typename T, size_t kSize>
Member(const char (&)[kSize], T Struct::*) -> Member<Struct, T>;

// Base64 as it came, not decoded and not copied: lent until the command returns.
struct Base64 {
  std::string_view encoded;
};

// The words of an enum, in the order of its values. An enum says WordsOf(its type) in its own namespace.
struct Words {
  const std::string_view* first;
  size_t count;
};

// The commands of a manifest, in its order.
template <typename... Commands>
struct CommandList {
  static constexpr uint32_t kCount = sizeof...(Commands);
  template <typename T>
  static constexpr bool kHas = (std::is_same_v<T, Commands> || ...);
};

namespace typed_internal {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace typed_internal

// Reads values into types. What it lends lives as long as it and the text do. Any mistake makes `Read` false; `bad_member`
// is then the outermost member that has it.
class TypedReader {
 public:
  std::string_view bad_member() const { return bad_member_; }

  template <typename T>
  bool Read(const JsonValue& value, T& out) {
    if constexpr (std::is_enum_v<T>) {
      return ReadEnum(value, out);
    } else {
      return ReadStruct(value, out);
    }
  }
  bool Read(const JsonValue& value, bool& out) { return Take(value.AsBool(), out); }
  bool Read(const JsonValue& value, int64_t& out) { return Take(value.AsInt(), out); }
  // A negative one wraps, as in QAPI.
  bool Read(const JsonValue& value, uint64_t& out) {
    if (Take(value.AsUint(), out)) return true;
    const std::optional<int64_t> negative = value.AsInt();
    if (negative) out = static_cast<uint64_t>(*negative);
    return negative.has_value();
  }
  bool Read(const JsonValue& value, double& out) { return Take(value.AsNumber(), out); }
  bool Read(const JsonValue& value, std::string& out) { return Take(value.AsString(), out); }
  bool Read(const JsonValue& value, Base64& out) {
    if (!value.is_string()) return false;
    const std::optional<std::string_view> plain = value.AsPlainString();
    out.encoded = plain ? *plain : std::string_view(memory_.emplace_back(*value.AsString()));
    return true;
  }
  bool Read(const JsonValue& value, JsonValue& out) {
    out = value;
    return true;
  }
  template <typename T>
  bool Read(const JsonValue& value, std::optional<T>& out) {
    return Read(value, out.emplace());
  }
  template <typename T>
  bool Read(const JsonValue& value, std::vector<T>& out) {
    if (!value.is_list()) return false;
    for (const JsonValue& element : value.Elements()) {
      if (!Read(element, out.emplace_back())) return false;
    }
    return true;
  }
  // The first whose JSON type it has: a manifest has no two of one JSON type.
  template <typename... Ts>
  bool Read(const JsonValue& value, std::variant<Ts...>& out) {
    return (ReadAs<Ts>(value, out) || ...);
  }
  template <typename T>
  bool ReadStruct(const JsonValue& value, T& out) {
    if (!value.is_object()) return false;
    const auto members = value.Members();
    const auto read = [&](const auto&... member) { return (ReadMember(members, member, out) && ...); };
    return std::apply(read, T::Members());
  }

 private:
  using JsonMembers = std::vector<std::pair<std::string_view, JsonValue>>;
  template <typename T>
  static bool Take(std::optional<T> value, T& out) {
    if (value) out = *std::move(value);
    return value.has_value();
  }
  template <typename T, typename Variant>
  bool ReadAs(const JsonValue& value, Variant& out) {
    T alternative{};
    if (!Read(value, alternative)) return false;
    out = std::move(alternative);
    return true;
  }
  template <typename T>
  bool ReadEnum(const JsonValue& value, T& out) {
    const std::optional<std::string> word = value.AsString();
    const Words words = WordsOf(T{});
    for (size_t i = 0; word && i < words.count; ++i) {
      if (words.first[i] != *word) continue;
      out = static_cast<T>(i);
      return true;
    }
    return false;
  }
  template <typename Struct, typename T>
  bool ReadMember(const JsonMembers& members, const Member<Struct, T>& member, Struct& out) {
    for (const auto& [name, value] : members) {
      if (name != member.name) continue;
      if (Read(value, out.*member.place)) return true;
      bad_member_ = member.name;
      return false;
    }
    if (typed_internal::IsOptional<T>::value) return true;
    bad_member_ = member.name;
    return false;
  }

  std::deque<std::string> memory_;  // a deque: views into it stay good
  std::string_view bad_member_;
};

// Writes a value of any of those types. An absent member is left out; elsewhere an absent value is null.
inline void WriteValue(JsonWriter& json, bool value) {
  json.Bool(value);
}
inline void WriteValue(JsonWriter& json, double value) {
  json.Number(value);
}
inline void WriteValue(JsonWriter& json, std::string_view value) {
  json.String(value);
}
inline void WriteValue(JsonWriter& json, const std::string& value) {
  json.String(value);
}
inline void WriteValue(JsonWriter& json, const char* value) {
  json.String(value);
}
// Base64 has nothing that JSON would escape.
inline void WriteValue(JsonWriter& json, const Base64& value) {
  json.Raw("\"" + std::string(value.encoded) + "\"");
}
inline void WriteValue(JsonWriter& json, const JsonValue& value) {
  json.Raw(value.is_null() ? "null" : value.raw());
}
template <typename T>
void WriteValue(JsonWriter& json, const T& value);
template <typename T>
void WriteValue(JsonWriter& json, const std::optional<T>& value);
template <typename T>
void WriteValue(JsonWriter& json, const std::vector<T>& values);
template <typename... Ts>
void WriteValue(JsonWriter& json, const std::variant<Ts...>& value);

namespace typed_internal {

template <typename Struct, typename T>
void WriteMember(JsonWriter& json, const Struct& object, const Member<Struct, std::optional<T>>& member) {
  if (!(object.*member.place)) return;
  json.Key(member.name);
  WriteValue(json, *(object.*member.place));
}
template <typename Struct, typename T>
void WriteMember(JsonWriter& json, const Struct& object, const Member<Struct, T>& member) {
  json.Key(member.name);
  WriteValue(json, object.*member.place);
}

}  // namespace typed_internal

template <typename T>
void WriteValue(JsonWriter& json, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    json.String(WordsOf(value).first[static_cast<size_t>(value)]);
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    json.Int(value);
  } else if constexpr (std::is_integral_v<T>) {
    json.Uint(value);
  } else {
    json.BeginObject();
    std::apply([&](const auto&... member) { (typed_internal::WriteMember(json, value, member), ...); }, T::Members());
    json.EndObject();
  }
}
template <typename T>
void WriteValue(JsonWriter& json, const std::optional<T>& value) {
  if (value) {
    WriteValue(json, *value);
  } else {
    json.Null();
  }
}
template <typename T>
void WriteValue(JsonWriter& json, const std::vector<T>& values) {
  json.BeginList();
  for (const T& value : values) WriteValue(json, value);
  json.EndList();
}
template <typename... Ts>
void WriteValue(JsonWriter& json, const std::variant<Ts...>& value) {
  std::visit([&json](const auto& alternative) { WriteValue(json, alternative); }, value);
}

}  // namespace reeve::plugin

#endif  // REEVE_TYPED_HPP
