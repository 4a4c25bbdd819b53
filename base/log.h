#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace reeve {

enum class Severity { kError, kWarning, kInfo, kDebug };

// Where this process's log lines go. One line a call, never waiting: what a sink cannot take at once it counts, and
// the count is its next line. `SetLogSink` is called once by main, before any thread; until then lines go to
// standard error as "<process>: <severity>: <text>".
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(Severity severity, std::string_view line) = 0;
};

void SetLogSink(LogSink* sink);           // lent, for the life of the process
void SetLogProcess(std::string process);  // "reeved", "reeve-core", ...
void SetLogLevel(Severity least_severe);  // kWarning unless told

// While it is held, lines of this process wait in memory, for somebody may have frozen the disk that they would go to. When
// it is let go they are written, and how many there was no room for. Not thread-safe: for processes of one thread.
void HoldLog(bool is_held);
inline constexpr size_t kMaxHeldLogBytes = 256 * 1024;

// Control bytes in `text` are written as \xNN: what a host or a plugin says can never start a line of its own.
void Log(Severity severity, std::string_view text);
inline void LogError(std::string_view text) {
  Log(Severity::kError, text);
}
inline void LogWarning(std::string_view text) {
  Log(Severity::kWarning, text);
}
inline void LogInfo(std::string_view text) {
  Log(Severity::kInfo, text);
}
inline void LogDebug(std::string_view text) {
  Log(Severity::kDebug, text);
}

std::string_view SeverityName(Severity severity);

}  // namespace reeve
