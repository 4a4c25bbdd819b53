#include "agent/config/manifest_types.h"

#include <algorithm>
#include <set>

#include "agent/config/words.h"

namespace reeve::config {
namespace {

using Kind = TypeSpec::Kind;
using policy::YamlNode;

const std::vector<std::string> kPrimitiveWords = {"str", "base64", "int", "uint64", "number", "bool", "any"};
constexpr Kind kPrimitives[] = {Kind::kString, Kind::kBase64, Kind::kInt, Kind::kUint64,
                                Kind::kNumber, Kind::kBool,   Kind::kAny};

// What JSON looks like to the reader of an alternate; 0 for a type that may not be in one.
char JsonShape(Kind kind) {
  switch (kind) {
    case Kind::kString:
    case Kind::kBase64:
    case Kind::kEnum:
      return 's';
    case Kind::kInt:
    case Kind::kUint64:
    case Kind::kNumber:
      return 'n';
    case Kind::kBool:
      return 'b';
    case Kind::kList:
      return 'l';
    case Kind::kObject:
      return 'o';
    case Kind::kAlternate:
    case Kind::kAny:
      return 0;
  }
  return 0;
}

bool IsMemberName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

}  // namespace

uint32_t TypeTable::Add(Kind kind) {
  types_.emplace_back().kind = kind;
  return static_cast<uint32_t>(types_.size() - 1);
}

uint32_t TypeTable::Primitive(Kind kind) {
  const auto found = primitives_.find(kind);
  if (found != primitives_.end()) return found->second;
  return primitives_[kind] = Add(kind);
}

void TypeTable::ReadNamed(const YamlNode& types) {
  if (!reader_.CheckNamedMap(types, "types")) return;
  for (const auto& [key, value] : types.entries) {
    if (std::ranges::find(kPrimitiveWords, key.text) != kPrimitiveWords.end()) {
      reader_.Error(key, "'" + key.text + "' is a type already");
    }
    const uint32_t index = named_[key.text] = Add(Kind::kAny);
    types_[index].name = key.text;
  }
  for (const auto& [key, value] : types.entries) {
    if (value.kind != YamlNode::Kind::kNull) Define(named_[key.text], value);
  }
  CheckAlternates();
}

void TypeTable::Define(uint32_t index, const YamlNode& node) {
  const std::string what = "type '" + types_[index].name + "'";
  if (!reader_.CheckMap(node, what, {TypeKeys(), {}})) return;
  const YamlNode* words = reader_.Find(node, "enum");
  const YamlNode* members = reader_.Find(node, "object");
  const YamlNode* list = reader_.Find(node, "alternate");
  if ((words != nullptr) + (members != nullptr) + (list != nullptr) != 1) {
    reader_.Error(node, what + " must be one of enum, object, alternate");
    return;
  }
  if (words != nullptr) DefineEnum(index, *words);
  if (members != nullptr) DefineMembers(index, *members);
  if (list != nullptr) DefineAlternate(index, *list);
}

void TypeTable::DefineEnum(uint32_t index, const YamlNode& words) {
  types_[index].kind = Kind::kEnum;
  types_[index].enum_values = reader_.Texts(words, "enum");
  const auto& values = types_[index].enum_values;
  if (values.empty()) reader_.Error(words, "enum must list at least one word");
  if (std::set<std::string>(values.begin(), values.end()).size() != values.size()) {
    reader_.Error(words, "enum lists a word twice");
  }
}

void TypeTable::DefineAlternate(uint32_t index, const YamlNode& list) {
  types_[index].kind = Kind::kAlternate;
  if (!reader_.CheckList(list, "alternate")) return;
  alternates_[index] = &list;
  for (const YamlNode& item : list.items) {
    const uint32_t alternative = Read(item);
    types_[index].alternatives.push_back(alternative);
  }
}

// After all are defined: an alternative's kind may be known only then.
void TypeTable::CheckAlternates() {
  for (const auto& [index, node] : alternates_) {
    std::set<char> shapes;
    for (uint32_t alternative : types_[index].alternatives) {
      const char shape = JsonShape(types_[alternative].kind);
      if (shape == 0) {
        reader_.Error(*node, "an alternate cannot hold an alternate or any");
      } else if (!shapes.insert(shape).second) {
        reader_.Error(*node, "two types of an alternate have one JSON type");
      }
    }
    if (types_[index].alternatives.empty()) reader_.Error(*node, "alternate must list at least one type");
  }
}

void TypeTable::DefineMembers(uint32_t index, const YamlNode& members) {
  types_[index].kind = Kind::kObject;
  if (!reader_.CheckNamedMap(members, "the members of an object")) return;
  std::set<std::string> names;
  for (const auto& [key, value] : members.entries) {
    if (value.kind == YamlNode::Kind::kNull) continue;
    TypeSpec::MemberSpec member;
    member.is_optional = key.text.ends_with('?');
    member.name = key.text.substr(0, key.text.size() - member.is_optional);
    if (!IsMemberName(member.name)) reader_.Error(key, "'" + member.name + "' is no name of a member");
    if (!names.insert(member.name).second) reader_.Error(key, "member '" + member.name + "' stands twice");
    member.type = Read(value);
    types_[index].members.push_back(std::move(member));
  }
}

uint32_t TypeTable::ReadObject(const YamlNode& members, const std::string& name, const std::string& what) {
  const uint32_t index = Add(Kind::kObject);
  types_[index].name = name;
  if (members.kind != YamlNode::Kind::kMap) {
    reader_.Error(members, what + " must be a map");
    return index;
  }
  DefineMembers(index, members);
  return index;
}

uint32_t TypeTable::Read(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kList) {
    if (node.items.size() != 1) {
      reader_.Error(node, "a list's type is written [T]");
      return 0;
    }
    const uint32_t element = Read(node.items[0]);
    const uint32_t index = Add(Kind::kList);
    types_[index].element = element;
    return index;
  }
  const auto text = reader_.Text(node, "a type");
  if (!text) return 0;
  const auto word = std::ranges::find(kPrimitiveWords, *text);
  if (word != kPrimitiveWords.end()) return Primitive(kPrimitives[word - kPrimitiveWords.begin()]);
  if (const auto found = named_.find(*text); found != named_.end()) return found->second;
  std::vector<std::string> known = kPrimitiveWords;
  for (const auto& [name, index] : named_) known.push_back(name);
  reader_.Error(node, "unknown type '" + *text + "'" + policy::DidYouMean(*text, known));
  return 0;
}

}  // namespace reeve::config
