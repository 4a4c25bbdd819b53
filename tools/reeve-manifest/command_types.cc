#include "tools/reeve-manifest/command_types.h"

#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "tools/reeve-manifest/command_table.h"

namespace reeve::manifest_tool {
namespace {

using config::CommandSpec;
using config::Manifest;
using config::TypeSpec;
using Kind = TypeSpec::Kind;

constexpr char kJsonValue[] = "::reeve::plugin::JsonValue";

// What cannot be a member's name, each between blanks: keywords of C++ up to C++23, macros of its compilers, and what the
// structs have of their own.
constexpr std::string_view kTaken =
    " Members alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t"
    " char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr constinit"
    " continue decltype default delete do double dynamic_cast else enum explicit export extern false float for"
    " friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq"
    " private protected public register requires reinterpret_cast return short signed sizeof static struct"
    " switch static_assert static_cast template this throw thread_local true try typedef typeid typename union"
    " unsigned using virtual void volatile wchar_t while xor xor_eq linux unix ";

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// "motd-get" becomes "MotdGet"; "" stays.
std::string Pascal(std::string_view text) {
  std::string name;
  bool begins_word = true;
  for (char c : text) {
    const bool is_kept = IsLetter(c) || IsDigit(c);
    if (is_kept) name += begins_word && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    begins_word = !is_kept;
  }
  return name;
}

std::string MemberName(std::string_view name) {
  std::string identifier;
  for (char c : name) identifier += IsLetter(c) || IsDigit(c) ? c : '_';
  if (IsDigit(identifier[0])) identifier.insert(0, "n");
  if (kTaken.find(" " + identifier + " ") != std::string_view::npos) identifier += '_';
  return identifier;
}

// Without the vendor's prefix: "__com.example_motd-get" gives "MotdGet".
std::string CommandStruct(const CommandSpec& command) {
  std::string_view name = command.name;
  if (name.starts_with("__")) name.remove_prefix(name.find('_', 2) + 1);
  const std::string identifier = Pascal(name);
  return identifier.empty() || IsDigit(identifier[0]) ? "Command" + identifier : identifier;
}

std::string Quoted(std::string_view text) {
  constexpr char kDigits[] = "01234567";
  std::string quoted = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      quoted += {'\\', kDigits[byte >> 6], kDigits[byte >> 3 & 7], kDigits[byte & 7]};
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

class Writer {
 public:
  explicit Writer(const Manifest& manifest) : manifest_(manifest), states_(manifest.types.size()) {}

  std::expected<std::string, std::string> Write() {
    Claim("Manifest", "");
    NameTypes();
    for (const auto& [index, name] : names_) {
      if (manifest_.types[index].kind == Kind::kObject) text_ += "struct " + name + ";\n";
    }
    text_ += "\n";
    for (const auto& [index, name] : names_) Define(index);
    for (const CommandSpec& command : manifest_.commands) {
      const std::string name = CommandStruct(command);
      Claim(name, "command " + command.name);
      WriteStruct(name, manifest_.types[command.arguments], "// " + command.name + "\n");
    }
    WriteManifest();
    if (!problem_.empty()) return std::unexpected(problem_);
    return Framed();
  }

 private:
  enum class State : uint8_t { kUnseen, kBegun, kDone };

  // Names of the generated namespace are each used once.
  void Claim(const std::string& name, const std::string& what) {
    if (claimed_.insert(name).second || !problem_.empty()) return;
    problem_ = what + " needs the C++ name " + name + ", which another has";
  }

  void NameTypes() {
    for (uint32_t i = 0; i < manifest_.types.size(); i++) {
      const TypeSpec& type = manifest_.types[i];
      if (type.name.empty()) continue;
      const std::string pascal = Pascal(type.name);
      names_[i] = pascal.empty() || IsDigit(pascal[0]) ? "Type" + pascal : pascal;
      Claim(names_[i], "type " + type.name);
    }
  }

  // What a type holds by value must be whole before it: a list may hold what is only declared. What holds itself in
  // another way has no type in C++, and is JSON.
  std::string TypeName(uint32_t index, bool is_in_list = false) {
    const TypeSpec& type = manifest_.types[index];
    switch (type.kind) {
      case Kind::kString:
        return "std::string";
      case Kind::kBase64:
        return "::reeve::plugin::Base64";
      case Kind::kInt:
        return "int64_t";
      case Kind::kUint64:
        return "uint64_t";
      case Kind::kNumber:
        return "double";
      case Kind::kBool:
        return "bool";
      case Kind::kList:
        return "std::vector<" + TypeName(type.element, /*is_in_list=*/true) + ">";
      case Kind::kAny:
        return kJsonValue;
      case Kind::kEnum:
      case Kind::kObject:
      case Kind::kAlternate:
        break;
    }
    Define(index);
    const bool is_usable =
        states_[index] == State::kDone || (is_in_list && type.kind == Kind::kObject && !type.name.empty());
    return is_usable ? names_.at(index) : kJsonValue;
  }

  void Define(uint32_t index) {
    if (states_[index] != State::kUnseen) return;
    states_[index] = State::kBegun;
    const TypeSpec& type = manifest_.types[index];
    if (type.kind == Kind::kEnum) WriteEnum(names_.at(index), type);
    if (type.kind == Kind::kObject) WriteStruct(names_.at(index), type, "");
    if (type.kind == Kind::kAlternate) {
      std::string alternatives;
      for (const uint32_t alternative : type.alternatives) {
        alternatives += (alternatives.empty() ? "" : ", ") + TypeName(alternative);
      }
      text_ += "using " + names_.at(index) + " = std::variant<" + alternatives + ">;\n\n";
    }
    states_[index] = State::kDone;
  }

  void WriteEnum(const std::string& name, const TypeSpec& type) {
    std::string values;
    std::string words;
    std::set<std::string> taken;
    for (const std::string& word : type.enum_values) {
      const std::string value = "k" + Pascal(word);
      if (!taken.insert(value).second && problem_.empty()) {
        problem_ = "two words of type " + type.name + " need the C++ name " + value;
      }
      values += (values.empty() ? "" : ", ") + value;
      words += (words.empty() ? "" : ", ") + Quoted(word);
    }
    text_ += "enum class " + name + " : uint32_t { " + values + " };\ninline constexpr std::string_view kWordsOf" +
             name + "[] = {" + words + "};\nconstexpr ::reeve::plugin::Words WordsOf(" + name +
             ") {\n  return {kWordsOf" + name + ", " + std::to_string(type.enum_values.size()) + "};\n}\n\n";
  }

  void WriteStruct(const std::string& name, const TypeSpec& type, const std::string& comment) {
    std::string members;
    std::string places;
    std::set<std::string> taken;
    for (const TypeSpec::MemberSpec& member : type.members) {
      const std::string identifier = MemberName(member.name);
      if (!taken.insert(identifier).second && problem_.empty()) {
        problem_ = "two members of " + name + " need the C++ name " + identifier;
      }
      const std::string its_type = TypeName(member.type);
      members +=
          "  " + (member.is_optional ? "std::optional<" + its_type + ">" : its_type) + " " + identifier + "{};\n";
      places += (places.empty() ? "" : ",\n                           ") +
                ("::reeve::plugin::Member{" + Quoted(member.name)) + ", &" + name + "::" + identifier + "}";
    }
    text_ += comment + "struct " + name + " {\n" + members + "  static constexpr auto Members() {\n" +
             "    return std::make_tuple(" + places + ");\n  }\n};\n\n";
  }

  void WriteManifest() {
    std::string names;
    std::string structs;
    for (const CommandSpec& command : manifest_.commands) {
      names += (names.empty() ? "" : ", ") + Quoted(command.name);
      structs += (structs.empty() ? "" : ", ") + CommandStruct(command);
    }
    if (names.empty() && problem_.empty()) problem_ = "there is no command";
    const auto line = [](const char* key, const std::string& value) {
      return std::string("  static constexpr std::string_view ") + key + " = " + Quoted(value) + ";\n";
    };
    text_ += "struct Manifest {\n" + line("kId", manifest_.id) + line("kVersion", manifest_.version) +
             line("kVendor", manifest_.vendor) + line("kLicence", manifest_.licence) +
             "  static constexpr std::string_view kNames[] = {" + names +
             "};\n  using Commands = ::reeve::plugin::CommandList<" + structs + ">;\n};\n";
  }

  std::string Framed() const {
    const std::string space = Identifier(manifest_.name) + "_manifest";
    return "// Made from " + manifest_.name + config::kManifestSuffix + "; do not edit.\n#pragma once\n\n" +
           "#include <cstdint>\n#include <optional>\n#include <string>\n#include <string_view>\n#include <tuple>\n" +
           "#include <variant>\n#include <vector>\n\n#include \"reeve/typed.hpp\"\n\nnamespace " + space + " {\n\n" +
           text_ + "\n}  // namespace " + space + "\n";
  }

  const Manifest& manifest_;
  std::vector<State> states_;
  std::map<uint32_t, std::string> names_;  // of named types, by index
  std::set<std::string> claimed_;
  std::string text_;
  std::string problem_;  // the first
};

}  // namespace

std::expected<std::string, std::string> CommandTypes(const Manifest& manifest) {
  return Writer(manifest).Write();
}

}  // namespace reeve::manifest_tool
