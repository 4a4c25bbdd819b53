#include "base/key_file.h"

#include "base/testing.h"

namespace reeve {
namespace {

using testing::Optional;

std::optional<std::string> TextOf(std::string_view text, std::string_view key) {
  const auto file = KeyFile::Parse(text);
  EXPECT_THAT(file, IsOk()) << text;
  return *file->Text("general", key);
}

// What is said of it in each of these is what Debian's qemu-ga made of the same text.

TEST(KeyFileTest, ReadsKeysOfGroups) {
  const auto file = KeyFile::Parse("# c\n\n[other]\nkey=1\n[general]\nkey=2\nlast=3");
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(*file->Text("other", "key"), Optional(std::string("1")));
  EXPECT_THAT(*file->Text("general", "key"), Optional(std::string("2")));
  EXPECT_THAT(*file->Text("general", "last"), Optional(std::string("3")));
  EXPECT_EQ(*file->Text("general", "none"), std::nullopt);
}

TEST(KeyFileTest, GroupsOfOneNameAreOneAndTheLaterKeyHolds) {
  const std::string text = "[general]\na=1\nb=1\n[x]\na=9\n[general]\na=2\n";
  EXPECT_THAT(TextOf(text, "a"), Optional(std::string("2")));
  EXPECT_THAT(TextOf(text, "b"), Optional(std::string("1")));
}

TEST(KeyFileTest, DropsBlanksAroundTheKeyAndBeforeTheValueOnly) {
  EXPECT_THAT(TextOf("  [general]  \r\n  key \t= \t a b \r\n", "key"), Optional(std::string("a b ")));
  EXPECT_THAT(TextOf("[general]\nkey=a=b\n", "key"), Optional(std::string("a=b")));
  EXPECT_THAT(TextOf("[general]\nkey=\n", "key"), Optional(std::string()));
  EXPECT_THAT(TextOf("[general]\n;key=1\n", "key"), std::nullopt);
  EXPECT_THAT(TextOf("[general]\nkey[de]=1\n", "key"), std::nullopt);
}

TEST(KeyFileTest, ResolvesEscapesAndRefusesOthers) {
  EXPECT_THAT(TextOf("[general]\nkey=\\sa\\tb\\\\c\\n\\r\n", "key"), Optional(std::string(" a\tb\\c\n\r")));
  for (const char* value : {"a\\q", "a\\", "\\"}) {
    const auto file = KeyFile::Parse("[general]\nkey=" + std::string(value) + "\n");
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT(file->Text("general", "key"), FailsSaying("key: a backslash")) << value;
  }
}

TEST(KeyFileTest, ReadsFourWordsAsTruth) {
  const auto file = KeyFile::Parse("[general]\na=true\nb=1 \nc=false\nd=0\ne=TRUE\nf=yes\ng=\n");
  ASSERT_THAT(file, IsOk());
  for (const char* key : {"a", "b"}) EXPECT_THAT(*file->Bool("general", key), Optional(true)) << key;
  for (const char* key : {"c", "d"}) EXPECT_THAT(*file->Bool("general", key), Optional(false)) << key;
  for (const char* key : {"e", "f", "g"})
    EXPECT_THAT(file->Bool("general", key), FailsSaying("neither true nor false"));
  EXPECT_EQ(*file->Bool("general", "h"), std::nullopt);
}

TEST(KeyFileTest, RefusesWhatIsNoKeyFileAndNamesTheLine) {
  EXPECT_THAT(KeyFile::Parse("a=1\n"), FailsSaying("line 1: a key before the first group"));
  EXPECT_THAT(KeyFile::Parse("[general]\nfoo\n"), FailsSaying("line 2: neither a group, nor a key with a value: foo"));
  EXPECT_THAT(KeyFile::Parse("[general]\n;c\n"), FailsSaying("line 2: neither"));
  EXPECT_THAT(KeyFile::Parse("[general]\n=3\n"), FailsSaying("line 2: neither"));
  EXPECT_THAT(KeyFile::Parse("[general] x\n"), FailsSaying("line 1: neither"));
  EXPECT_THAT(KeyFile::Parse("[ge]neral]\n"), FailsSaying("line 1: neither"));
  EXPECT_THAT(KeyFile::Parse("[]\n"), FailsSaying("line 1: no name of a group"));
  EXPECT_THAT(KeyFile::Parse("[a[b]\n"), FailsSaying("line 1: no name of a group"));
  EXPECT_THAT(KeyFile::Parse(std::string_view("[general]\nkey=\0\n", 16)), FailsSaying("zero byte"));
  EXPECT_THAT(KeyFile::Parse(std::string(KeyFile::kMaxBytes + 1, '\n')), FailsSaying("longer than 65536 bytes"));
}

TEST(KeyFileTest, WritesAValueSoThatItIsReadAgain) {
  EXPECT_EQ(KeyFileValue(" \tlead\\back b\n"), "\\s\\tlead\\\\back b\\n");
  for (const std::string value : {"", " ", "a", " \t a \t b ", "\\", "\r\n", "\\s", "a\t"}) {
    const std::string text = "[general]\nkey=" + KeyFileValue(value) + "\n";
    EXPECT_THAT(TextOf(text, "key"), Optional(value)) << text;
  }
}

}  // namespace
}  // namespace reeve
