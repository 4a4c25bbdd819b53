#include "agent/core/memory_budget.h"

#include <gtest/gtest.h>

#include <memory>

namespace reeve::core {
namespace {

constexpr size_t kMiB = 1 << 20;

TEST(MemoryBudgetTest, WithoutLimitThereIsAlwaysRoom) {
  EXPECT_TRUE(MemoryBudget(0).HasRoom(SIZE_MAX / 2));
}

TEST(MemoryBudgetTest, WhatWouldNotFitHasNoRoom) {
  const MemoryBudget budget(512 * kMiB);
  EXPECT_TRUE(budget.HasRoom(128 * kMiB));
  EXPECT_FALSE(budget.HasRoom(512 * kMiB));
}

#ifndef REEVE_SANITIZED  // whose allocator does not say what it holds
TEST(MemoryBudgetTest, WhatIsHeldCountsUntilItIsGivenBack) {
  const MemoryBudget budget(512 * kMiB);
  auto held = std::make_unique_for_overwrite<char[]>(128 * kMiB);
  char* volatile in_use = held.get();  // else an optimizer leaves the allocation out
  EXPECT_NE(in_use, nullptr);
  EXPECT_FALSE(budget.HasRoom(256 * kMiB));
  held.reset();
  EXPECT_TRUE(budget.HasRoom(256 * kMiB));
}
#endif

}  // namespace
}  // namespace reeve::core
