#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/config/command_spec.h"
#include "policy/schema_reader.h"

namespace reeve::config {

// Builds the flat table of types of one manifest. For agent/config/manifest.cc only.
class TypeTable {
 public:
  explicit TypeTable(policy::SchemaReader& reader) : reader_(reader) {}

  // `types:`. Names may be used before they are defined, also by themselves.
  void ReadNamed(const policy::YamlNode& types);
  // A type as it is written after a member's name; its index, or 0 after a complaint.
  uint32_t Read(const policy::YamlNode& node);
  // `{name: T, name?: T}`; the index of the object.
  uint32_t ReadObject(const policy::YamlNode& members, const std::string& name, const std::string& what);
  std::vector<TypeSpec> Take() { return std::move(types_); }

 private:
  uint32_t Add(TypeSpec::Kind kind);
  uint32_t Primitive(TypeSpec::Kind kind);
  void Define(uint32_t index, const policy::YamlNode& node);
  void DefineEnum(uint32_t index, const policy::YamlNode& words);
  void DefineAlternate(uint32_t index, const policy::YamlNode& list);
  void DefineMembers(uint32_t index, const policy::YamlNode& members);
  void CheckAlternates();

  policy::SchemaReader& reader_;
  std::vector<TypeSpec> types_;
  std::map<std::string, uint32_t> named_;
  std::map<TypeSpec::Kind, uint32_t> primitives_;
  std::map<uint32_t, const policy::YamlNode*> alternates_;
};

}  // namespace reeve::config
