#include "agent/core/deadline_book.h"

#include "base/testing.h"

namespace reeve::core {
namespace {

using std::chrono::milliseconds;

class DeadlineBookTest : public testing::Test {
 protected:
  void Turn(milliseconds by) {
    clock_.Advance(by);
    ASSERT_THAT(loop_->RunOnce(milliseconds(0)), IsOk());
  }
  FakeClock clock_;
  Result<EventLoop> loop_ = EventLoop::Create(clock_);
  std::vector<uint64_t> due_;
  DeadlineBook book_{*loop_, [this](uint64_t id) { due_.push_back(id); }};
};

TEST_F(DeadlineBookTest, CallsInTheOrderOfTime) {
  book_.Add(milliseconds(30), 1);
  book_.Add(milliseconds(10), 2);
  book_.Add(milliseconds(20), 3);
  Turn(milliseconds(20));
  EXPECT_EQ(due_, (std::vector<uint64_t>{2, 3}));
  Turn(milliseconds(10));
  EXPECT_EQ(due_, (std::vector<uint64_t>{2, 3, 1}));
}

TEST_F(DeadlineBookTest, RemovedOneIsNeverDueAndLaterOnesStillAre) {
  book_.Add(milliseconds(10), 1);
  book_.Add(milliseconds(20), 2);
  book_.Remove(milliseconds(10), 1);
  Turn(milliseconds(15));
  EXPECT_TRUE(due_.empty());
  Turn(milliseconds(10));
  EXPECT_EQ(due_, std::vector<uint64_t>{2});
  EXPECT_EQ(book_.size(), 0u);
}

}  // namespace
}  // namespace reeve::core
