#include "plugins/fsfreeze/report_reply.h"

namespace reeve::fsfreeze {

namespace {

namespace manifest = fsfreeze_manifest;

manifest::FreezePhase PhaseOf(Phase phase) {
  switch (phase) {
    case Phase::kFreezing:
      return manifest::FreezePhase::kFreezing;
    case Phase::kFrozen:
      return manifest::FreezePhase::kFrozen;
    case Phase::kThawing:
      return manifest::FreezePhase::kThawing;
    case Phase::kThawed:
    case Phase::kThawHooks:
      return manifest::FreezePhase::kThawed;
  }
  return manifest::FreezePhase::kThawed;
}

manifest::FreezeEnd EndOf(EndReason reason) {
  switch (reason) {
    case EndReason::kThawed:
      return manifest::FreezeEnd::kThawed;
    case EndReason::kTimeout:
      return manifest::FreezeEnd::kTimeout;
    case EndReason::kCancelled:
      return manifest::FreezeEnd::kCancelled;
    case EndReason::kFailed:
      return manifest::FreezeEnd::kFailed;
    case EndReason::kNothingFrozen:
      return manifest::FreezeEnd::kNothingFrozen;
    case EndReason::kWorkerRestarted:
      return manifest::FreezeEnd::kWorkerRestarted;
  }
  return manifest::FreezeEnd::kFailed;
}

manifest::FreezeMountResult ResultOf(MountResult result) {
  switch (result) {
    case MountResult::kNotFrozen:
      return manifest::FreezeMountResult::kNotFrozen;
    case MountResult::kFrozen:
      return manifest::FreezeMountResult::kFrozen;
    case MountResult::kUnsupported:
      return manifest::FreezeMountResult::kUnsupported;
    case MountResult::kAlreadyFrozen:
      return manifest::FreezeMountResult::kAlreadyFrozen;
    case MountResult::kFailed:
      return manifest::FreezeMountResult::kFailed;
  }
  return manifest::FreezeMountResult::kFailed;
}

std::optional<std::string> TextOf(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

manifest::FreezeMount MountOf(const MountReport& report) {
  manifest::FreezeMount mount;
  mount.mountpoint = report.target.mountpoint;
  mount.type = report.target.type;
  mount.result = ResultOf(report.result);
  mount.duration_ms = static_cast<int64_t>(report.duration_ms);
  mount.error = TextOf(report.error);
  return mount;
}

manifest::FreezeLeftOut LeftOutOf(const LeftOutReport& report) {
  manifest::FreezeLeftOut left_out;
  left_out.mountpoint = report.mountpoint;
  left_out.type = report.type;
  left_out.reason = report.reason;
  return left_out;
}

manifest::FreezeHook HookOf(const HookReport& report) {
  manifest::FreezeHook hook;
  hook.path = report.path;
  hook.action =
      report.action == HookAction::kFreeze ? manifest::FreezeHookAction::kFreeze : manifest::FreezeHookAction::kThaw;
  hook.exit_code = report.exit_code;
  hook.signal = report.signal;
  hook.timed_out = report.was_timed_out;
  hook.duration_ms = static_cast<int64_t>(report.duration_ms);
  hook.output = report.output;
  if (!report.is_success()) hook.error = report.ErrorText();
  return hook;
}

}  // namespace

manifest::FreezeReport ReportReply(const FreezeCycle& cycle, const Settings& settings) {
  const CycleReport& report = cycle.report();
  manifest::FreezeReport reply;
  reply.state = PhaseOf(cycle.phase());
  reply.frozen = cycle.phase() == Phase::kFrozen ? static_cast<int64_t>(report.frozen_count) : 0;
  reply.thaw_timeout_ms = static_cast<int64_t>(settings.thaw_timeout_ms);
  if (const auto left_ms = cycle.TimeLeftMs()) reply.time_left_ms = static_cast<int64_t>(*left_ms);
  if (report.end || report.began_ms) reply.frozen_ms = static_cast<int64_t>(cycle.FrozenMs());
  if (report.end) reply.ended = EndOf(*report.end);
  reply.error = TextOf(report.error);
  for (const MountReport& each : report.mounts) reply.mounts.push_back(MountOf(each));
  AddLeftOut(report.left_out, reply);
  for (const HookReport& each : report.hooks) reply.hooks.push_back(HookOf(each));
  return reply;
}

void AddLeftOut(const std::vector<LeftOutReport>& left_out, manifest::FreezeReport& reply) {
  for (const LeftOutReport& each : left_out) reply.left_out.push_back(LeftOutOf(each));
}

}  // namespace reeve::fsfreeze
