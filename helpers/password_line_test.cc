#include "helpers/password_line.h"

#include "base/testing.h"

namespace reeve::helpers {
namespace {

using std::string_view_literals::operator""sv;

TEST(PasswordLineTest, UserNameThatWouldEndItsFieldOrLineIsRefused) {
  for (const std::string_view name : {":"sv, "a:b"sv, "a\n"sv, "\nroot"sv, "a\0b"sv, ""sv})
    EXPECT_THAT(CheckUserName(name), FailsSaying("forbidden characters in username"));
  EXPECT_THAT(CheckUserName("a b-\xc3\xa9"), IsOk());
}

TEST(PasswordLineTest, PlainPasswordMayBeAnythingOfOneLine) {
  for (const std::string_view password : {"\n"sv, "a\nroot:x"sv, "a\0b"sv})
    EXPECT_THAT(CheckPassword(password, PasswordForm::kPlain), FailsSaying("forbidden characters in raw password"));
  for (const std::string_view password : {""sv, "a:b"sv, " \t"sv, "\xff\xc3"sv})
    EXPECT_THAT(CheckPassword(password, PasswordForm::kPlain), IsOk());
}

TEST(PasswordLineTest, CryptedPasswordIsOneFieldOfShadow) {
  for (const std::string_view password : {"x:0:0"sv, "a b"sv, "a\n"sv, "a\0"sv, "\xc3\xa9"sv})
    EXPECT_THAT(CheckPassword(password, PasswordForm::kCrypted), FailsSaying("forbidden characters in raw password"));
  for (const std::string_view password : {""sv, "!"sv, "*"sv, "$y$j9T$a/b.c$0123456789"sv})
    EXPECT_THAT(CheckPassword(password, PasswordForm::kCrypted), IsOk());
}

TEST(PasswordLineTest, SecretIsOverwritten) {
  SecretBuffer<8> secret;
  secret.bytes()[0] = 'x';
  secret.Wipe();
  EXPECT_EQ(secret.bytes()[0], '\0');
}

}  // namespace
}  // namespace reeve::helpers
