// A plugin that says that it holds something, as the one that freezes does, and freezes nothing. What it holds stands in
// its state file as one digit, and behind it how the last worker was ended: `.` it was not, `d` by Deactivate.

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "agent/wire/messages.h"
#include "agent/wire/start_record.h"
#include "reeve/plugin.hpp"

namespace {

constexpr int kWardenFd = 3;  // sandbox::kControlFd

using reeve::plugin::Failure;
using reeve::plugin::JsonWriter;

class Freezer : public reeve::plugin::Plugin {
 public:
  using Plugin::Plugin;

  void Start() override {
    state_fd_ = agent().Inherited("state:freezer");
    if (state_fd_ < 0) throw Failure(REEVE_ERROR_FAILED, "no state file");
    char content[2] = {'0', '.'};
    if (::pread(state_fd_, content, sizeof content, 0) < 0) throw Failure(REEVE_ERROR_FAILED, "state file");
    SetHeld(static_cast<uint64_t>(content[0] - '0'), '.');
  }
  void Deactivate() override {
    const timespec second{1, 0};
    while (stays_) ::nanosleep(&second, nullptr);
    agent().SetFreezeEnd("the service stopped");
    SetHeld(0, 'd');
    for (Reply& reply : open_) reply.Fail(REEVE_ERROR_FAILED, "the service stops");
  }

  void Hold(const Request& request, Reply& reply) {
    const auto count = static_cast<uint64_t>(request.arguments.Int("count"));
    if (request.arguments.Has("time-left"))
      agent().SetFreezeTimeLeft(static_cast<uint64_t>(request.arguments.Int("time-left")));
    if (request.arguments.Has("why")) agent().SetFreezeEnd(request.arguments.String("why"));
    SetHeld(count, '.');
    reply.Return("{}");
  }
  void End(const Request&, Reply&) { ::_exit(3); }
  void Wait(const Request&, Reply& reply) { open_.push_back(std::move(reply)); }
  void Status(const Request&, Reply& reply) { reply.Return(JsonWriter().Int(static_cast<int64_t>(held_)).text()); }
  // What a plugin may do that was taken over.
  void Misbehave(const Request& request, Reply& reply) {
    const std::string_view how = request.arguments.String("how");
    if (how == "stay") stays_ = true;
    if (how == "garbage to the core") SayGarbage(reeve::wire::kCoreSocketFd);
    if (how == "garbage to the warden") SayGarbage(kWardenFd);
    if (how == "freeze and thaw without end") {
      for (int i = 0; i < 100'000; ++i) agent().SetHeld(static_cast<uint64_t>(i % 2));
    }
    if (how == "ask for quiet without end") AskForQuiet();
    reply.Return("{}");
  }
  // Answers what waits, too.
  void Thaw(const Request&, Reply& reply) {
    agent().SetFreezeEnd("freezer-thaw");
    SetHeld(0, '.');
    for (Reply& waiting : std::exchange(open_, {})) waiting.Return("{}");
    reply.Return("{}");
  }

 private:
  void SetHeld(uint64_t count, char how) {
    const char content[2] = {static_cast<char>('0' + count), how};
    if (::pwrite(state_fd_, content, sizeof content, 0) < 0) throw Failure(REEVE_ERROR_FAILED, "state file");
    held_ = count;
    agent().SetHeld(count);
  }

  static bool Say(int fd, const void* bytes, size_t count) {
    iovec piece{const_cast<void*>(bytes), count};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    return ::sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
  }
  static void SayGarbage(int fd) { Say(fd, "garbage", 7); }
  // Reads none of the answers.
  static void AskForQuiet() {
    struct {
      reeve::wire::Header header;
      reeve::wire::QuietNumber number;
    } ask{};
    ask.header.type = reeve::wire::Type::kQuiesce;
    ask.header.generation = 1;
    ask.header.payload_bytes = sizeof ask.number;
    for (int left = 1'000'000; left > 0 && Say(reeve::wire::kCoreSocketFd, &ask, sizeof ask);) --left;
  }

  bool stays_ = false;
  int state_fd_ = -1;
  uint64_t held_ = 0;
  std::vector<Reply> open_;
};

const reeve::plugin::Command<Freezer> kCommands[] = {
    {"freezer-hold", &Freezer::Hold},     {"freezer-end", &Freezer::End},   {"freezer-wait", &Freezer::Wait},
    {"freezer-status", &Freezer::Status}, {"freezer-thaw", &Freezer::Thaw}, {"freezer-misbehave", &Freezer::Misbehave},
};

}  // namespace

REEVE_PLUGIN_BY_HAND(Freezer, (reeve::plugin::Identity{"org.reeve.fsfreeze", "1.2.3", "Reeve", "Apache-2.0", 8}),
                     kCommands)
