#include "helpers/whole_input.h"

#include "base/testing.h"

namespace reeve::helpers {
namespace {

using std::string_view_literals::operator""sv;

TEST(WholeInputTest, IsWhatStandsBeforeTheEndMark) {
  EXPECT_EQ(WholeInput("secret\0"sv).value(), "secret");
  EXPECT_EQ(WholeInput("\0"sv).value(), "");
}

TEST(WholeInputTest, PartOfAnInputIsRefused) {
  for (const std::string_view part : {""sv, "sec"sv, "ssh-rsa A\n"sv, "a\0b"sv})
    EXPECT_THAT(WholeInput(part), FailsSaying("the input did not arrive whole"));
}

}  // namespace
}  // namespace reeve::helpers
