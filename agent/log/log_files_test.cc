#include "agent/log/log_files.h"

#include <fcntl.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::log {
namespace {

std::string Contents(int fd) {
  ::lseek(fd, 0, SEEK_SET);
  return *sys::ReadToEnd(fd, 1 << 20);
}

UniqueFd MemoryFile() {
  return std::move(*sys::MemoryFile("log", 0));
}

TEST(LogLineTest, HasQemuGasFormat) {
  EXPECT_EQ(LogLine({wire::LogKind::kLog, Severity::kWarning, 1'700'000'000'000'042, "device is gone"}),
            "1700000000.000042: warning: device is gone");
}

TEST(LogFilesTest, LogAndAuditGoToTheirOwnFiles) {
  UniqueFd log = MemoryFile(), audit = MemoryFile();
  const UniqueFd log_view = *sys::Duplicate(log.get()), audit_view = *sys::Duplicate(audit.get());
  LogFiles files(std::move(log), std::move(audit));
  files.Write({wire::LogKind::kLog, Severity::kError, 1'000'000, "text"});
  files.Write({wire::LogKind::kAudit, Severity::kInfo, 1'000'000, "{\"event\": \"command\"}"});
  EXPECT_EQ(Contents(log_view.get()), "1.000000: error: text\n");
  EXPECT_EQ(Contents(audit_view.get()), "{\"event\": \"command\"}\n");
}

TEST(LogFilesTest, DropsRecordsOfAFileThatIsNotWanted) {
  LogFiles files({}, {});
  files.Write({wire::LogKind::kAudit, Severity::kInfo, 1, "x"});
}

TEST(LogFilesTest, CountsWhatTheDiskRefusesAndWritesTheCountNext) {
  auto pipe = sys::Pipe(O_NONBLOCK);  // a full pipe stands in for a full disk
  REEVE_ASSERT_OK(pipe);
  LogFiles files(std::move(pipe->second), {});
  const std::string page(4000, 'x');
  for (int i = 0; i < 40; ++i) files.Write({wire::LogKind::kLog, Severity::kInfo, 1, page});
  std::vector<uint8_t> drained(1 << 20);
  while (sys::Read(pipe->first.get(), drained)) {
  }
  files.Write({wire::LogKind::kLog, Severity::kInfo, 1, "after"});
  const auto size = sys::Read(pipe->first.get(), drained);
  REEVE_ASSERT_OK(size);
  const std::string text(drained.begin(), drained.begin() + static_cast<long>(*size));
  EXPECT_THAT(text, testing::ContainsRegex("warning: [0-9]+ log lines were lost.*\n.*after\n"));
}

}  // namespace
}  // namespace reeve::log
