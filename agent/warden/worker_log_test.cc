#include "agent/warden/worker_log.h"

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::warden {
namespace {

TEST(WorkerLogTest, FloodIsReadInPauses) {
  FakeClock clock;
  EventLoop loop = std::move(*EventLoop::Create(clock));
  sys::TwoFds pipe = std::move(*sys::Pipe());
  REEVE_ASSERT_OK(sys::SetNonBlocking(pipe.second.get()));
  WorkerLog log(loop, std::move(pipe.first), "worker x");
  REEVE_ASSERT_OK(log.Start());
  size_t written = 0;
  const auto write = [&] {
    std::string text;
    while (text.size() < WorkerLog::kPieceBytes) text += "x\n";
    while (const auto count = sys::Write(pipe.second.get(), AsBytes(text))) written += *count;
  };
  write();
  REEVE_ASSERT_OK(loop.RunOnce(std::chrono::milliseconds(0)));
  write();
  const size_t before_pause = written;
  for (int i = 0; i < 10; ++i) REEVE_ASSERT_OK(loop.RunOnce(std::chrono::milliseconds(0)));
  write();
  EXPECT_EQ(written, before_pause);
  clock.Advance(WorkerLog::kPause);
  for (int i = 0; i < 2; ++i) REEVE_ASSERT_OK(loop.RunOnce(std::chrono::milliseconds(0)));
  write();
  EXPECT_GT(written, before_pause);
}

}  // namespace
}  // namespace reeve::warden
