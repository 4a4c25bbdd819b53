#include "agent/core/crashing_requests.h"

#include "base/testing.h"

namespace reeve::core {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

RequestPrint Print(const std::string& arguments, uint32_t command = 0, uint32_t channel = 0) {
  ByteQueue queue;
  queue.Append(arguments);
  return PrintOf(command, channel, queue);
}

class CrashingRequestsTest : public testing::Test {
 protected:
  void Crash(std::vector<RequestPrint> held) {
    now_ += seconds(1);
    requests_.NoteCrash(held, now_);
  }
  bool IsRefused(const RequestPrint& request) { return requests_.IsRefused(request, now_); }

  CrashingRequests requests_;
  RunningTime now_ = hours(1);
};

TEST_F(CrashingRequestsTest, SameRequestHasTheSamePrintHoweverItStandsInMemory) {
  ByteQueue pieces;
  pieces.Append("{\"path\": ");
  ByteQueue rest;
  rest.Append("\"/bin/x\"}");
  pieces.Splice(std::move(rest));
  EXPECT_EQ(PrintOf(1, 2, pieces), Print("{\"path\": \"/bin/x\"}", 1, 2));
  EXPECT_NE(Print("{}", 1, 2), Print("{}", 2, 2));
  EXPECT_NE(Print("{}", 1, 2), Print("{}", 1, 3));
  EXPECT_NE(Print("{}", 1, 2), Print("{\"a\": 1}", 1, 2));
}

TEST_F(CrashingRequestsTest, RequestIsRefusedAfterTwoCrashesAndNotAfterOne) {
  Crash({Print("bad"), Print("other")});
  EXPECT_FALSE(IsRefused(Print("bad")));
  Crash({Print("bad")});
  EXPECT_TRUE(IsRefused(Print("bad")));
  EXPECT_FALSE(IsRefused(Print("other")));
  EXPECT_FALSE(IsRefused(Print("bad", 0, 1)));
  EXPECT_EQ(requests_.CountRefused(now_), 1u);
}

TEST_F(CrashingRequestsTest, SameRequestOfSeveralClientsCountsOnceACrash) {
  Crash({Print("bad"), Print("bad"), Print("bad")});
  EXPECT_FALSE(IsRefused(Print("bad")));
}

TEST_F(CrashingRequestsTest, RequestThatWasCarriedOutInBetweenIsNoneOfThem) {
  Crash({Print("innocent")});
  requests_.NoteAnswered(Print("innocent"));
  EXPECT_TRUE(requests_.is_empty());
  Crash({Print("innocent")});
  EXPECT_FALSE(IsRefused(Print("innocent")));
}

TEST_F(CrashingRequestsTest, RefusalEndsADayAfterTheLastCrash) {
  Crash({Print("bad")});
  Crash({Print("bad")});
  now_ += hours(24) - seconds(1);
  EXPECT_TRUE(IsRefused(Print("bad")));
  now_ += seconds(1);
  EXPECT_FALSE(IsRefused(Print("bad")));
  Crash({Print("bad")});
  EXPECT_FALSE(IsRefused(Print("bad")));
}

TEST_F(CrashingRequestsTest, TableIsBoundedAndTheOldestGoes) {
  Crash({Print("first")});
  Crash({Print("first")});
  for (size_t i = 0; i < CrashingRequests::kMaxEntries - 1; ++i) Crash({Print(std::to_string(i))});
  EXPECT_TRUE(IsRefused(Print("first")));
  Crash({Print("one more")});
  EXPECT_FALSE(IsRefused(Print("first")));
}

}  // namespace
}  // namespace reeve::core
