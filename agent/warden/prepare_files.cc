#include "agent/warden/prepare_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <utility>

#include "agent/warden/trusted_file.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

constexpr size_t kMaxHandleFileBytes = 4096;
constexpr std::string_view kCounterKey = "fd_counter=";
constexpr mode_t kLogMode = 0600;

// SCM_RIGHTS cannot leave one out: what is not wanted is not sent, and the receiver counts in the same order.
Status AddTrusted(const std::string& path, ChildAnswer& answer) {
  if (!path.empty()) answer.fds.push_back(REEVE_TRY(OpenTrustedFile(path)));
  return {};
}

Status AddLog(const std::string& path, ChildAnswer& answer) {
  // A fifo without reader must not hold the child; a terminal is not to be taken.
  if (!path.empty())
    answer.fds.push_back(REEVE_TRY(sys::Open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, kLogMode)));
  return {};
}

Result<ChildAnswer> Prepare(const WantedFiles& wanted) {
  ChildAnswer answer;
  REEVE_TRY(AddTrusted(wanted.binary, answer));
  REEVE_TRY(AddTrusted(wanted.plugin, answer));
  REEVE_TRY(AddLog(wanted.log_file, answer));
  REEVE_TRY(AddLog(wanted.audit_file, answer));
  if (!wanted.handle_file.empty()) answer.number = REEVE_TRY(ReserveHandleBlock(wanted.handle_file));
  return answer;
}

Result<PreparedFiles> ToFiles(const WantedFiles& wanted, Result<ChildAnswer> answer) {
  if (!answer) return Fail(answer.error());
  if (answer->is_error) return Fail(Code::kSystem, answer->text);
  PreparedFiles files;
  files.handle_base = answer->number;
  size_t next = 0;
  const auto take = [&](const std::string& path, UniqueFd& into) {
    if (!path.empty() && next < answer->fds.size()) into = std::move(answer->fds[next++]);
    return path.empty() || into.is_open();
  };
  const bool has_all = take(wanted.binary, files.binary) && take(wanted.plugin, files.plugin) &&
                       take(wanted.log_file, files.log_file) && take(wanted.audit_file, files.audit_file);
  if (!has_all || next != answer->fds.size())
    return Fail(Code::kBadMessage, "the child sent other files than it was asked for");
  return files;
}

Result<uint64_t> ReadCounter(const std::string& path) {
  const Result<std::string> text = sys::ReadFile(path, kMaxHandleFileBytes);
  if (!text && text.error().code() == Code::kNotFound) return kFirstHandle;
  if (!text) return Fail(text.error());
  const size_t key = text->find(kCounterKey);
  uint64_t counter = 0;
  const char* begin = text->c_str() + key + kCounterKey.size();
  if (key == std::string::npos || std::from_chars(begin, text->c_str() + text->size(), counter).ec != std::errc())
    return Fail(Code::kInvalidArgument, path + " has no number after " + std::string(kCounterKey));
  return counter;
}

}  // namespace

Result<uint64_t> ReserveHandleBlock(const std::string& path) {
  const uint64_t base = REEVE_TRY(ReadCounter(path));
  const std::string text = "[global]\n" + std::string(kCounterKey) + std::to_string(base + kHandleBlock) + "\n";
  REEVE_TRY(sys::ReplaceFile(path, 0600, AsBytes(text)));
  return base;
}

void PrepareFiles(RequestChildren& children, const WantedFiles& wanted,
                  std::function<void(Result<PreparedFiles>)> on_prepared) {
  const Result<pid_t> started = children.Start(
      {}, AnswerBy([wanted] { return Prepare(wanted); }),
      [wanted, on_prepared](Result<ChildAnswer> answer) { on_prepared(ToFiles(wanted, std::move(answer))); });
  if (!started) on_prepared(Fail(started.error()));
}

}  // namespace reeve::warden
