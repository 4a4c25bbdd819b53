// A plugin that says that it holds something, as the one that freezes does, and freezes nothing. What it holds stands in
// its state file as one digit, and behind it how the last worker was ended: `.` it was not, `d` by Deactivate.

#include <unistd.h>

#include <optional>
#include <string>

#include "reeve/plugin.hpp"

namespace {

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

  int state_fd_ = -1;
  uint64_t held_ = 0;
  std::vector<Reply> open_;
};

const reeve::plugin::Command<Freezer> kCommands[] = {
    {"freezer-hold", &Freezer::Hold},     {"freezer-end", &Freezer::End},   {"freezer-wait", &Freezer::Wait},
    {"freezer-status", &Freezer::Status}, {"freezer-thaw", &Freezer::Thaw},
};

}  // namespace

REEVE_PLUGIN_BY_HAND(Freezer, (reeve::plugin::Identity{"org.reeve.fsfreeze", "1.2.3", "Reeve", "Apache-2.0", 8}),
                     kCommands)
