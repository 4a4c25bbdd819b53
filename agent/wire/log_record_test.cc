#include "agent/wire/log_record.h"

#include <sys/socket.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::wire {
namespace {

class LogRecordTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    REEVE_ASSERT_OK(pair);
    reader_ = std::move(pair->first);
    channel_.emplace(std::move(pair->second));
  }
  Result<LogRecord> Next() {
    std::vector<uint8_t> packet(sizeof(LogRecordHeader) + kMaxLogTextBytes);
    const auto message = REEVE_TRY(sys::ReceiveMessage(reader_.get(), packet));
    packet.resize(message.bytes);
    return ParseLogRecord(packet);
  }
  UniqueFd reader_;
  std::optional<LogChannel> channel_;
};

TEST_F(LogRecordTest, CarriesALineWithItsSeverity) {
  channel_->Write(Severity::kWarning, "device is gone");
  const auto record = Next();
  REEVE_ASSERT_OK(record);
  EXPECT_EQ(record->text, "device is gone");
  EXPECT_EQ(record->severity, Severity::kWarning);
  EXPECT_EQ(record->kind, LogKind::kLog);
  EXPECT_GT(record->epoch_us, 0u);
}

TEST_F(LogRecordTest, KeepsALineFromStartingAnother) {
  channel_->WriteAudit("one\ntwo\x7f");
  EXPECT_EQ(Next()->text, "one two ");
}

TEST_F(LogRecordTest, CutsALineAboveTheLimit) {
  channel_->Write(Severity::kInfo, std::string(kMaxLogTextBytes + 1, 'x'));
  EXPECT_EQ(Next()->text.size(), kMaxLogTextBytes);
}

TEST_F(LogRecordTest, CountsWhatDoesNotFitAndSendsTheCountNext) {
  while (channel_->lost_count() < 3) channel_->Write(Severity::kInfo, std::string(1000, 'x'));
  while (true) {
    const auto record = Next();
    if (!record) break;
    EXPECT_EQ(record->text.size(), 1000u);
  }
  channel_->Write(Severity::kInfo, "after");
  EXPECT_THAT(Next()->text, testing::HasSubstr("3 log lines were lost"));
  EXPECT_EQ(Next()->text, "after");
  EXPECT_EQ(channel_->lost_count(), 0u);
}

TEST(ParseLogRecordTest, RefusesAWrongMagicALengthAndAnUnknownKind) {
  LogRecordHeader header;
  EXPECT_THAT(ParseLogRecord(BytesOf(header)), IsOk());
  header.text_bytes = 1;
  EXPECT_THAT(ParseLogRecord(BytesOf(header)), FailsWith(Code::kBadMessage));
  header = {};
  header.magic = 1;
  EXPECT_THAT(ParseLogRecord(BytesOf(header)), FailsWith(Code::kBadMessage));
  header = {};
  header.kind = static_cast<LogKind>(3);
  EXPECT_THAT(ParseLogRecord(BytesOf(header)), FailsWith(Code::kBadMessage));
  EXPECT_THAT(ParseLogRecord({}), FailsWith(Code::kBadMessage));
}

}  // namespace
}  // namespace reeve::wire
