#include "plugins/accounts/public_keys.h"

#include "base/testing.h"
#include "helpers/contract.h"

namespace reeve::accounts {
namespace {

TEST(PublicKeysTest, EachKeyIsALine) {
  EXPECT_EQ(KeyLines({"ssh-rsa A a", "no-pty,command=\"x\" ssh-rsa\tB"}).value(),
            "ssh-rsa A a\nno-pty,command=\"x\" ssh-rsa\tB\n");
  EXPECT_EQ(KeyLines({}).value(), "");
}

TEST(PublicKeysTest, CommentsAndLinesInAKeyAreRefusedInTheOldWords) {
  using std::string_literals::operator""s;
  for (const std::string& key :
       {"#"s, "# ssh-rsa A"s, "ssh-rsa A\nssh-rsa B"s, "a\n"s, "\n"s, "a\0b"s, "a\rb"s, "\x1b[1m"s, "\x7f"s})
    EXPECT_THAT(KeyLines({"ssh-rsa A", key}), FailsSaying("invalid OpenSSH public key: '" + key + "'"));
}

TEST(PublicKeysTest, LastLineOfAHostsFileIsNoMistake) {
  EXPECT_EQ(KeyLines({"a\r", ""}).value(), "a\r\n\n");
}

TEST(PublicKeysTest, TooManyAreRefused) {
  constexpr size_t kEnds = 2;  // of the line, and of the input
  EXPECT_THAT(KeyLines({std::string(helpers::kMaxKeysBytes - kEnds, 'a')}), IsOk());
  EXPECT_THAT(KeyLines({std::string(helpers::kMaxKeysBytes - kEnds + 1, 'a')}), FailsWith(Code::kTooLarge));
}

}  // namespace
}  // namespace reeve::accounts
