#include "agent/warden/announced_requests.h"

#include "base/testing.h"

namespace reeve::warden {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

wire::Announce OfWorker(uint32_t worker, uint32_t channel = 0) {
  return {.worker = worker, .channel = channel};
}

TEST(AnnouncedRequestsTest, FindsWhatWasAnnouncedWithItsChannel) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1, 3), 1, 1000, seconds(1)));
  auto found = table.Take(1, 7, seconds(1));
  REEVE_ASSERT_OK(found);
  EXPECT_EQ(found->what.channel, 3u);
}

TEST(AnnouncedRequestsTest, OneAnnouncementIsOneAsk) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 1000, seconds(1)));
  REEVE_ASSERT_OK(table.Take(1, 7, seconds(1)));
  EXPECT_THAT(table.Take(1, 7, seconds(1)), FailsWith(Code::kNotFound));
}

TEST(AnnouncedRequestsTest, RefusesWhatWasNotAnnounced) {
  AnnouncedRequests table;
  EXPECT_THAT(table.Take(1, 7, seconds(1)), FailsWith(Code::kNotFound));
}

TEST(AnnouncedRequestsTest, RefusesAnotherWorkersRequest) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 1000, seconds(1)));
  EXPECT_THAT(table.Take(2, 7, seconds(1)), FailsWith(Code::kNotFound));
}

TEST(AnnouncedRequestsTest, RefusesWhatWasRetracted) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 1000, seconds(1)));
  table.Retract(1, 7);
  EXPECT_THAT(table.Take(1, 7, seconds(1)), FailsWith(Code::kNotFound));
}

TEST(AnnouncedRequestsTest, RefusesWhatHasExpiredByRunningTime) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 1000, seconds(1)));
  REEVE_ASSERT_OK(table.Take(1, 7, milliseconds(1999)));
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 1000, seconds(1)));
  EXPECT_THAT(table.Take(1, 7, seconds(2)), FailsWith(Code::kTimedOut));
}

TEST(AnnouncedRequestsTest, NeverExpiresWhatHasNoDeadline) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 0, seconds(1)));
  EXPECT_THAT(table.Take(1, 7, seconds(1'000'000)), IsOk());
}

TEST(AnnouncedRequestsTest, RefusesASecondAnnouncementOfALiveRequest) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 1, 1000, seconds(1)));
  EXPECT_THAT(table.Announce(7, OfWorker(1, 2), 1, 1000, seconds(1)), FailsWith(Code::kBadMessage));
  EXPECT_EQ(table.Take(1, 7, seconds(1))->what.channel, 0u);
}

TEST(AnnouncedRequestsTest, HoldsThirtyTwoPerWorkerAndNoMore) {
  AnnouncedRequests table;
  for (uint64_t id = 0; id < wire::kMaxInFlight; ++id)
    REEVE_ASSERT_OK(table.Announce(id, OfWorker(1), 1, 0, seconds(1)));
  EXPECT_THAT(table.Announce(99, OfWorker(1), 1, 0, seconds(1)), FailsWith(Code::kTooLarge));
  EXPECT_THAT(table.Announce(99, OfWorker(2), 1, 0, seconds(1)), IsOk());
}

TEST(AnnouncedRequestsTest, ExpiredOnesMakeRoom) {
  AnnouncedRequests table;
  for (uint64_t id = 0; id < wire::kMaxInFlight; ++id)
    REEVE_ASSERT_OK(table.Announce(id, OfWorker(1), 1, 10, seconds(1)));
  EXPECT_THAT(table.Announce(99, OfWorker(1), 1, 10, seconds(2)), IsOk());
  EXPECT_EQ(table.size(), 1u);
}

TEST(AnnouncedRequestsTest, ForgetsOneWorkerAndLeavesItsNeighbours) {
  AnnouncedRequests table;
  for (uint32_t worker = 1; worker <= 3; ++worker) {
    REEVE_ASSERT_OK(table.Announce(0, OfWorker(worker), 1, 0, seconds(1)));
    REEVE_ASSERT_OK(table.Announce(UINT64_MAX, OfWorker(worker), 1, 0, seconds(1)));
  }
  table.ForgetWorker(2);
  EXPECT_EQ(table.size(), 4u);
  EXPECT_THAT(table.Take(2, 0, seconds(1)), FailsWith(Code::kNotFound));
  EXPECT_THAT(table.Take(1, UINT64_MAX, seconds(1)), IsOk());
  EXPECT_THAT(table.Take(3, 0, seconds(1)), IsOk());
}

TEST(AnnouncedRequestsTest, AsksAsOftenAsItsCommandSaysAndNoMore) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 3, 1000, seconds(1)));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(table.Take(1, 7, seconds(1)), IsOk()) << i;
  EXPECT_THAT(table.Take(1, 7, seconds(1)), FailsWith(Code::kNotFound));
}

TEST(AnnouncedRequestsTest, WhatIsLeftOfItsAsksExpires) {
  AnnouncedRequests table;
  REEVE_ASSERT_OK(table.Announce(7, OfWorker(1), 3, 1000, seconds(1)));
  EXPECT_THAT(table.Take(1, 7, seconds(1)), IsOk());
  EXPECT_THAT(table.Take(1, 7, seconds(2)), FailsWith(Code::kTimedOut));
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace reeve::warden
