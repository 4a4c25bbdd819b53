#include "base/event_loop.h"

#include "base/sys.h"
#include "base/testing.h"

namespace reeve {
namespace {

using std::chrono::milliseconds;

class EventLoopTest : public testing::Test {
 protected:
  FakeClock clock_;
  EventLoop loop_ = EventLoop::Create(clock_).value();
  sys::TwoFds a_ = sys::Pipe(O_NONBLOCK).value();
  sys::TwoFds b_ = sys::Pipe(O_NONBLOCK).value();
};

TEST_F(EventLoopTest, CallsWhoIsReadyAndNobodyElse) {
  int a_calls = 0;
  int b_calls = 0;
  REEVE_ASSERT_OK(loop_.Watch(a_.first.get(), EPOLLIN, [&](uint32_t) { ++a_calls; }));
  REEVE_ASSERT_OK(loop_.Watch(b_.first.get(), EPOLLIN, [&](uint32_t) { ++b_calls; }));
  REEVE_ASSERT_OK(sys::WriteAll(a_.second.get(), AsBytes("x")));
  REEVE_ASSERT_OK(loop_.RunOnce(milliseconds(0)));
  EXPECT_EQ(a_calls, 1);
  EXPECT_EQ(b_calls, 0);
}

TEST_F(EventLoopTest, AForgottenDescriptorIsNotCalledEvenInTheSameTurn) {
  int calls = 0;
  auto forget_both = [&](uint32_t) {
    ++calls;
    loop_.Forget(a_.first.get());
    loop_.Forget(b_.first.get());
  };
  REEVE_ASSERT_OK(loop_.Watch(a_.first.get(), EPOLLIN, forget_both));
  REEVE_ASSERT_OK(loop_.Watch(b_.first.get(), EPOLLIN, forget_both));
  REEVE_ASSERT_OK(sys::WriteAll(a_.second.get(), AsBytes("x")));
  REEVE_ASSERT_OK(sys::WriteAll(b_.second.get(), AsBytes("x")));
  REEVE_ASSERT_OK(loop_.RunOnce(milliseconds(0)));
  REEVE_ASSERT_OK(loop_.RunOnce(milliseconds(0)));
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, IsAtRestOnlyWhileNothingIsTimed) {
  class RestClock : public Clock {
   public:
    RunningTime Now() override { return {}; }
    void EndWait(bool was_at_rest) override { rests.push_back(was_at_rest); }
    std::vector<bool> rests;
  } clock;
  EventLoop loop = EventLoop::Create(clock).value();
  bool is_timing = false;
  loop.AlsoTimes([&] { return is_timing; });
  const auto turn = [&] { REEVE_ASSERT_OK(loop.RunOnce(milliseconds(0))); };
  turn();
  is_timing = true;
  turn();
  is_timing = false;
  const EventLoop::TimerId timer = loop.After(milliseconds(5), [] {});
  turn();
  loop.Cancel(timer);
  turn();
  EXPECT_EQ(clock.rests, (std::vector{true, false, false, true}));
}

TEST_F(EventLoopTest, TimersGoOffInTheOrderOfTheirTimes) {
  std::string order;
  loop_.After(milliseconds(20), [&] { order += 'b'; });
  loop_.After(milliseconds(10), [&] { order += 'a'; });
  const EventLoop::TimerId never = loop_.After(milliseconds(15), [&] { order += 'x'; });
  loop_.Cancel(never);
  REEVE_ASSERT_OK(loop_.RunOnce(milliseconds(0)));
  EXPECT_EQ(order, "");
  clock_.Advance(milliseconds(30));
  REEVE_ASSERT_OK(loop_.RunOnce(milliseconds(0)));
  EXPECT_EQ(order, "ab");
}

TEST_F(EventLoopTest, ATimerMaySetAndCancelOthers) {
  int late = 0;
  EventLoop::TimerId other = 0;
  loop_.After(milliseconds(1), [&] { loop_.Cancel(other); });
  other = loop_.After(milliseconds(2), [&] { ++late; });
  clock_.Advance(milliseconds(5));
  REEVE_ASSERT_OK(loop_.RunOnce(milliseconds(0)));
  EXPECT_EQ(late, 0);
}

}  // namespace
}  // namespace reeve
