#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "policy/diagnostic.h"

// Strict YAML as a tree that knows where each thing stands. Refused: anchors, aliases, tags, merge keys, a second document,
// directives, keys that are no scalars, a key that stands twice, text that is not UTF-8 or holds control bytes, more than 256 KiB, nesting
// deeper than 16. Nothing is typed here: what a plain scalar means is its schema's business.

namespace reeve::policy {

inline constexpr size_t kMaxYamlBytes = 256 << 10;
inline constexpr int kMaxYamlDepth = 16;

struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };
  struct Entry;
  Kind kind = Kind::kNull;
  uint32_t line = 1;
  uint32_t column = 1;
  uint32_t file = 0;       // the number that ReadYaml was given
  std::string text;        // kScalar
  bool is_quoted = false;  // kScalar: quoted or a block scalar
  std::vector<YamlNode> items;
  std::vector<Entry> entries;  // in the order written
};

struct YamlNode::Entry {
  YamlNode key;  // a kScalar
  YamlNode value;
};

// `file` names the text in the diagnostic: the first thing that is wrong. `number` goes to every node.
std::expected<YamlNode, Diagnostic> ReadYaml(const std::string& file, const std::string& text, uint32_t number = 0);

}  // namespace reeve::policy
