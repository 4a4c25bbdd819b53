#include "plugins/exec/input_feed.h"

#include <fcntl.h>
#include <signal.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::exec {
namespace {

class InputFeedTest : public testing::Test {
 protected:
  InputFeedTest() : pipe_(sys::Pipe(O_NONBLOCK).value()) { ::signal(SIGPIPE, SIG_IGN); }

  std::string ReadAvailable() {
    std::string bytes(1 << 20, '\0');
    const Result<size_t> got = sys::Read(pipe_.first.get(), {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()});
    bytes.resize(got ? *got : 0);
    return bytes;
  }

  sys::TwoFds pipe_;
};

TEST_F(InputFeedTest, ShortInputIsWrittenAtOnceAndEndsWithClose) {
  InputFeed feed(std::move(pipe_.second), "hello");
  EXPECT_FALSE(feed.Feed());
  EXPECT_EQ(ReadAvailable(), "hello");
  feed.Close();
  uint8_t byte[1];
  EXPECT_EQ(sys::Read(pipe_.first.get(), byte).value(), 0u);
}

TEST_F(InputFeedTest, EmptyInputHasNothingToWrite) {
  InputFeed feed(std::move(pipe_.second), "");
  EXPECT_FALSE(feed.Feed());
}

TEST_F(InputFeedTest, LongInputNeverWaitsAndArrivesWhole) {
  std::string input(1'000'000, '\0');
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * 31 >> 3);
  InputFeed feed(std::move(pipe_.second), input);
  std::string arrived;
  while (feed.Feed()) arrived += ReadAvailable();
  arrived += ReadAvailable();
  EXPECT_EQ(arrived, input);
}

TEST_F(InputFeedTest, ProgramThatReadsNoMoreEndsTheFeed) {
  InputFeed feed(std::move(pipe_.second), std::string(1'000'000, 'x'));
  EXPECT_TRUE(feed.Feed());
  pipe_.first.Reset();
  EXPECT_FALSE(feed.Feed());
}

}  // namespace
}  // namespace reeve::exec
