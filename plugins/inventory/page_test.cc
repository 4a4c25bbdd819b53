#include "plugins/inventory/page.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PageTest, WithoutWishesItIsTheFirstThousand) {
  const auto page = PageOf({}, {}, 5000);
  REEVE_ASSERT_OK(page);
  EXPECT_EQ(page->offset, 0u);
  EXPECT_EQ(page->limit, kDefaultPageRows);
  EXPECT_EQ(PageOf({}, {}, 500)->limit, 500u);
}

TEST(PageTest, RowsBehindTheLastAreNone) {
  const std::vector<int> rows = {1, 2, 3};
  EXPECT_THAT(RowsOf(*PageOf(1, 1, 9), rows), ElementsAre(2));
  EXPECT_THAT(RowsOf(*PageOf(2, 9, 9), rows), ElementsAre(3));
  EXPECT_THAT(RowsOf(*PageOf(3, 9, 9), rows), IsEmpty());
  EXPECT_THAT(RowsOf(*PageOf(INT64_MAX, 9, 9), rows), IsEmpty());
}

TEST(PageTest, WishesThatCannotBeAreRefused) {
  EXPECT_FALSE(PageOf(-1, {}, 9));
  for (const int64_t limit : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{10}})
    EXPECT_FALSE(PageOf({}, limit, 9)) << limit;
  EXPECT_EQ(PageOf({}, 10, 9).error().message(), "Parameter 'limit' must be 1 to 9");
}

}  // namespace
}  // namespace reeve::inventory
