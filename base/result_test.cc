#include "base/result.h"

#include <cerrno>
#include <memory>

#include "base/testing.h"

namespace reeve {
namespace {

Result<std::unique_ptr<int>> Half(int n) {
  if (n % 2 != 0) return Fail(Code::kInvalidArgument, "halve " + std::to_string(n) + ": odd");
  return std::make_unique<int>(n / 2);
}

Result<int> Quarter(int n) {
  std::unique_ptr<int> half = REEVE_TRY(Half(n));
  return *REEVE_TRY(Half(*half));
}

Status Nothing(bool fails) {
  if (fails) return Fail(Code::kDenied, "nothing");
  return {};
}

Status PassOn(bool fails) {
  REEVE_TRY(Nothing(fails));
  return {};
}

TEST(ResultTest, TryGivesTheValueAlsoWhenItOnlyMoves) {
  EXPECT_EQ(Quarter(8).value(), 2);
}

TEST(ResultTest, TryReturnsTheFirstErrorUnchanged) {
  EXPECT_THAT(Quarter(6), FailsSaying("halve 3: odd"));
  EXPECT_THAT(Quarter(6), FailsWith(Code::kInvalidArgument));
}

TEST(ResultTest, TryWorksOnStatus) {
  EXPECT_THAT(PassOn(false), IsOk());
  EXPECT_THAT(PassOn(true), FailsWith(Code::kDenied));
}

TEST(ErrorTest, NamesWhatWasTriedAndWhy) {
  const Error error = Error::System(ENOENT, "open /x");
  EXPECT_EQ(error.message(), "open /x: No such file or directory");
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_EQ(error.system_errno(), ENOENT);
  EXPECT_EQ(error.Within("start").message(), "start: open /x: No such file or directory");
}

}  // namespace
}  // namespace reeve
