// Shows the host a file and what a program says: neither of which this process could open or start by itself. Both are asked of
// the agent, which has the rights and looks into the policy, on behalf of the request that is being answered.

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <map>

#include "motd_commands.hpp"
#include "reeve/plugin.hpp"

namespace {

using motd_manifest::Message;
using motd_manifest::MotdGet;
using motd_manifest::MotdUptime;
using reeve::plugin::Descriptor;
using reeve::plugin::Opened;
using reeve::plugin::Program;
using reeve::plugin::Refusal;
using reeve::plugin::Started;

constexpr char kMotdPath[] = "/etc/motd";
// The name of the policy's rule, which says where the program is.
constexpr char kUptime[] = "uptime";
// Nothing from outside is taken in without a limit.
constexpr int64_t kMaxBytes = 64 * 1024;

// Appends what there is, up to `limit` bytes in all. False once the end was read, or nothing can be.
bool ReadSome(const Descriptor& fd, std::string& text, size_t limit) {
  char piece[4096];
  for (;;) {
    const ssize_t count = ::read(fd.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) return false;
    text.append(piece, std::min(static_cast<size_t>(count), limit - text.size()));
  }
}

class Motd : public reeve::plugin::Plugin {
 public:
  static constexpr uint32_t kMaxConcurrency = 8;
  using Plugin::Plugin;

  void Get(const Request& request, const MotdGet& arguments, Reply& reply) {
    const int64_t limit = arguments.max_bytes.value_or(kMaxBytes);
    // Thrown in a command, a Failure is its answer.
    if (limit < 1 || limit > kMaxBytes) throw reeve::plugin::Failure(REEVE_ERROR_ARGUMENT, "max-bytes is out of range");
    Keep(request.id, reply);
    const int32_t asked = agent().Open(
        request.id, kMotdPath, REEVE_ACCESS_READ, 0,
        [this, id = request.id, limit](const Opened& opened) { AnswerGet(id, opened, static_cast<size_t>(limit)); });
    if (asked != REEVE_OK) Take(request.id).Fail(asked, "the agent cannot be asked");
  }

  void Uptime(const Request& request, const MotdUptime& arguments, Reply& reply) {
    Program program;
    program.arguments = {kUptime};
    if (arguments.is_pretty.value_or(false)) program.arguments.emplace_back("-p");
    program.streams = REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED;
    Keep(request.id, reply);
    const int32_t asked =
        agent().Run(request.id, program, [this, id = request.id](Started started) { Follow(id, std::move(started)); });
    if (asked != REEVE_OK) Take(request.id).Fail(asked, "the agent cannot be asked");
  }

  // At a deadline: whoever answers late finds nobody who waits.
  void Cancelled(uint64_t request_id) override {
    const auto running = running_.find(request_id);
    if (running != running_.end()) agent().Signal(0, running->second.started.program, SIGKILL);
    if (replies_.count(request_id) != 0) Take(request_id).Fail(REEVE_ERROR_CANCELLED, "there was no time for it");
  }

 private:
  struct Running {
    Started started;
    size_t limit;
    std::string output;
    bool is_output_whole = false;
    bool has_status = false;
    reeve_program_status status{};
  };

  void Keep(uint64_t id, Reply& reply) { replies_[id] = std::move(reply); }
  Reply Take(uint64_t id) {
    Reply reply = std::move(replies_.at(id));
    replies_.erase(id);
    return reply;
  }
  void Refuse(uint64_t id, const Refusal& refusal) {
    Take(id).Fail(refusal.error_number == EACCES ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED, refusal.text);
  }

  // The answer comes also when the request was cancelled meanwhile.
  void AnswerGet(uint64_t id, const Opened& opened, size_t limit) {
    if (replies_.count(id) == 0) return;
    if (!opened.fd) return Refuse(id, opened.refusal);
    Message message;
    // One more than is wanted tells whether there is more.
    ReadSome(opened.fd, message.text, limit + 1);
    message.is_whole = message.text.size() <= limit;
    message.text.resize(std::min(message.text.size(), limit));
    Take(id).ReturnValue(message);
  }

  void Follow(uint64_t id, Started started) {
    if (replies_.count(id) == 0) {
      if (started.runs) agent().Signal(0, started.program, SIGKILL);
      return;
    }
    if (!started.runs) return Refuse(id, started.refusal);
    const uint64_t limit = started.max_output_bytes != 0 ? started.max_output_bytes : kMaxBytes;
    Running& running = running_[id] = {std::move(started), static_cast<size_t>(limit), {}, false, false, {}};
    agent().SetHeld(running_.size());  // while it runs this process is not stopped for being idle
    agent().Watch(running.started.stdout_fd.get(), EPOLLIN, [this, id](uint32_t) { OnOutput(id); });
    agent().Watch(running.started.status_fd.get(), EPOLLIN, [this, id](uint32_t) { OnStatus(id); });
  }

  void OnOutput(uint64_t id) {
    Running& running = running_.at(id);
    if (ReadSome(running.started.stdout_fd, running.output, running.limit)) return;
    agent().Forget(running.started.stdout_fd.get());
    running.is_output_whole = true;
    AnswerUptime(id);
  }

  void OnStatus(uint64_t id) {
    Running& running = running_.at(id);
    const ssize_t count = ::read(running.started.status_fd.get(), &running.status, sizeof running.status);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count != sizeof running.status) running.status = {REEVE_PROGRAM_EXITED, 255, 0, 0};  // nobody knows
    agent().Forget(running.started.status_fd.get());
    running.has_status = true;
    AnswerUptime(id);
  }

  void AnswerUptime(uint64_t id) {
    const Running& running = running_.at(id);
    if (!running.has_status || !running.is_output_whole) return;
    const motd_manifest::Uptime answer{running.status.value, running.output};
    running_.erase(id);
    agent().SetHeld(running_.size());
    if (replies_.count(id) != 0) Take(id).ReturnValue(answer);
  }

  std::map<uint64_t, Reply> replies_;    // by request
  std::map<uint64_t, Running> running_;  // by request
};

}  // namespace

REEVE_PLUGIN(Motd, motd_manifest::Manifest, &Motd::Get, &Motd::Uptime)
