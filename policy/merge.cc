#include "policy/merge.h"

#include <algorithm>
#include <set>

namespace reeve::policy {
namespace {

using Entry = YamlNode::Entry;

bool IsMap(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kMap;
}

std::string BaseOf(const Entry& entry) {
  return IsListForm(entry) ? entry.key.text.substr(1) : entry.key.text;
}

// Whether `pattern` says what `node` is: the same word, the same list, or a map of whose keys `node` has all.
bool Describes(const YamlNode& pattern, const YamlNode& node) {
  if (pattern.kind != node.kind) return false;
  switch (pattern.kind) {
    case YamlNode::Kind::kNull:
      return true;
    case YamlNode::Kind::kScalar:
      return pattern.text == node.text;
    case YamlNode::Kind::kList:
      return std::ranges::equal(pattern.items, node.items, Describes);
    case YamlNode::Kind::kMap:
      return std::ranges::all_of(pattern.entries, [&](const Entry& wanted) {
        const auto found =
            std::ranges::find_if(node.entries, [&](const Entry& entry) { return entry.key.text == wanted.key.text; });
        return found != node.entries.end() && Describes(wanted.value, found->value);
      });
  }
  return false;
}

class Merger {
 public:
  Merger(SchemaReader& reader, Diagnostics& warnings) : reader_(reader), warnings_(warnings) {}

  // Puts `upper` on `lower`; both are maps.
  YamlNode OnTop(YamlNode lower, YamlNode upper) {
    YamlNode merged = upper;
    merged.entries.clear();
    for (Entry& entry : upper.entries) {
      const std::string base = BaseOf(entry);
      const auto below =
          std::ranges::find_if(lower.entries, [&](const Entry& candidate) { return candidate.key.text == base; });
      YamlNode* value = below == lower.entries.end() ? nullptr : &below->value;
      if (!IsListForm(entry)) {
        Replace(value, entry);
      } else if (!Change(value, entry)) {
        continue;
      }
      if (value != nullptr) lower.entries.erase(below);
      merged.entries.push_back(std::move(entry));
    }
    std::ranges::move(lower.entries, std::back_inserter(merged.entries));
    return merged;
  }

 private:
  // A map needs what is below it; with nothing there its own forms are still worked out.
  void Replace(YamlNode* below, Entry& entry) {
    if (!IsMap(entry.value)) return;
    YamlNode empty = entry.value;
    empty.entries.clear();
    YamlNode lower = below != nullptr && IsMap(*below) ? std::move(*below) : std::move(empty);
    entry.value = OnTop(std::move(lower), std::move(entry.value));
  }

  // The list that the form makes of the list below; false: there is none and none comes of it.
  bool Change(YamlNode* below, Entry& entry) {
    const bool adds = entry.key.text[0] == '+';
    if (below != nullptr && below->kind != YamlNode::Kind::kList) {
      reader_.Error(entry.key, "'" + entry.key.text + "' is for a list, and what it changes is none: " +
                                   reader_.FileOf(*below) + ":" + std::to_string(below->line));
      return false;
    }
    if (!adds) {
      for (const YamlNode& item : entry.value.items) TakeOff(below, item, entry.key.text);
      if (below == nullptr) return false;
    } else if (below != nullptr) {
      std::ranges::move(entry.value.items, std::back_inserter(below->items));
    }
    if (below != nullptr) entry.value = std::move(*below);
    entry.key.text.erase(0, 1);
    return true;
  }

  void TakeOff(YamlNode* list, const YamlNode& item, const std::string& form) {
    const size_t taken =
        list == nullptr ? 0 : std::erase_if(list->items, [&](const YamlNode& node) { return Describes(item, node); });
    if (taken > 0) return;
    const std::string what = item.kind == YamlNode::Kind::kScalar ? "'" + item.text + "'" : "such an entry";
    warnings_.push_back({reader_.FileOf(item), item.line, item.column,
                         "'" + form + "' takes nothing off: no file below this one has " + what + " in the list"});
  }

  SchemaReader& reader_;
  Diagnostics& warnings_;
};

}  // namespace

bool IsListForm(const Entry& entry) {
  const std::string& key = entry.key.text;
  return key.size() > 1 && (key[0] == '+' || key[0] == '-') && entry.value.kind == YamlNode::Kind::kList;
}

void CheckForms(SchemaReader& reader, const YamlNode& root) {
  std::set<std::string> bases;
  for (const Entry& entry : root.entries) {
    if (!bases.insert(BaseOf(entry)).second) {
      reader.Error(entry.key, "'" + BaseOf(entry) + "' stands here in two forms; one file says key:, +key: or -key:");
    }
    if (IsMap(entry.value)) CheckForms(reader, entry.value);
  }
}

YamlNode WithoutForms(YamlNode root) {
  for (Entry& entry : root.entries) {
    // A map to be taken off describes an entry, and need not be a whole one.
    if (IsListForm(entry) && entry.key.text[0] == '-') std::erase_if(entry.value.items, IsMap);
    entry.key.text = BaseOf(entry);
    if (IsMap(entry.value)) entry.value = WithoutForms(std::move(entry.value));
  }
  return root;
}

YamlNode Merge(std::vector<YamlNode> layers, SchemaReader& reader, Diagnostics& warnings) {
  Merger merger(reader, warnings);
  YamlNode merged;
  merged.kind = YamlNode::Kind::kMap;
  if (!layers.empty()) merged.file = layers[0].file;
  for (YamlNode& layer : layers) merged = merger.OnTop(std::move(merged), std::move(layer));
  return merged;
}

}  // namespace reeve::policy
