#pragma once

#include "policy/policy.h"
#include "policy/schema_reader.h"

// The sections of the policy language, one function each, for policy/parse.cc only. Each adds what stands under its key
// to `policy`, which begins as the profile's; what is wrong goes to the reader's diagnostics.

namespace reeve::policy {

// Whose text is read: some words are for the profiles that Reeve brings only.
enum class TextOf : uint8_t { kProfile, kAdministrator };

Origin OriginOf(const SchemaReader& reader, const YamlNode& node);

void ReadExec(SchemaReader& reader, const YamlNode& node, Policy& policy);
void ReadFiles(SchemaReader& reader, const YamlNode& node, TextOf text_of, Policy& policy);
void ReadPlugins(SchemaReader& reader, const YamlNode& node, TextOf text_of, Policy& policy);
// `programs:` and `directories:` of a plugin.
void ReadProgramsOfPlugin(SchemaReader& reader, const YamlNode& node, std::vector<ProgramRule>& rules);
void ReadDirectoriesOfPlugin(SchemaReader& reader, const YamlNode& node, TextOf text_of,
                             std::vector<FileDirectory>& directories);
// `restart:` of sandbox-defaults.
void ReadRestart(SchemaReader& reader, const YamlNode& node, Policy& policy);
void ReadDeny(SchemaReader& reader, const YamlNode& node, Policy& policy);
std::optional<Matcher> ReadMatcher(SchemaReader& reader, const YamlNode& node);

// A user's name as policy may write it; complains of what cannot be one.
RunAs ReadUser(SchemaReader& reader, const YamlNode& node, const std::string& what);

}  // namespace reeve::policy
