#include "base/log.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

namespace reeve {
namespace {

LogSink* g_sink = nullptr;
Severity g_least_severe = Severity::kWarning;

std::string& Process() {
  static std::string process = "reeve";
  return process;
}

struct HeldLines {
  std::vector<std::pair<Severity, std::string>> lines;
  size_t bytes = 0;
  uint64_t lost = 0;
};
HeldLines* g_held = nullptr;

void Hold(HeldLines& held, Severity severity, std::string line) {
  if (held.bytes + line.size() > kMaxHeldLogBytes) {
    ++held.lost;
    return;
  }
  held.bytes += line.size();
  held.lines.emplace_back(severity, std::move(line));
}

std::string Escaped(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      line += c;
      continue;
    }
    char escape[5];
    std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
    line += escape;
  }
  return line;
}

void Put(Severity severity, const std::string& line) {
  if (g_sink != nullptr) return g_sink->Write(severity, line);
  const std::string out = Process() + ": " + std::string(SeverityName(severity)) + ": " + line + "\n";
  // One write, so that lines of several processes do not mix. A full pipe loses the line rather than waiting.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, out.data(), out.size());
}

}  // namespace

void HoldLog(bool is_held) {
  if (is_held == (g_held != nullptr)) return;
  if (is_held) {
    g_held = new HeldLines;
    return;
  }
  const std::unique_ptr<HeldLines> held(std::exchange(g_held, nullptr));
  for (const auto& [severity, line] : held->lines) Put(severity, line);
  if (held->lost > 0) LogWarning(std::to_string(held->lost) + " log lines were lost while the log was held");
}

void SetLogSink(LogSink* sink) {
  g_sink = sink;
}
void SetLogProcess(std::string process) {
  Process() = std::move(process);
}
void SetLogLevel(Severity least_severe) {
  g_least_severe = least_severe;
}

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
    case Severity::kDebug:
      return "debug";
  }
  return "error";
}

void Log(Severity severity, std::string_view text) {
  if (severity > g_least_severe) return;
  std::string line = Escaped(text);
  if (g_held != nullptr) return Hold(*g_held, severity, std::move(line));
  Put(severity, line);
}

}  // namespace reeve
