#include "tools/reevectl/status_command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "base/sys.h"
#include "tools/reevectl/control_client.h"
#include "tools/reevectl/kernel_record.h"
#include "tools/reevectl/status_text.h"

namespace reeve::reevectl {
namespace {

constexpr size_t kMaxProcFileBytes = 64 * 1024;

struct Where {
  std::string run_directory = "/run/reeve";  // --run-dir
  std::string socket;                        // --socket; empty: the run directory's
};

json::Value* Member(json::Value& value, std::string_view key) {
  return const_cast<json::Value*>(value.Find(key));
}

// Adds what only root can read in the kernel's log.
void AddSystemCall(json::Value& plugin) {
  const json::Value* uid = plugin.Find("uid");
  json::Value* crash = Member(plugin, "last-crash");
  const json::Value* text = crash == nullptr ? nullptr : crash->Find("text");
  const json::Value* ago = crash == nullptr ? nullptr : crash->Find("seconds-ago");
  if (uid == nullptr || text == nullptr || ago == nullptr) return;
  const auto* words = text->As<std::string>();
  const auto* seconds = ago->As<int64_t>();
  const auto* number = uid->As<int64_t>();
  if (words == nullptr || seconds == nullptr || number == nullptr) return;
  if (words->find("seccomp filter") == std::string::npos) return;
  const auto record = FindKillRecord(static_cast<uint32_t>(*number), std::chrono::seconds(*seconds));
  if (!record) return;
  crash->As<json::Object>()->push_back({"system-call", json::Value(SystemCallText(record->system_call))});
}

std::optional<uint64_t> MemoryKib(uint32_t pid) {
  constexpr std::string_view kKey = "VmRSS:";
  const auto status = sys::ReadFile("/proc/" + std::to_string(pid) + "/status", kMaxProcFileBytes);
  if (!status) return std::nullopt;
  const size_t at = status->find(kKey);
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(status->c_str() + at + kKey.size(), nullptr, 10);
}

bool HasUnicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string text(value);
    return text.find("UTF-8") != std::string::npos || text.find("utf8") != std::string::npos;
  }
  return false;
}

StatusView ViewOf() {
  const char* no_color = std::getenv("NO_COLOR");
  return {.now_s = std::time(nullptr),
          .has_color = ::isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0'),
          .has_unicode = HasUnicode(),
          .memory_kib = MemoryKib};
}

ExitCode TellNoAnswer(const NoAnswer& answer, const Common& common) {
  const bool is_stopped = answer.kind == NoAnswer::Kind::kNotRunning;
  const std::string advice = is_stopped ? "; 'systemctl start reeved' starts the agent" : "";
  if (common.is_json) {
    json::Object told;
    told.push_back({"state", json::Value(std::string(is_stopped ? "stopped" : "unknown"))});
    told.push_back({"problems", json::Value(json::List{json::Value(answer.why)})});
    PrintJson(json::Value(std::move(told)));
  } else {
    Cannot(Harmless(answer.why) + advice);
  }
  return is_stopped ? ExitCode::kNotRunning : ExitCode::kUnknown;
}

ExitCode Status(const Where& where, const Common& common) {
  auto status = Ask(where.socket.empty() ? where.run_directory + "/control" : where.socket, "reeve-status");
  if (!status) return TellNoAnswer(status.error(), common);
  if (json::Value* plugins = Member(*status, "plugins"); plugins != nullptr && plugins->As<json::List>() != nullptr) {
    for (json::Value& plugin : *plugins->As<json::List>()) AddSystemCall(plugin);
  }
  if (common.is_json) {
    PrintJson(*status);
  } else {
    std::fputs(StatusText(*status, ViewOf()).c_str(), stdout);
  }
  const json::Value* state = status->Find("state");
  return state != nullptr && *state == json::Value(std::string("running")) ? ExitCode::kOk : ExitCode::kNo;
}

}  // namespace

void AddStatus(CLI::App& parent, const Common& common, ExitCode& exit_code) {
  CLI::App* self = parent.add_subcommand("status", "How the running agent stands");
  const auto where = std::make_shared<Where>();
  self->add_option("--run-dir", where->run_directory, "Run directory of the agent (reeved -t)")->capture_default_str();
  self->add_option("--socket", where->socket, "Its control socket instead");
  self->footer("Exit codes: 0 running, 1 running with a problem, 2 wrong usage, 3 not running, 4 no answer.");
  self->callback([where, &common, &exit_code] { exit_code = Status(*where, common); });
}

}  // namespace reeve::reevectl
