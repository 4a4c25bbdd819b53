#include "agent/core/dispatcher.h"

#include <utility>

#include "agent/core/arguments.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace reeve::core {
namespace {

// The core's writer is the only source of what a plugin gets: no key twice, declared members only, UTF-8 checked.
ByteQueue Canonical(const json::Value& arguments) {
  ByteQueue queue;
  json::PieceWriter writer(arguments);
  for (std::string_view piece = writer.Next(); !piece.empty(); piece = writer.Next()) queue.Append(piece);
  return queue;
}

Reply GenericError(std::string description) {
  return Reply::Failure(ErrorClass::kGenericError, std::move(description));
}

bool IsExecOrFile(const Command& command) {
  return command.spec->check != config::ArgumentCheck::kNone;
}

}  // namespace

void Dispatcher::Dispatch(Asker& asker, Request request, RunningTime arrived, OnReply on_reply) {
  const Command* command = parts_.table.Find(request.command);
  if (command == nullptr) {
    on_reply(Reply::Failure(ErrorClass::kCommandNotFound, "The command " + request.command + " has not been found"));
    return;
  }
  // Names only: arguments may be secrets. Who reads qemu-ga's log looks for "read data".
  if (parts_.config.log.is_verbose)
    LogDebug("channel " + asker.channel_name + ": read data, command " + request.command);
  if (auto refusal = parts_.access.Refuse(asker, *command)) {
    Refuse(asker, *command, refusal->decision, {});
    on_reply(Reply::Failure(ErrorClass::kCommandNotFound, std::move(refusal->description)));
    return;
  }
  const Status checked = CheckArguments(command->plugin->types, *command->spec, request.arguments);
  if (!checked) {
    on_reply(GenericError(checked.error().message()));
    return;
  }
  ArgumentVerdict verdict = DecideArguments(parts_.decider, asker, *command->spec, request.arguments);
  if (!verdict.is_allowed()) {
    if (verdict.decision) Refuse(asker, *command, &*verdict.decision, verdict.object);
    on_reply(GenericError(std::move(verdict.refusal)));
    return;
  }
  Carry(asker, *command, std::move(request), std::move(verdict), arrived, std::move(on_reply));
}

void Dispatcher::Carry(Asker& asker, const Command& command, Request request, ArgumentVerdict verdict,
                       RunningTime arrived, OnReply on_reply) {
  // Of the two decisions the one about the arguments says more.
  const bool is_recorded = parts_.audit.Wants(*command.spec, policy::Verdict::kAllow);
  const uint32_t rule = verdict.rule();
  if (is_recorded) {
    on_reply = [this, &asker, &command, arrived, object = std::move(verdict.object),
                decision = verdict.decision ? *verdict.decision : parts_.access.Decide(asker, command),
                then = std::move(on_reply)](Reply reply) {
      return Finish(asker, command, decision, object, arrived, then, std::move(reply));
    };
  }
  if (command.is_own()) {
    on_reply(parts_.own.Run(asker, command, request));
    return;
  }
  WorkerCall call;
  call.command = &command;
  call.origin = {&asker, request.token};
  call.channel = asker.channel_index;
  call.peer_kind = static_cast<uint32_t>(asker.peer.kind);
  call.peer_number = asker.peer_number();
  call.rule = rule;
  call.arguments = Canonical(request.arguments);
  call.arrived = arrived;
  call.on_reply = std::move(on_reply);
  parts_.workers.Call(std::move(call));
}

bool Dispatcher::Finish(const Asker& asker, const Command& command, const policy::Decision& decision,
                        std::string_view object, RunningTime arrived, const OnReply& on_reply, Reply reply) {
  AuditRecord record;
  record.channel = asker.channel_name;
  record.peer = asker.peer;
  record.command = command.spec->name;
  record.outcome = reply.kind == Reply::Kind::kError ? AuditRecord::Outcome::kFailed : AuditRecord::Outcome::kReturned;
  record.rule = decision.rule;
  record.origin = decision.origin.ToString();
  record.object = object;
  record.duration = parts_.clock.Now() - arrived;
  parts_.audit.Record(record);
  return on_reply(std::move(reply));
}

void Dispatcher::Refuse(Asker& asker, const Command& command, const policy::Decision* decision,
                        std::string_view object) {
  if (decision != nullptr) NameTheOpeningLine(command);
  if (!parts_.audit.Wants(*command.spec, policy::Verdict::kDeny)) return;
  AuditRecord record;
  record.channel = asker.channel_name;
  record.peer = asker.peer;
  record.command = command.spec->name;
  record.outcome = AuditRecord::Outcome::kRefused;
  if (decision != nullptr) record.rule = decision->rule;
  if (decision != nullptr) record.origin = decision->origin.ToString();
  record.object = object;
  parts_.audit.Record(record);
}

// Whoever swapped agents and wonders finds the answer in the log, once.
void Dispatcher::NameTheOpeningLine(const Command& command) {
  if (was_opening_named_ || !IsExecOrFile(command)) return;
  if (parts_.config.policy.profile != policy::BaseProfile::kStandard) return;
  was_opening_named_ = true;
  LogWarning("policy refused " + command.spec->name +
             "; 'profile: open' in /etc/reeve/policy.yaml allows all that qemu-ga does, rules under 'exec:' and "
             "'files:' allow single programs and directories");
}

}  // namespace reeve::core
