#include "plugins/file/handle_table.h"

#include <fcntl.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::file {
namespace {

constexpr uint32_t kChannel = 0;

OpenFile AnyFile() {
  return {sys::Open("/dev/null", O_RDONLY | O_CLOEXEC).value()};
}

TEST(HandleTableTest, NumbersGoUpFromTheFirstAndAreNotUsedAgain) {
  HandleTable table(1000, 65536);
  EXPECT_EQ(table.Add(kChannel, AnyFile()).value(), 1000);
  EXPECT_EQ(table.Add(kChannel, AnyFile()).value(), 1001);
  REEVE_ASSERT_OK(table.Remove(kChannel, 1001));
  EXPECT_EQ(table.Add(kChannel, AnyFile()).value(), 1002);
}

TEST(HandleTableTest, AHandleIsItsFileUntilItIsRemoved) {
  HandleTable table(1000, 65536);
  OpenFile file = AnyFile();
  const int number = file.fd.get();
  REEVE_ASSERT_OK(table.Add(kChannel, std::move(file)));
  EXPECT_EQ(table.Find(kChannel, 1000).value()->fd.get(), number);
  EXPECT_EQ(table.Remove(kChannel, 1000).value().fd.get(), number);
  EXPECT_THAT(table.Find(kChannel, 1000), FailsSaying("handle '1000' has not been found"));
  EXPECT_THAT(table.Remove(kChannel, 1000), FailsSaying("handle '1000' has not been found"));
}

TEST(HandleTableTest, UnknownHandleIsNotFound) {
  HandleTable table(1000, 65536);
  EXPECT_THAT(table.Find(kChannel, -1), FailsSaying("handle '-1' has not been found"));
  EXPECT_THAT(table.Find(kChannel, INT64_MIN), FailsWith(Code::kNotFound));
}

TEST(HandleTableTest, AnotherChannelsHandleDoesNotExist) {
  HandleTable table(1000, 65536);
  REEVE_ASSERT_OK(table.Add(/*channel=*/1, AnyFile()));
  EXPECT_THAT(table.Find(/*channel=*/2, 1000), FailsSaying("handle '1000' has not been found"));
  EXPECT_THAT(table.Remove(/*channel=*/2, 1000), FailsWith(Code::kNotFound));
  EXPECT_THAT(table.Find(/*channel=*/1, 1000), IsOk());
}

TEST(HandleTableTest, RefusesOneMoreThanTheLimitUntilOneIsClosed) {
  HandleTable table(1000, 65536);
  for (size_t i = 0; i < HandleTable::kMaxHandles; ++i) REEVE_ASSERT_OK(table.Add(kChannel, OpenFile()));
  EXPECT_THAT(table.CheckRoom(), FailsSaying("too many open handles"));
  EXPECT_THAT(table.Add(kChannel, OpenFile()), FailsWith(Code::kTooLarge));
  REEVE_ASSERT_OK(table.Remove(kChannel, 1000));
  EXPECT_THAT(table.CheckRoom(), IsOk());
}

TEST(HandleTableTest, RefusesWhenTheReservedNumbersAreUsedUp) {
  HandleTable table(1000, 1);
  REEVE_ASSERT_OK(table.Add(kChannel, AnyFile()));
  REEVE_ASSERT_OK(table.Remove(kChannel, 1000));
  EXPECT_THAT(table.Add(kChannel, AnyFile()), FailsSaying("used up"));
}

}  // namespace
}  // namespace reeve::file
