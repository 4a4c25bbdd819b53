#include "agent/wire/start_record.h"

#include "base/testing.h"

namespace reeve::wire {
namespace {

StartRecord Example() {
  StartRecord record;
  record.name = "file";
  record.id = "org.reeve.file";
  record.version = "0.1.0";
  record.abi_major = 1;
  record.worker = 9;
  record.generation = 3;
  record.handle_base = 1000;
  record.handle_count = 65536;
  record.plugin_path = "/plugin.so";
  record.settings_json = "{}";
  record.locks_memory = true;
  record.load_filter = {1, 2, 3};
  record.run_filter = std::vector<uint8_t>(4000, 7);
  record.commands = {"guest-file-open", "", "guest-file-close"};
  record.inherited_names = {"mountinfo"};
  return record;
}

TEST(StartRecordTest, ComesBackAsItWas) {
  const auto bytes = Encode(Example());
  REEVE_ASSERT_OK(bytes);
  const auto record = DecodeStartRecord(*bytes);
  REEVE_ASSERT_OK(record);
  EXPECT_EQ(record->name, "file");
  EXPECT_EQ(record->worker, 9u);
  EXPECT_EQ(record->handle_base, 1000u);
  EXPECT_TRUE(record->locks_memory);
  EXPECT_EQ(record->run_filter.size(), 4000u);
  EXPECT_EQ(record->commands, Example().commands);
  EXPECT_EQ(record->inherited_names, Example().inherited_names);
}

TEST(StartRecordTest, RefusesEveryShorterRecordAndALongerOne) {
  auto bytes = *Encode(Example());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(DecodeStartRecord(Bytes(bytes).first(size)), FailsWith(Code::kBadMessage)) << size;
  bytes.push_back(0);
  EXPECT_THAT(DecodeStartRecord(bytes), FailsWith(Code::kBadMessage));
}

TEST(StartRecordTest, RefusesAnotherMagic) {
  auto bytes = *Encode(Example());
  bytes[0] ^= 1;
  EXPECT_THAT(DecodeStartRecord(bytes), FailsWith(Code::kBadMessage));
}

TEST(StartRecordTest, RefusesToWriteWhatIsTooLarge) {
  StartRecord record = Example();
  record.settings_json.assign(kMaxStartRecordBytes, 'x');
  EXPECT_THAT(Encode(record), FailsWith(Code::kTooLarge));
}

}  // namespace
}  // namespace reeve::wire
