#include "plugins/inventory/os_release.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

std::string ValueIn(const std::string& text, const std::string& key = "NAME") {
  const OsRelease values = ParseOsRelease(text);
  const auto found = values.find(key);
  return found == values.end() ? "(none)" : found->second;
}

TEST(OsReleaseTest, ReadsAFileAsDistributionsWriteIt) {
  const std::string text =
      "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# a comment\n\nVERSION_ID=\"12\"\nID=debian\n";
  EXPECT_EQ(ValueIn(text, "PRETTY_NAME"), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(ValueIn(text, "VERSION_ID"), "12");
  EXPECT_EQ(ValueIn(text, "ID"), "debian");
  EXPECT_EQ(ParseOsRelease(text).size(), 3u);
}

TEST(OsReleaseTest, UndoesEscapesInDoubleQuotesAndNoOthers) {
  EXPECT_EQ(ValueIn(R"(NAME="a\"b\$c\\d\`e\'f")"), "a\"b$c\\d`e'f");
  EXPECT_EQ(ValueIn(R"(NAME="a\nb")"), "a\\nb");
  EXPECT_EQ(ValueIn(R"(NAME='a\"b $c')"), R"(a\"b $c)");
}

TEST(OsReleaseTest, WithoutQuotesAValueEndsAtSpaceOrSemicolon) {
  EXPECT_EQ(ValueIn("NAME=one two"), "one");
  EXPECT_EQ(ValueIn("NAME=one;two"), "one");
  EXPECT_EQ(ValueIn("NAME="), "");
}

TEST(OsReleaseTest, AQuoteThatIsNeverClosedEndsWithItsLine) {
  EXPECT_EQ(ValueIn("NAME=\"one two\nID=x"), "one two");
  EXPECT_EQ(ValueIn("NAME='one two\nID=x"), "one two");
  EXPECT_EQ(ValueIn("NAME=\""), "");
  EXPECT_EQ(ValueIn("NAME=\"\\"), "\\");
}

TEST(OsReleaseTest, TheLastOfTwoCountsAndSpaceAroundTheSignDoesNot) {
  EXPECT_EQ(ValueIn("NAME=one\n  NAME =\t\"two\" \r\n"), "two");
}

TEST(OsReleaseTest, ALineThatAssignsNothingCostsOnlyItself) {
  EXPECT_EQ(ValueIn("what is this\n[section]\nNAME=x"), "x");
  EXPECT_TRUE(ParseOsRelease("").empty());
}

}  // namespace
}  // namespace reeve::inventory
