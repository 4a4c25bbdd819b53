#pragma once

#include "agent/core/argument_policy.h"
#include "agent/core/asker.h"
#include "agent/core/audit.h"
#include "agent/core/command_access.h"
#include "agent/core/command_table.h"
#include "agent/core/own_commands.h"
#include "agent/core/request_handler.h"
#include "base/clock.h"

namespace reeve::core {

// The way of a request through the core (design, section 2): find the command, may it be issued at all, check its
// arguments, may it be issued with these, carry it out or hand it to its worker, and record it. Not thread-safe.
class Dispatcher final : public RequestHandler {
 public:
  // What the dispatcher needs; all lent for its life.
  struct Parts {
    const config::Config& config;
    const CommandTable& table;
    const policy::Decider& decider;
    const CommandAccess& access;
    OwnCommands& own;
    WorkerCalls& workers;
    Audit& audit;
    Clock& clock;
  };
  explicit Dispatcher(const Parts& parts) : parts_(parts) {}

  void Dispatch(Asker& asker, Request request, RunningTime arrived, OnReply on_reply) override;
  void Abandon(const Asker& asker, uint64_t token) override { parts_.workers.Abandon({&asker, token}); }

 private:
  void Refuse(Asker& asker, const Command& command, const policy::Decision* decision, std::string_view object);
  bool Finish(const Asker& asker, const Command& command, const policy::Decision& decision, std::string_view object,
              RunningTime arrived, const OnReply& on_reply, Reply reply);
  void Carry(Asker& asker, const Command& command, Request request, ArgumentVerdict verdict, RunningTime arrived,
             OnReply on_reply);
  void NameTheOpeningLine(const Command& command);

  const Parts parts_;
  bool was_opening_named_ = false;
};

}  // namespace reeve::core
