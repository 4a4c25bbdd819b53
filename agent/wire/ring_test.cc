#include "agent/wire/ring.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "base/testing.h"

namespace reeve::wire {
namespace {

constexpr uint32_t kTestRingBytes = 64 * 1024;

class RingTest : public testing::Test {
 protected:
  RingTest()
      : file_(std::move(*MakeRing(kTestRingBytes))),
        writer_(std::move(*RingWriter::Create(file_.get()))),
        reader_(std::move(*RingReader::Create(file_.get()))) {}

  // Writes one piece of `count` bytes of `fill`; the offset.
  uint32_t Put(uint32_t count, char fill) {
    const auto room = writer_.Reserve(count);
    EXPECT_EQ(room.size(), count);
    std::memset(room.data(), fill, room.size());
    return writer_.Commit(count);
  }
  std::string Take(uint32_t offset, uint32_t count) {
    std::vector<uint8_t> copy(count);
    EXPECT_THAT(reader_.CopyOut(offset, count, copy), IsOk());
    return std::string(copy.begin(), copy.end());
  }

  UniqueFd file_;
  RingWriter writer_;
  RingReader reader_;
};

TEST_F(RingTest, CarriesAPiece) {
  const uint32_t offset = Put(5, 'a');
  EXPECT_EQ(Take(offset, 5), "aaaaa");
  EXPECT_EQ(reader_.consumed(), 5u);
}

TEST_F(RingTest, BeginsAtTheFirstPageAgainWhenAllIsConsumed) {
  for (int i = 0; i < 100; ++i) {
    const uint32_t offset = Put(1000, 'b');
    EXPECT_EQ(offset, 0u);
    Take(offset, 1000);
    REEVE_ASSERT_OK(writer_.Consumed(reader_.consumed()));
  }
}

TEST_F(RingTest, GivesNoRoomThatIsNotReadYet) {
  Put(kTestRingBytes / 2, 'a');
  Put(kTestRingBytes / 2, 'b');
  EXPECT_TRUE(writer_.Reserve(1).empty());
  EXPECT_EQ(Take(0, kTestRingBytes / 2)[0], 'a');
  REEVE_ASSERT_OK(writer_.Consumed(reader_.consumed()));
  EXPECT_EQ(Put(100, 'c'), 0u);
  EXPECT_EQ(writer_.Reserve(kTestRingBytes).size(), kTestRingBytes / 2 - 100);
  EXPECT_EQ(Take(kTestRingBytes / 2, 10), "bbbbbbbbbb");
}

TEST_F(RingTest, KeepsBytesWholeWhateverTheOrderOfReadingAndWriting) {
  struct Sent {
    uint32_t offset, count;
    char fill;
  };
  std::deque<Sent> sent;
  uint32_t seed = 1;
  const auto next = [&seed](uint32_t limit) { return (seed = seed * 1664525 + 1013904223) / 7 % limit; };
  for (int i = 0; i < 20'000; ++i) {
    if (next(2) == 0) {
      const auto room = writer_.Reserve(1 + next(kTestRingBytes / 3));
      if (room.empty()) continue;
      const char fill = static_cast<char>('a' + i % 26);
      std::memset(room.data(), fill, room.size());
      const auto count = static_cast<uint32_t>(room.size());
      sent.push_back({writer_.Commit(count), count, fill});
    } else if (!sent.empty()) {
      const Sent piece = sent.front();
      sent.pop_front();
      ASSERT_EQ(Take(piece.offset, piece.count), std::string(piece.count, piece.fill));
      if (next(3) == 0) REEVE_ASSERT_OK(writer_.Consumed(reader_.consumed()));
    }
  }
}

TEST_F(RingTest, RefusesAPieceThatDoesNotLieInTheRing) {
  std::vector<uint8_t> copy(kMaxPieceBytes + 1);
  const auto copy_out = [&](uint32_t offset, uint32_t count) {
    return reader_.CopyOut(offset, count, std::span(copy).first(count));
  };
  EXPECT_THAT(copy_out(kTestRingBytes, 1), FailsWith(Code::kBadMessage));
  EXPECT_THAT(copy_out(kTestRingBytes - 1, 2), FailsWith(Code::kBadMessage));
  EXPECT_THAT(copy_out(UINT32_MAX, 16), FailsWith(Code::kBadMessage));  // their sum wraps
  EXPECT_THAT(copy_out(0, kTestRingBytes + 1), FailsWith(Code::kBadMessage));
  EXPECT_THAT(copy_out(0, 0), FailsWith(Code::kBadMessage));
  EXPECT_THAT(copy_out(0, kMaxPieceBytes + 1), FailsWith(Code::kBadMessage));
  EXPECT_EQ(reader_.consumed(), 0u);
}

TEST_F(RingTest, ACopyDoesNotChangeWhenTheRingDoes) {
  const uint32_t offset = Put(4, 'a');
  std::vector<uint8_t> copy(4);
  REEVE_ASSERT_OK(reader_.CopyOut(offset, 4, copy));
  auto mapping = sys::Map(file_.get(), kTestRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED);
  REEVE_ASSERT_OK(mapping);
  std::memset(mapping->writable_bytes().data(), 'z', 4);
  EXPECT_EQ(std::string(copy.begin(), copy.end()), "aaaa");
}

TEST_F(RingTest, RefusesCreditForWhatWasNeverWritten) {
  Put(100, 'a');
  EXPECT_THAT(writer_.Consumed(101), FailsWith(Code::kBadMessage));
}

TEST_F(RingTest, RefusesCreditThatGoesBack) {
  Put(100, 'a');
  Put(100, 'b');
  REEVE_ASSERT_OK(writer_.Consumed(100));
  EXPECT_THAT(writer_.Consumed(0), FailsWith(Code::kBadMessage));
}

TEST_F(RingTest, RefusesCreditForAPartOfAPiece) {
  Put(100, 'a');
  EXPECT_THAT(writer_.Consumed(50), FailsWith(Code::kBadMessage));
}

TEST_F(RingTest, OwesCreditAfterAQuarter) {
  Take(0, kTestRingBytes / 4 - 1);
  EXPECT_FALSE(reader_.owes_credit());
  Take(0, 1);
  EXPECT_TRUE(reader_.owes_credit());
  reader_.Told();
  EXPECT_FALSE(reader_.owes_credit());
}

TEST(RingFileTest, RefusesAFileThatCouldBeResized) {
  auto file = sys::MemoryFile("ring", kTestRingBytes);
  REEVE_ASSERT_OK(file);
  EXPECT_THAT(RingReader::Create(file->get()), FailsSaying("could be resized"));
  EXPECT_THAT(RingWriter::Create(file->get()), FailsSaying("could be resized"));
}

TEST(RingFileTest, CannotBeResized) {
  auto file = MakeRing(kTestRingBytes);
  REEVE_ASSERT_OK(file);
  EXPECT_NE(::ftruncate(file->get(), 1), 0);
  EXPECT_NE(::ftruncate(file->get(), kTestRingBytes * 2), 0);
}

TEST(RingFileTest, RefusesAFileThatIsNoMemoryFile) {
  auto file = sys::Open("/dev/null", O_RDWR | O_CLOEXEC);
  REEVE_ASSERT_OK(file);
  EXPECT_FALSE(RingReader::Create(file->get()).has_value());
}

}  // namespace
}  // namespace reeve::wire
