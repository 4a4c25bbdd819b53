#include "base/byte_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace reeve {
namespace {

std::string FrontText(const ByteQueue& queue) {
  std::array<iovec, 16> pieces;
  const size_t used = queue.Front(pieces);
  std::string text;
  for (size_t i = 0; i < used; ++i) text.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return text;
}

std::string Pattern(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 2);
  return text;
}

TEST(ByteQueueTest, GivesBytesBackInOrder) {
  ByteQueue queue;
  queue.Append("one ");
  queue.Append(AsBytes("two"));
  EXPECT_EQ(queue.size(), 7u);
  EXPECT_EQ(queue.ToString(), "one two");
  EXPECT_EQ(FrontText(queue), "one two");
}

TEST(ByteQueueTest, ConsumingAcrossBlocksKeepsTheRest) {
  const std::string text = Pattern(3 * ByteQueue::kBlockBytes + 17);
  ByteQueue queue;
  for (size_t at = 0; at < text.size(); at += 1000) queue.Append(std::string_view(text).substr(at, 1000));
  EXPECT_EQ(queue.ToString(), text);
  size_t consumed = 0;
  for (const size_t count : {1ul, 5000ul, 300'000ul, 255ul, 262'144ul}) {
    queue.Consume(count);
    consumed += count;
    ASSERT_EQ(queue.ToString(), text.substr(consumed));
    ASSERT_EQ(queue.size(), text.size() - consumed);
    ASSERT_EQ(FrontText(queue), text.substr(consumed));
  }
  queue.Consume(queue.size());
  EXPECT_TRUE(queue.is_empty());
  EXPECT_EQ(FrontText(queue), "");
}

TEST(ByteQueueTest, SplicesSmallAndLargeQueuesThatWerePartlyConsumed) {
  for (const size_t size : {2ul, 4096ul, 4097ul, 600'000ul}) {
    const std::string text = Pattern(size);
    ByteQueue other;
    other.Append(text);
    other.Consume(1);
    ByteQueue queue;
    queue.Append("head");
    queue.Splice(std::move(other));
    queue.Append("tail");
    EXPECT_EQ(queue.ToString(), "head" + text.substr(1) + "tail");
    EXPECT_EQ(queue.size(), size + 7);
  }
}

TEST(ByteQueueTest, SpliceTakesLargeBlocksWithoutCopying) {
  ByteQueue other;
  other.Append(Pattern(1'000'000));
  std::array<iovec, 1> before;
  ASSERT_EQ(other.Front(before), 1u);
  ByteQueue queue;
  queue.Append("x");
  queue.Splice(std::move(other));
  std::array<iovec, 2> after;
  ASSERT_EQ(queue.Front(after), 2u);
  EXPECT_EQ(after[1].iov_base, before[0].iov_base);
}

TEST(ByteQueueTest, KeepsAppendedBytesInOrderWhileTheFrontGoes) {
  ByteQueue queue;
  std::string expected;
  for (int round = 0; round < 50; ++round) {
    const std::string block(5000 + round, static_cast<char>('a' + round % 26));
    ByteQueue part;
    part.Append(block);
    queue.Splice(std::move(part));
    expected += block;
    const size_t gone = std::min<size_t>(expected.size(), 3700);
    queue.Consume(gone);
    expected.erase(0, gone);
    ASSERT_EQ(queue.ToString(), expected);
  }
  queue.Truncate(3);
  EXPECT_EQ(queue.ToString(), expected.substr(0, 3));
}

TEST(ByteQueueTest, MovedFromIsEmptyAndUsable) {
  ByteQueue queue;
  queue.Append("abc");
  ByteQueue other = std::move(queue);
  EXPECT_TRUE(queue.is_empty());
  queue.Append("d");
  EXPECT_EQ(queue.ToString(), "d");
  queue = std::move(other);
  EXPECT_EQ(queue.ToString(), "abc");
  EXPECT_TRUE(other.is_empty());
  EXPECT_EQ(other.ToString(), "");
}

TEST(ByteQueueTest, TruncateKeepsTheFront) {
  const std::string text = Pattern(2 * ByteQueue::kBlockBytes);
  for (const size_t kept : {0ul, 1ul, 1000ul, ByteQueue::kBlockBytes + 5, text.size() - 3}) {
    ByteQueue queue;
    for (size_t at = 0; at < text.size(); at += 1024) queue.Append(std::string_view(text).substr(at, 1024));
    queue.Consume(3);
    queue.Truncate(kept);
    EXPECT_EQ(queue.ToString(), text.substr(3, kept));
    queue.Append("!");
    EXPECT_EQ(queue.ToString(), text.substr(3, kept) + "!");
  }
}

}  // namespace
}  // namespace reeve
