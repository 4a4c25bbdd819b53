#include "plugins/exec/stream_capture.h"

#include <fcntl.h>

#include <vector>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::exec {
namespace {

const StreamCapture::MayKeep kAlways = [](size_t) { return true; };
const StreamCapture::MayKeep kNever = [](size_t) { return false; };

class StreamCaptureTest : public testing::Test {
 protected:
  StreamCaptureTest() : pipe_(sys::Pipe(O_NONBLOCK).value()), capture_(std::move(pipe_.first)), scratch_(64 * 1024) {}

  void Drain(const StreamCapture::MayKeep& may_keep = kAlways) { capture_.Drain(scratch_, may_keep); }
  // As a program that writes that much, whatever the pipe takes at once.
  void WriteThrough(size_t count, const StreamCapture::MayKeep& may_keep = kAlways) {
    const std::string bytes(64 * 1024, 'x');
    while (count > 0) {
      const Result<size_t> wrote = sys::Write(pipe_.second.get(), AsBytes(bytes).first(std::min(count, bytes.size())));
      if (wrote) count -= *wrote;
      Drain(may_keep);
    }
  }

  sys::TwoFds pipe_;
  StreamCapture capture_;
  std::vector<uint8_t> scratch_;
};

TEST_F(StreamCaptureTest, KeepsWhatComesAndWaitsForMore) {
  Drain();
  EXPECT_FALSE(capture_.is_ended());
  REEVE_ASSERT_OK(sys::Write(pipe_.second.get(), AsBytes("one ")));
  Drain();
  REEVE_ASSERT_OK(sys::Write(pipe_.second.get(), AsBytes("two")));
  Drain();
  EXPECT_EQ(AsText(capture_.bytes()), "one two");
  EXPECT_FALSE(capture_.is_ended());
}

TEST_F(StreamCaptureTest, EndsWhenTheLastWriterCloses) {
  UniqueFd grandchild = sys::Duplicate(pipe_.second.get()).value();
  REEVE_ASSERT_OK(sys::Write(pipe_.second.get(), AsBytes("a")));
  pipe_.second.Reset();
  Drain();
  EXPECT_FALSE(capture_.is_ended());
  grandchild.Reset();
  Drain();
  EXPECT_TRUE(capture_.is_ended());
  capture_.Close();
  EXPECT_EQ(AsText(capture_.bytes()), "a");
}

TEST_F(StreamCaptureTest, ExactlySixteenMebibytesAreNotTruncated) {
  WriteThrough(StreamCapture::kMaxBytes);
  EXPECT_EQ(capture_.bytes().size(), StreamCapture::kMaxBytes);
  EXPECT_FALSE(capture_.is_truncated());
}

TEST_F(StreamCaptureTest, OneByteMoreIsReadButNotKept) {
  WriteThrough(StreamCapture::kMaxBytes + 1);
  EXPECT_EQ(capture_.bytes().size(), StreamCapture::kMaxBytes);
  EXPECT_TRUE(capture_.is_truncated());
}

TEST_F(StreamCaptureTest, DrainsForEverBeyondTheLimit) {
  WriteThrough(StreamCapture::kMaxBytes + (4 << 20));
  EXPECT_EQ(capture_.bytes().size(), StreamCapture::kMaxBytes);
  pipe_.second.Reset();
  Drain();
  EXPECT_TRUE(capture_.is_ended());
}

TEST_F(StreamCaptureTest, WithoutRoomItDrainsAndSaysTruncated) {
  WriteThrough(5, kAlways);
  WriteThrough(100'000, kNever);
  WriteThrough(5, kAlways);  // behind a hole nothing is kept
  EXPECT_EQ(capture_.bytes().size(), 5u);
  EXPECT_TRUE(capture_.is_truncated());
}

}  // namespace
}  // namespace reeve::exec
