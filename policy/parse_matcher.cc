#include <charconv>

#include "policy/matcher.h"
#include "policy/parse_sections.h"

namespace reeve::policy {
namespace {

// execve(2) takes no longer argument (MAX_ARG_STRLEN).
constexpr int64_t kMaxArgumentBytes = 128 << 10;
constexpr int64_t kMaxRepeats = 10'000;

using OptionalMatcher = std::optional<Matcher>;

Matcher MatcherOf(Matcher::Kind kind, std::string text = "") {
  Matcher matcher;
  matcher.kind = kind;
  matcher.text = std::move(text);
  return matcher;
}

OptionalMatcher ReadLiteral(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  const auto text = reader.Text(value, "literal");
  if (!text) return std::nullopt;
  return MatcherOf(Matcher::Kind::kLiteral, *text);
}

OptionalMatcher ReadOneOf(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  Matcher matcher = MatcherOf(Matcher::Kind::kOneOf);
  matcher.texts = reader.Texts(value, "one-of");
  if (matcher.texts.empty()) {
    reader.Error(value, "one-of must list at least one word");
    return std::nullopt;
  }
  return matcher;
}

// "1..5000"
OptionalMatcher ReadInt(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  Matcher matcher = MatcherOf(Matcher::Kind::kInt);
  const char* end = value.text.data() + value.text.size();
  const auto low = std::from_chars(value.text.data(), end, matcher.minimum);
  const bool has_dots = low.ec == std::errc() && end - low.ptr > 2 && low.ptr[0] == '.' && low.ptr[1] == '.';
  const auto high = std::from_chars(has_dots ? low.ptr + 2 : end, end, matcher.maximum);
  if (value.kind != YamlNode::Kind::kScalar || !has_dots || high.ec != std::errc() || high.ptr != end) {
    reader.Error(value, "int must be a range, as '1..5000'");
  } else if (matcher.minimum < 0) {
    reader.Error(value, "int cannot begin below 0: a minus sign would make it an option; list such words with one-of");
  } else if (matcher.maximum < matcher.minimum) {
    reader.Error(value, "int ends before it begins");
  } else {
    return matcher;
  }
  return std::nullopt;
}

OptionalMatcher ReadPath(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  const MapSchema schema = {{"under", "equals"}, {"glob", "type", "exists", "symlinks", "owner"}};
  if (!reader.CheckMap(value, "path", schema)) return std::nullopt;
  const YamlNode* under = SchemaReader::Find(value, "under");
  const YamlNode* equals = SchemaReader::Find(value, "equals");
  if ((under == nullptr) == (equals == nullptr)) {
    reader.Error(value, "path needs either 'under' or 'equals'");
    return std::nullopt;
  }
  const auto path = reader.Path(under != nullptr ? *under : *equals, under != nullptr ? "under" : "equals");
  if (!path) return std::nullopt;
  Matcher matcher = MatcherOf(Matcher::Kind::kPath, *path);
  matcher.is_equals = equals != nullptr;
  return matcher;
}

OptionalMatcher ReadRegex(SchemaReader& reader, const YamlNode& node, const YamlNode& value) {
  const auto pattern = reader.Text(value, "regex");
  const YamlNode* max = reader.Require(node, "max", "a regex");
  const auto max_bytes = max == nullptr ? std::nullopt : reader.Integer(*max, "max", 1, kMaxArgumentBytes);
  if (!pattern || !max_bytes) return std::nullopt;
  if (auto regex = Regex::Create(*pattern); !regex) {
    reader.Error(value, "regex: " + regex.error().message());
    return std::nullopt;
  }
  Matcher matcher = MatcherOf(Matcher::Kind::kRegex, *pattern);
  matcher.max_bytes = static_cast<uint32_t>(*max_bytes);
  return matcher;
}

OptionalMatcher ReadPrefix(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  const auto text = reader.Text(value, "prefix");
  if (!text) return std::nullopt;
  if (text->empty() || *text == "-") {
    reader.Error(value, "prefix is too short: it would match every " + std::string(text->empty() ? "word" : "option"));
    return std::nullopt;
  }
  return MatcherOf(Matcher::Kind::kPrefix, *text);
}

OptionalMatcher ReadUsername(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  Matcher matcher = MatcherOf(Matcher::Kind::kUsername);
  if (value.kind != YamlNode::Kind::kMap) {
    if (!reader.Word(value, "username", {"any"})) return std::nullopt;
    return matcher;
  }
  if (!reader.CheckMap(value, "username", {{"except"}, {}})) return std::nullopt;
  const YamlNode* except = reader.Require(value, "except", "username");
  if (except == nullptr) return std::nullopt;
  const size_t errors = reader.error_count();
  matcher.texts = reader.Texts(*except, "except");
  if (matcher.texts.empty() && reader.error_count() == errors)
    reader.Error(*except, "except must list at least one name");
  for (const std::string& name : matcher.texts) {
    if (!IsUserName(name)) reader.Error(*except, "'" + name + "' under except cannot be a user's name");
  }
  return reader.error_count() == errors ? OptionalMatcher(std::move(matcher)) : std::nullopt;
}

OptionalMatcher ReadAny(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  if (!reader.CheckMap(value, "any", {{"max"}, {}})) return std::nullopt;
  const YamlNode* max = reader.Require(value, "max", "any");
  const auto max_bytes = max == nullptr ? std::nullopt : reader.Integer(*max, "max", 1, kMaxArgumentBytes);
  if (!max_bytes) return std::nullopt;
  Matcher matcher = MatcherOf(Matcher::Kind::kAny);
  matcher.max_bytes = static_cast<uint32_t>(*max_bytes);
  return matcher;
}

OptionalMatcher ReadRepeat(SchemaReader& reader, const YamlNode&, const YamlNode& value) {
  if (!reader.CheckMap(value, "repeat", {{"of", "min", "max"}, {}})) return std::nullopt;
  const YamlNode* of = reader.Require(value, "of", "repeat");
  const YamlNode* max = reader.Require(value, "max", "repeat");
  if (max == nullptr) return std::nullopt;
  const YamlNode* min = SchemaReader::Find(value, "min");
  const std::optional<int64_t> minimum = min == nullptr ? 0 : reader.Integer(*min, "min", 0, kMaxRepeats);
  const std::optional<int64_t> maximum = reader.Integer(*max, "max", 1, kMaxRepeats);
  OptionalMatcher inner = of == nullptr ? std::nullopt : ReadMatcher(reader, *of);
  if (!inner || !minimum || !maximum) return std::nullopt;
  if (inner->kind == Matcher::Kind::kRepeat || *minimum > *maximum) {
    reader.Error(value, *minimum > *maximum ? "repeat has min above max" : "a repeat cannot repeat a repeat");
    return std::nullopt;
  }
  Matcher matcher = MatcherOf(Matcher::Kind::kRepeat);
  matcher.minimum = *minimum;
  matcher.maximum = *maximum;
  matcher.of.push_back(std::move(*inner));
  return matcher;
}

struct MatcherWord {
  const char* word;
  OptionalMatcher (*read)(SchemaReader&, const YamlNode& node, const YamlNode& value);
};
constexpr MatcherWord kMatcherWords[] = {
    {"literal", ReadLiteral},   {"one-of", ReadOneOf}, {"int", ReadInt},
    {"path", ReadPath},         {"regex", ReadRegex},  {"prefix", ReadPrefix},
    {"username", ReadUsername}, {"any", ReadAny},      {"repeat", ReadRepeat},
};

const MapSchema& MatcherSchema() {
  static const MapSchema schema = [] {
    MapSchema made = {{"max"}, {"hostname", "ipv4", "ipv6", "cidr"}};
    for (const MatcherWord& word : kMatcherWords) made.known.emplace_back(word.word);
    return made;
  }();
  return schema;
}

}  // namespace

std::optional<Matcher> ReadMatcher(SchemaReader& reader, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) {
    reader.Error(node, "a matcher must be a map; write {literal: " + node.text + "}");
    return std::nullopt;
  }
  const size_t errors = reader.error_count();
  if (!reader.CheckMap(node, "a matcher", MatcherSchema()) || reader.error_count() != errors) return std::nullopt;
  const MatcherWord* chosen = nullptr;
  for (const MatcherWord& word : kMatcherWords) {
    if (SchemaReader::Find(node, word.word) == nullptr) continue;
    if (chosen != nullptr) {
      reader.Error(node, std::string("a matcher is one of ") + chosen->word + " and " + word.word + ", not both");
      return std::nullopt;
    }
    chosen = &word;
  }
  if (chosen == nullptr) {
    reader.Error(node, "a matcher without a word of what it matches, as literal or one-of");
    return std::nullopt;
  }
  if (SchemaReader::Find(node, "max") != nullptr && chosen->read != ReadRegex) {
    reader.Error(node, std::string("'max' beside ") + chosen->word + " has no meaning");
    return std::nullopt;
  }
  return chosen->read(reader, node, *SchemaReader::Find(node, chosen->word));
}

}  // namespace reeve::policy
