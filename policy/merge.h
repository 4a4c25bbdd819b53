#pragma once

#include <string>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/schema_reader.h"
#include "policy/yaml_reader.h"

// Layers of one language become one tree (REFERENCE.md, "Layers"). Knows nothing of what the keys mean: maps merge by key,
// anything else replaces what stood below; `+key:` adds a list's entries to the list below, `-key:` takes entries off it.
// Each node stays where it was written, so that every later word about it names that place. Pure.

namespace reeve::policy {

// Whether the entry is `+key: [...]` or `-key: [...]`.
bool IsListForm(const YamlNode::Entry& entry);

// Complains of a key that stands in two forms in one map of one text.
void CheckForms(SchemaReader& reader, const YamlNode& root);

// The tree as if every `+key` and `-key` were `key`, without the maps that a `-key` takes off: for checking a layer by itself. REQUIRES: CheckForms was silent.
YamlNode WithoutForms(YamlNode root);

// `layers` from the lowest to the highest, each a map. A `+` or `-` on something that is no list goes to `reader` as a
// mistake; a `-` that takes nothing off goes to `warnings`. What a higher layer says comes first in its map.
// REQUIRES: CheckForms was silent for each.
YamlNode Merge(std::vector<YamlNode> layers, SchemaReader& reader, Diagnostics& warnings);

}  // namespace reeve::policy
