#include "policy/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reeve::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A tree in one line: `{a: [x, y], b: {c: z}}`.
std::string Line(const YamlNode& node) {
  std::string line;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "~";
    case YamlNode::Kind::kScalar:
      return node.text;
    case YamlNode::Kind::kList:
      for (const YamlNode& item : node.items) line += (line.empty() ? "" : ", ") + Line(item);
      return "[" + line + "]";
    case YamlNode::Kind::kMap:
      for (const auto& [key, value] : node.entries) line += (line.empty() ? "" : ", ") + key.text + ": " + Line(value);
      return "{" + line + "}";
  }
  return line;
}

struct Merged {
  YamlNode tree;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

std::vector<std::string> Strings(const Diagnostics& diagnostics) {
  std::vector<std::string> strings;
  for (const Diagnostic& diagnostic : diagnostics) strings.push_back(diagnostic.ToString());
  return strings;
}

// The texts are layers a, b, c, ..., from the lowest.
Merged MergeTexts(const std::vector<std::string>& texts) {
  std::vector<std::string> files;
  std::vector<YamlNode> roots;
  for (const std::string& text : texts) {
    files.emplace_back(1, static_cast<char>('a' + files.size()));
    auto root = ReadYaml(files.back(), text, static_cast<uint32_t>(files.size() - 1));
    EXPECT_TRUE(root.has_value()) << text;
    roots.push_back(std::move(*root));
  }
  Diagnostics errors;
  Diagnostics warnings;
  SchemaReader reader(files, SchemaReader::Scope::kWhole, errors);
  for (const YamlNode& root : roots) CheckForms(reader, root);
  if (!errors.empty()) return {{}, Strings(errors), {}};
  YamlNode tree = Merge(std::move(roots), reader, warnings);
  return {std::move(tree), Strings(errors), Strings(warnings)};
}

std::string MergedLine(const std::vector<std::string>& texts) {
  const Merged merged = MergeTexts(texts);
  EXPECT_THAT(merged.errors, IsEmpty());
  EXPECT_THAT(merged.warnings, IsEmpty());
  return Line(merged.tree);
}

TEST(PolicyMergeTest, WordsOfAHigherLayerReplace) {
  EXPECT_EQ(MergedLine({"name: low", "name: high"}), "{name: high}");
  EXPECT_EQ(MergedLine({"a: 1", "b: 2", "c: 3"}), "{c: 3, b: 2, a: 1}");
  EXPECT_EQ(MergedLine({"a: 1", "{}", "a: 3"}), "{a: 3}");
}

TEST(PolicyMergeTest, ListsOfAHigherLayerReplace) {
  EXPECT_EQ(MergedLine({"allow: [a, b]", "allow: [c]"}), "{allow: [c]}");
  EXPECT_EQ(MergedLine({"allow: [a, b]", "allow: []"}), "{allow: []}");
}

TEST(PolicyMergeTest, MapsMergeByKeyAndTheHigherLayersKeysComeFirst) {
  EXPECT_EQ(MergedLine({"rules: {x: {run: /x, as: a}, y: {run: /y}}", "rules: {z: {run: /z}, x: {as: b}}"}),
            "{rules: {z: {run: /z}, x: {as: b, run: /x}, y: {run: /y}}}");
}

TEST(PolicyMergeTest, AnotherKindOfValueReplaces) {
  EXPECT_EQ(MergedLine({"stdin: true", "stdin: {max: 4 KiB}"}), "{stdin: {max: 4 KiB}}");
  EXPECT_EQ(MergedLine({"stdin: {max: 4 KiB}", "stdin: true"}), "{stdin: true}");
  EXPECT_EQ(MergedLine({"args: any", "args: [[a]]"}), "{args: [[a]]}");
  EXPECT_EQ(MergedLine({"args: [[a]]", "args: any"}), "{args: any}");
}

TEST(PolicyMergeTest, PlusAddsToTheListBelow) {
  EXPECT_EQ(MergedLine({"c: {allow: [a]}", "c: {+allow: [b, c]}"}), "{c: {allow: [a, b, c]}}");
  EXPECT_EQ(MergedLine({"allow: [a]", "+allow: [b]", "+allow: [c]"}), "{allow: [a, b, c]}");
  EXPECT_EQ(MergedLine({"args: [[a, b]]", "+args: [[c]]"}), "{args: [[a, b], [c]]}");
}

TEST(PolicyMergeTest, PlusWithNothingBelowIsTheList) {
  EXPECT_EQ(MergedLine({"+allow: [a]"}), "{allow: [a]}");
  EXPECT_EQ(MergedLine({"channels: {}", "channels: {b: {commands: {+deny: ['*']}}}"}),
            "{channels: {b: {commands: {deny: [*]}}}}");
  EXPECT_EQ(MergedLine({"c: word", "c: {+allow: [a]}"}), "{c: {allow: [a]}}");
}

TEST(PolicyMergeTest, MinusTakesOffTheListBelow) {
  EXPECT_EQ(MergedLine({"allow: [a, b, a]", "-allow: [a]"}), "{allow: [b]}");
  EXPECT_EQ(MergedLine({"allow: [a]", "-allow: [a]"}), "{allow: []}");
  EXPECT_EQ(MergedLine({"allow: [a]", "-allow: [a]", "+allow: [b]"}), "{allow: [b]}");
}

TEST(PolicyMergeTest, AMapAfterMinusDescribesWhatIsTakenOff) {
  const std::string low = "directories: [{id: logs, path: /var/log, access: [read]}, {id: drop, path: /srv}]";
  EXPECT_EQ(MergedLine({low, "-directories: [{id: logs}]"}), "{directories: [{id: drop, path: /srv}]}");
  EXPECT_EQ(MergedLine({low, "-directories: [{access: [read]}]"}), "{directories: [{id: drop, path: /srv}]}");
  const Merged none = MergeTexts({low, "-directories: [{id: logs, path: /srv}, {id: [logs]}]"});
  EXPECT_EQ(Line(none.tree), "{directories: [{id: logs, path: /var/log, access: [read]}, {id: drop, path: /srv}]}");
  EXPECT_THAT(none.warnings, ElementsAre("b:1:16: '-directories' takes nothing off: no file below this one has such an "
                                         "entry in the list",
                                         HasSubstr("b:1:40: ")));
}

TEST(PolicyMergeTest, MinusThatTakesNothingIsWarnedOfAndLeavesNothing) {
  const Merged none = MergeTexts({"allow: [a]", "-allow: [b]"});
  EXPECT_EQ(Line(none.tree), "{allow: [a]}");
  EXPECT_THAT(none.warnings,
              ElementsAre("b:1:10: '-allow' takes nothing off: no file below this one has 'b' in the list"));
  const Merged no_list = MergeTexts({"{}", "-allow: [b]"});
  EXPECT_EQ(Line(no_list.tree), "{}");
  EXPECT_EQ(no_list.warnings.size(), 1u);
}

TEST(PolicyMergeTest, FormsOnWhatIsNoListAreMistakes) {
  EXPECT_THAT(MergeTexts({"\nargs: any", "+args: [[a]]"}).errors,
              ElementsAre("b:1:1: '+args' is for a list, and what it changes is none: a:2"));
  EXPECT_THAT(MergeTexts({"c: {d: e}", "-c: [d]"}).errors,
              ElementsAre("b:1:1: '-c' is for a list, and what it changes is none: a:1"));
}

TEST(PolicyMergeTest, AKeyInTwoFormsInOneTextIsAMistake) {
  const std::string complaint = "'allow' stands here in two forms; one file says key:, +key: or -key:";
  EXPECT_THAT(MergeTexts({"c:\n  allow: [a]\n  +allow: [b]"}).errors, ElementsAre("a:3:3: " + complaint));
  EXPECT_THAT(MergeTexts({"{}", "+allow: [b]\n-allow: [a]"}).errors, ElementsAre("b:2:1: " + complaint));
}

TEST(PolicyMergeTest, AFormWithoutAListOrWithinAListIsLeftForTheSchema) {
  EXPECT_EQ(MergedLine({"allow: [a]", "+allow: b"}), "{+allow: b, allow: [a]}");
  EXPECT_EQ(MergedLine({"l: [{+allow: [b]}]"}), "{l: [{+allow: [b]}]}");
}

TEST(PolicyMergeTest, EachNodeStaysWhereItWasWritten) {
  const Merged merged = MergeTexts({"x: 1\nallow: [low]", "\n\n+allow: [high]"});
  const YamlNode& allow = merged.tree.entries[0].value;
  EXPECT_EQ(allow.items[0].file, 0u);
  EXPECT_EQ(allow.items[0].line, 2u);
  EXPECT_EQ(allow.items[1].file, 1u);
  EXPECT_EQ(allow.items[1].line, 3u);
}

TEST(PolicyMergeTest, WithoutFormsEveryKeyIsPlain) {
  const auto root = ReadYaml("a", "c: {+allow: [a], -deny: [b], +name: c}");
  EXPECT_EQ(Line(WithoutForms(*root)), "{c: {allow: [a], deny: [b], +name: c}}");
}

}  // namespace
}  // namespace reeve::policy
