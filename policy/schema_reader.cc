#include "policy/schema_reader.h"

#include <algorithm>
#include <charconv>

#include "policy/decide.h"

namespace reeve::policy {
namespace {

const char* KindName(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a word";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

bool Contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// `+key` or `-key` of a key that is known: with a list as its value it would have been merged before.
bool IsFormOf(const std::vector<std::string>& known, std::string_view key) {
  return (key.starts_with('+') || key.starts_with('-')) && Contains(known, key.substr(1));
}

std::string Joined(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ", ") + word;
  return joined;
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// "60s", "1 MiB": digits, at most one space, a unit. `value` is the product.
bool ParseWithUnit(std::string_view text, std::initializer_list<Unit> units, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return false;
  std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  for (const Unit& unit : units) {
    if (rest == unit.name) return !__builtin_mul_overflow(value, unit.factor, &value);
  }
  return false;
}

}  // namespace

void SchemaReader::Error(const YamlNode& at, std::string message) {
  diagnostics_.push_back({FileOf(at), at.line, at.column, std::move(message)});
}

void SchemaReader::ErrorOfWhole(const YamlNode& at, std::string message) {
  if (scope_ == Scope::kWhole) Error(at, std::move(message));
}

bool SchemaReader::CheckKeys(const YamlNode& node, const std::string& what, const MapSchema* schema) {
  if (node.kind != YamlNode::Kind::kMap) {
    Error(node, what + " must be a map, not " + KindName(node));
    return false;
  }
  for (const auto& [key, value] : node.entries) {
    if (schema != nullptr && Contains(schema->later, key.text)) {
      Error(key, "key '" + key.text + "' of " + what + " is not supported by this version");
    } else if (schema != nullptr && IsFormOf(schema->known, key.text)) {
      Error(key, value.kind == YamlNode::Kind::kList
                     ? "'" + key.text + "' has nothing below it to change: an entry of a list is written whole"
                     : "'" + key.text + "' must be a list, not " + KindName(value));
    } else if (schema != nullptr && !Contains(schema->known, key.text)) {
      Error(key, "unknown key '" + key.text + "' in " + what + DidYouMean(key.text, schema->known));
    } else if (value.kind == YamlNode::Kind::kNull) {
      Error(key, "key '" + key.text + "' has no value");
    }
  }
  return true;
}

bool SchemaReader::CheckMap(const YamlNode& node, const std::string& what, const MapSchema& schema) {
  return CheckKeys(node, what, &schema);
}

bool SchemaReader::CheckNamedMap(const YamlNode& node, const std::string& what) {
  return CheckKeys(node, what, nullptr);
}

bool SchemaReader::CheckList(const YamlNode& node, const std::string& what) {
  if (node.kind == YamlNode::Kind::kList) return true;
  Error(node, what + " must be a list, not " + KindName(node));
  return false;
}

const YamlNode* SchemaReader::Find(const YamlNode& map, std::string_view key) {
  for (const auto& entry : map.entries) {
    if (entry.key.text == key) return entry.value.kind == YamlNode::Kind::kNull ? nullptr : &entry.value;
  }
  return nullptr;
}

const YamlNode* SchemaReader::Require(const YamlNode& map, std::string_view key, const std::string& what) {
  for (const auto& entry : map.entries) {
    if (entry.key.text == key) return entry.value.kind == YamlNode::Kind::kNull ? nullptr : &entry.value;
  }
  Error(map, what + " needs '" + std::string(key) + "'");
  return nullptr;
}

const YamlNode* SchemaReader::RequireOfWhole(const YamlNode& map, std::string_view key, const std::string& what) {
  return scope_ == Scope::kWhole ? Require(map, key, what) : Find(map, key);
}

std::optional<std::string> SchemaReader::Text(const YamlNode& node, const std::string& what) {
  if (node.kind == YamlNode::Kind::kScalar) return node.text;
  Error(node, what + " must be a word, not " + KindName(node));
  return std::nullopt;
}

std::vector<std::string> SchemaReader::Texts(const YamlNode& node, const std::string& what) {
  std::vector<std::string> texts;
  if (!CheckList(node, what)) return texts;
  for (const YamlNode& item : node.items) {
    if (auto text = Text(item, "an entry of " + what)) texts.push_back(*text);
  }
  return texts;
}

std::optional<bool> SchemaReader::Bool(const YamlNode& node, const std::string& what) {
  const bool is_plain = node.kind == YamlNode::Kind::kScalar && !node.is_quoted;
  if (is_plain && node.text == "true") return true;
  if (is_plain && node.text == "false") return false;
  Error(node, what + " must be true or false");
  return std::nullopt;
}

std::optional<int64_t> SchemaReader::Integer(const YamlNode& node, const std::string& what, int64_t minimum,
                                             int64_t maximum) {
  int64_t value = 0;
  const char* begin = node.text.data();
  const auto [end, error] = std::from_chars(begin, begin + node.text.size(), value);
  const bool is_whole = node.kind == YamlNode::Kind::kScalar && !node.is_quoted && error == std::errc() &&
                        end == begin + node.text.size() && std::to_string(value) == node.text;
  if (is_whole && value >= minimum && value <= maximum) return value;
  const std::string range = " a whole number from " + std::to_string(minimum) + " to " + std::to_string(maximum);
  Error(node, what + " must be" + (minimum == maximum ? " " + std::to_string(minimum) : range));
  return std::nullopt;
}

std::optional<uint64_t> SchemaReader::Size(const YamlNode& node, const std::string& what) {
  uint64_t value = 0;
  if (node.kind == YamlNode::Kind::kScalar &&
      ParseWithUnit(node.text, {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}, value)) {
    return value;
  }
  Error(node, what + " must be a size with its unit, as '64 KiB' (B, KiB, MiB, GiB)");
  return std::nullopt;
}

std::optional<uint32_t> SchemaReader::Duration(const YamlNode& node, const std::string& what) {
  uint64_t value = 0;
  // 49 days are what 32 bits of milliseconds hold; the last value means "never" to some readers.
  if (node.kind == YamlNode::Kind::kScalar &&
      ParseWithUnit(node.text, {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}}, value) && value > 0 &&
      value < UINT32_MAX) {
    return static_cast<uint32_t>(value);
  }
  Error(node, what + " must be a duration with its unit, as '60s' (ms, s, min, h)");
  return std::nullopt;
}

std::optional<uint32_t> SchemaReader::Mode(const YamlNode& node, const std::string& what) {
  uint32_t value = 0;
  const char* begin = node.text.data();
  const auto [end, error] = std::from_chars(begin, begin + node.text.size(), value, 8);
  if (node.kind == YamlNode::Kind::kScalar && node.is_quoted && error == std::errc() &&
      end == begin + node.text.size() && value <= 0777) {
    return value;
  }
  Error(node, what + " must be a quoted octal mode, as \"0600\"");
  return std::nullopt;
}

std::optional<size_t> SchemaReader::Word(const YamlNode& node, const std::string& what,
                                         const std::vector<std::string>& words, const std::vector<std::string>& later) {
  const std::optional<std::string> text = Text(node, what);
  if (!text) return std::nullopt;
  const auto found = std::ranges::find(words, *text);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  if (Contains(later, *text)) {
    Error(node, what + " '" + *text + "' is not supported by this version");
  } else {
    Error(node, what + " must be " + (words.size() > 1 ? "one of " : "") + Joined(words) + ", not '" + *text + "'" +
                    DidYouMean(*text, words));
  }
  return std::nullopt;
}

std::optional<std::string> SchemaReader::Path(const YamlNode& node, const std::string& what) {
  const std::optional<std::string> text = Text(node, what);
  if (!text) return std::nullopt;
  if (!text->empty() && NormalPath(*text) == *text) return text;
  const std::string normal = NormalPath(*text);
  Error(node, what + " must be an absolute path without '..'" +
                  (normal.empty() ? ", not '" + *text + "'" : "; write it as '" + normal + "'"));
  return std::nullopt;
}

}  // namespace reeve::policy
