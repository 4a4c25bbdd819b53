#include "agent/core/worker_health.h"

#include "base/testing.h"

namespace reeve::core {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint64_t kMiB = 1u << 20;

class WorkerHealthTest : public testing::Test {
 protected:
  WorkerHealthTest() { health_.Begin(now_); }
  void Grow(uint64_t heap_bytes) {
    now_ += WorkerHealth::kPingInterval;
    ASSERT_TRUE(health_.WantsPingAfterAnswer(now_));
    health_.NotePong(heap_bytes);
  }

  RunningTime now_ = minutes(5);
  WorkerHealth health_;
};

TEST_F(WorkerHealthTest, BusyWorkerIsAskedNowAndThen) {
  EXPECT_TRUE(health_.WantsPingAfterAnswer(now_));
  health_.NotePong(0);
  EXPECT_FALSE(health_.WantsPingAfterAnswer(now_ + seconds(9)));
  EXPECT_TRUE(health_.WantsPingAfterAnswer(now_ + seconds(10)));
}

TEST_F(WorkerHealthTest, WorkerIsAskedBeforeTheFirstRequestAfterARest) {
  EXPECT_FALSE(health_.WantsPingBeforeRequest(now_));
  EXPECT_FALSE(health_.WantsPingBeforeRequest(now_ + seconds(59)));
  EXPECT_TRUE(health_.WantsPingBeforeRequest(now_ + seconds(60)));
}

TEST_F(WorkerHealthTest, OneQuestionIsOutAtATime) {
  ASSERT_TRUE(health_.WantsPingBeforeRequest(now_ + seconds(60)));
  EXPECT_FALSE(health_.WantsPingBeforeRequest(now_ + seconds(120)));
  EXPECT_FALSE(health_.WantsPingAfterAnswer(now_ + seconds(120)));
  health_.NotePong(0);
  EXPECT_TRUE(health_.WantsPingAfterAnswer(now_ + seconds(120)));
}

TEST_F(WorkerHealthTest, IsWornAfterTenThousandRequestsUntilTheNextBegins) {
  for (int i = 0; i < 9999; ++i) health_.NoteServed();
  EXPECT_FALSE(health_.is_worn());
  health_.NoteServed();
  EXPECT_TRUE(health_.is_worn());
  health_.Begin(now_);
  EXPECT_FALSE(health_.is_worn());
}

TEST_F(WorkerHealthTest, IsWornWhileItsHeapStandsFarAboveItsFirst) {
  Grow(20 * kMiB);
  Grow(84 * kMiB);
  EXPECT_FALSE(health_.is_worn());
  Grow(85 * kMiB);
  EXPECT_TRUE(health_.is_worn());
  Grow(10 * kMiB);  // it gave back what a large request took
  EXPECT_FALSE(health_.is_worn());
}

}  // namespace
}  // namespace reeve::core
