#include "base/cleanup.h"

#include <gtest/gtest.h>

namespace reeve {

TEST(CleanupTest, RunsAtTheEndOfTheScope) {
  int runs = 0;
  {
    Cleanup undo = [&] { ++runs; };
  }
  EXPECT_EQ(runs, 1);
}

TEST(CleanupTest, DoesNotRunOnceCancelled) {
  int runs = 0;
  {
    Cleanup undo = [&] { ++runs; };
    undo.Cancel();
  }
  EXPECT_EQ(runs, 0);
}

}  // namespace reeve
