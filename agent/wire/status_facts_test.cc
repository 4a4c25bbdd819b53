#include "agent/wire/status_facts.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/testing.h"

namespace reeve::wire {
namespace {

StatusFacts Facts() {
  return {.started_at_s = 1'790'000'000,
          .warden_pid = 1,
          .warden_uid = 2,
          .core_pid = 3,
          .log_pid = 4,
          .core_start_count = 5,
          .landlock_level = 6,
          .has_cgroup = true,
          .policy_note = "note",
          .last_core_end = "killed",
          .controllers = "memory pids",
          .missing = {"one: nothing", "two: little"}};
}

std::vector<uint8_t> BytesOfFacts(const StatusFactsHead& head, std::string_view tail) {
  std::vector<uint8_t> bytes(sizeof head + tail.size());
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, tail.data(), tail.size());
  return bytes;
}

TEST(StatusFactsTest, ArriveAsTheyWereSent) {
  for (const StatusFacts& facts : {Facts(), StatusFacts()}) {
    const auto [head, tail] = Encode(facts);
    const auto read = DecodeStatusFacts(BytesOfFacts(head, tail));
    REEVE_ASSERT_OK(read);
    EXPECT_EQ(*read, facts);
  }
}

TEST(StatusFactsTest, LongTextsAreCutSoThatTheMessageFits) {
  StatusFacts facts = Facts();
  facts.policy_note.assign(100'000, 'x');
  const auto [head, tail] = Encode(facts);
  const auto read = DecodeStatusFacts(BytesOfFacts(head, tail));
  REEVE_ASSERT_OK(read);
  EXPECT_EQ(read->policy_note.size(), kMaxTextBytes);
  EXPECT_EQ(read->missing, facts.missing);
}

TEST(StatusFactsTest, RefusesWhatIsCutTooLongOrAboveItsLimits) {
  const auto [head, tail] = Encode(Facts());
  const std::vector<uint8_t> good = BytesOfFacts(head, tail);
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(DecodeStatusFacts(Bytes(good).first(size)).has_value()) << size;
  EXPECT_FALSE(DecodeStatusFacts(BytesOfFacts(head, tail + "x")).has_value());
  StatusFactsHead long_text = head;
  long_text.text_bytes[0] = kMaxTextBytes + 1;
  EXPECT_FALSE(DecodeStatusFacts(BytesOfFacts(long_text, std::string(100'000, 'x'))).has_value());
  StatusFactsHead odd_flag = head;
  odd_flag.has_cgroup = 2;
  EXPECT_FALSE(DecodeStatusFacts(BytesOfFacts(odd_flag, tail)).has_value());
}

}  // namespace
}  // namespace reeve::wire
