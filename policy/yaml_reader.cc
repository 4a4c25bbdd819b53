#include "policy/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <set>
#include <sstream>

namespace reeve::policy {
namespace {

// Thrown through the library and caught in ReadYaml; it never leaves this file.
struct Refusal {
  YAML::Mark mark;
  std::string message;
};

// Makes the tree from the library's events. The library drops nothing at this level: duplicates, quotes, tags and anchors
// are all told.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(uint32_t file) : file_(file) { root_.file = file; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw Refusal{mark, "a second document; one file is one document"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(At(mark, YamlNode::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{mark, "aliases (*name) are not allowed"};
  }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refusal{mark, "anchors (&name) are not allowed"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) throw Refusal{mark, "tags (!name) are not allowed"};
    YamlNode node = At(mark, YamlNode::Kind::kScalar);
    if (HasEscapedControl(value)) throw Refusal{mark, "an escape that stands for a control byte"};
    node.text = value;
    node.is_quoted = tag == "!";
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

  YamlNode TakeRoot() { return std::move(root_); }

 private:
  struct Level {
    YamlNode node;
    std::optional<YamlNode> key;  // kMap: read and waiting for its value
    std::set<std::string> keys;
  };

  YamlNode At(const YAML::Mark& mark, YamlNode::Kind kind) const {
    YamlNode node;
    node.file = file_;
    node.kind = kind;
    node.line = static_cast<uint32_t>(mark.line < 0 ? 1 : mark.line + 1);
    node.column = static_cast<uint32_t>(mark.column < 0 ? 1 : mark.column + 1);
    return node;
  }
  // Double quotes can write what CheckText cannot see.
  static bool HasEscapedControl(const std::string& value) {
    for (char c : value) {
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) return true;
    }
    return false;
  }
  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refusal{mark, "anchors (&name) are not allowed"};
  }
  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    RefuseAnchor(mark, anchor);
    if (tag != "?" && !tag.empty()) throw Refusal{mark, "tags (!name) are not allowed"};
    if (levels_.size() >= kMaxYamlDepth) throw Refusal{mark, "nested deeper than 16 levels"};
    if (!levels_.empty() && levels_.back().node.kind == YamlNode::Kind::kMap && !levels_.back().key) {
      throw Refusal{mark, "a key must be a word, not a list or map"};
    }
    levels_.push_back({At(mark, kind), std::nullopt, {}});
  }
  void Close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    Add(std::move(node));
  }
  void Add(YamlNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == YamlNode::Kind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      CheckKey(level, node);
      level.key = std::move(node);
    } else {
      level.node.entries.push_back({std::move(*level.key), std::move(node)});
      level.key.reset();
    }
  }
  static void CheckKey(Level& level, const YamlNode& key) {
    YAML::Mark mark;
    mark.line = static_cast<int>(key.line) - 1;
    mark.column = static_cast<int>(key.column) - 1;
    if (key.kind != YamlNode::Kind::kScalar) throw Refusal{mark, "a key must be a word"};
    if (key.text == "<<" && !key.is_quoted) throw Refusal{mark, "merge keys (<<) are not allowed"};
    if (!level.keys.insert(key.text).second) throw Refusal{mark, "key '" + key.text + "' stands twice"};
  }

  const uint32_t file_;
  int documents_ = 0;
  YamlNode root_;
  std::vector<Level> levels_;
};

// How many bytes the UTF-8 character at `at` has; 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut).
size_t CharacterBytes(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(at + i < text.size() ? text[at + i] : 0); };
  const auto is_tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return is_tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead < 0xf0) {
    const bool is_overlong = lead == 0xe0 && byte(1) < 0xa0;
    const bool is_surrogate = lead == 0xed && byte(1) >= 0xa0;
    return is_tail(1) && is_tail(2) && !is_overlong && !is_surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead < 0xf5) {
    const bool is_outside = (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90);
    return is_tail(1) && is_tail(2) && is_tail(3) && !is_outside ? 4 : 0;
  }
  return 0;
}

const char* ProblemOfCharacter(const std::string& text, size_t at, size_t bytes) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (bytes == 0) return "not UTF-8";
  if (c == 0x7f || (c < 0x20 && c != '\n' && c != '\t' && c != '\r')) return "a control byte";
  if (text.compare(at, 3, "\xef\xbb\xbf") == 0) return "a byte order mark";
  return nullptr;
}

// The first character that may not stand in a file.
std::optional<Diagnostic> CheckText(const std::string& file, const std::string& text) {
  uint32_t line = 1;
  uint32_t column = 1;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = CharacterBytes(text, at);
    if (const char* problem = ProblemOfCharacter(text, at, bytes)) return Diagnostic{file, line, column, problem};
    if (column == 1 && text[at] == '%') return Diagnostic{file, line, column, "directives (%) are not allowed"};
    const bool is_line_end = text[at] == '\n';
    line += is_line_end;
    column = is_line_end ? 1 : column + 1;
    at += bytes;
  }
  return std::nullopt;
}

Diagnostic DiagnosticAt(const std::string& file, const YAML::Mark& mark, const std::string& message) {
  // The library has no mark for some of its own errors, and says -1.
  const auto from_one = [](int number) { return static_cast<uint32_t>(number < 0 ? 1 : number + 1); };
  return {file, from_one(mark.line), from_one(mark.column), message};
}

}  // namespace

std::expected<YamlNode, Diagnostic> ReadYaml(const std::string& file, const std::string& text, uint32_t number) {
  if (text.size() > kMaxYamlBytes) return std::unexpected(Diagnostic{file, 1, 1, "larger than 256 KiB"});
  if (auto problem = CheckText(file, text)) return std::unexpected(*problem);
  TreeBuilder builder(number);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return std::unexpected(DiagnosticAt(file, refusal.mark, refusal.message));
  } catch (const YAML::Exception& exception) {
    return std::unexpected(DiagnosticAt(file, exception.mark, exception.msg));
  } catch (const std::exception& exception) {
    return std::unexpected(Diagnostic{file, 1, 1, exception.what()});
  }
  return builder.TakeRoot();
}

}  // namespace reeve::policy
