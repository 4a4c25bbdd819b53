#include "helpers/key_lines.h"

#include "base/testing.h"

namespace reeve::helpers {
namespace {

using testing::ElementsAre;

TEST(KeyLinesTest, LastLineNeedsNoEnd) {
  EXPECT_THAT(LinesOf("a\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(LinesOf("a\n\nb\n"), ElementsAre("a", "", "b"));
  EXPECT_THAT(LinesOf(""), ElementsAre());
  EXPECT_THAT(LinesOf("\n"), ElementsAre(""));
}

TEST(KeyLinesTest, ListsKeysWithoutBlanksCommentsAndEmptyLinesLastFirst) {
  EXPECT_EQ(ListKeys("# one\nssh-rsa A a\n\n  \t ssh-rsa B b \t\r\n   # two\ncommand=\"x #y\" ssh-rsa C"),
            "command=\"x #y\" ssh-rsa C\nssh-rsa B b\nssh-rsa A a\n");
  EXPECT_EQ(ListKeys("# only\n\n"), "");
}

TEST(KeyLinesTest, AddsWhatIsNotThereAtTheEndInOrder) {
  EXPECT_EQ(AddKeys("# c\na\n", {"b", "a", "c", "b"}), "# c\na\nb\nc\n");
  EXPECT_EQ(AddKeys("", {"a"}), "a\n");
}

TEST(KeyLinesTest, AddingWhatIsThereChangesNothing) {
  for (const char* file : {"a\nb\n", "a\nb", "\n\nb\n\na"}) EXPECT_EQ(AddKeys(file, {"b", "a"}), file);
}

TEST(KeyLinesTest, FirstAddedKeyDoesNotRunIntoALineWithoutEnd) {
  EXPECT_EQ(AddKeys("a", {"b"}), "a\nb\n");
}

TEST(KeyLinesTest, AddingNeverMakesAnEmptyLine) {
  EXPECT_EQ(AddKeys("a\n", {"", "\r", "b", ""}), "a\nb\n");
  EXPECT_EQ(AddKeys("", {""}), "");
}

TEST(KeyLinesTest, OptionsAndCommentsMakeAnotherLine) {
  EXPECT_EQ(AddKeys("ssh-rsa A one\n", {"ssh-rsa A", "no-pty ssh-rsa A one"}),
            "ssh-rsa A one\nssh-rsa A\nno-pty ssh-rsa A one\n");
}

TEST(KeyLinesTest, WhatIsListedIsRemoved) {
  for (const char* line : {"a b", "  a b", "a b \t", "\va b\r", "\ta b\f"}) {
    const std::string file = "x\n" + std::string(line) + "\ny\n";
    EXPECT_EQ(ListKeys(file), "y\na b\nx\n");
    EXPECT_EQ(RemoveKeys(file, {"a b"}), "x\ny\n");
    EXPECT_EQ(AddKeys(file, {"a b"}), file);
  }
}

TEST(KeyLinesTest, BlanksAroundANewKeyAreLeftOut) {
  EXPECT_EQ(AddKeys("", {"  a b \r", "\t", "a b"}), "a b\n");
}

TEST(KeyLinesTest, CommentBehindABlankIsNoKeyEither) {
  EXPECT_EQ(AddKeys("# a\n", {" # b"}), "# a\n");
  EXPECT_EQ(RemoveKeys("# a\nb\n", {" # a"}), "# a\nb\n");
}

TEST(KeyLinesTest, CarriageReturnIsNoPartOfAKey) {
  EXPECT_EQ(AddKeys("a\r\n", {"a", "b\r", "\r\r"}), "a\r\nb\n");
  EXPECT_EQ(RemoveKeys("a\r\nb\n", {"a"}), "b\n");
  EXPECT_EQ(RemoveKeys("a\nb\n", {"a\r"}), "b\n");
}

TEST(KeyLinesTest, RemovesAllThatMatchAndNothingElse) {
  EXPECT_EQ(RemoveKeys("# a\na\nb\n\na\naa\n", {"a", "x"}), "# a\nb\n\naa\n");
  EXPECT_EQ(RemoveKeys("a", {"a"}), "");
}

TEST(KeyLinesTest, RemovingKeepsEmptyLinesAndALastLineGetsItsEnd) {
  EXPECT_EQ(RemoveKeys("a\n\n\nb", {"a", ""}), "\n\nb\n");
}

TEST(KeyLinesTest, RemovingWhatIsNotThereChangesNothing) {
  for (const char* file : {"", "b", "b\n", "\n"}) EXPECT_EQ(RemoveKeys(file, {"a"}), file);
}

TEST(KeyLinesTest, BytesThatAreNoTextStay) {
  EXPECT_EQ(AddKeys("\xff\xfe\n", {"a"}), "\xff\xfe\na\n");
  EXPECT_EQ(RemoveKeys("\xff\na\n", {"a"}), "\xff\n");
}

}  // namespace
}  // namespace reeve::helpers
