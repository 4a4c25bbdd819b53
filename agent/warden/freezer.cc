#include "agent/warden/freezer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

constexpr size_t kMaxThawers = 1;
constexpr size_t kMaxStatBytes = 4096;

// Its first thread is dead and another is not: the kernel tells nobody of its end yet.
bool IsDeadButThere(pid_t pid) {
  const Result<std::string> stat = sys::ReadFile("/proc/" + std::to_string(pid) + "/stat", kMaxStatBytes);
  if (!stat) return false;
  const size_t name_end = stat->rfind(") ");
  return name_end != std::string::npos && stat->substr(name_end + 2).starts_with('Z');
}

}  // namespace

Freezer::Freezer(EventLoop& loop, Reaper& reaper, const config::Config& config, const Workers& workers, Thaw thaw)
    : loop_(loop), workers_(workers), thaw_(std::move(thaw)), thawers_(loop, reaper, kMaxThawers) {
  for (uint32_t i = 0; i < config.plugins.size(); ++i)
    if (config.plugins[i].sandbox.Has(policy::Promise::kFreeze)) plugin_ = i;
}

Freezer::~Freezer() {
  HoldLog(false);
  loop_.Cancel(look_timer_);
}

Worker* Freezer::Keeper() const {
  const auto keeper = std::ranges::find_if(workers_, [this](const auto& entry) {
    return IsOne(*entry.second) && entry.second->is_ready && !entry.second->is_end_told;
  });
  return keeper == workers_.end() ? nullptr : keeper->second.get();
}

Status Freezer::NoteHeld(const Worker& worker, uint64_t held) {
  if (!IsOne(worker)) return Fail(Code::kBadMessage, "what it holds is not asked here");
  held_ = held;
  HoldLog(is_frozen());
  if (is_frozen() && look_timer_ == 0) Look();
  return {};
}

Status Freezer::CheckMayQuiesce(const Worker& worker) const {
  if (IsOne(worker) && is_frozen()) return {};
  return Fail(Code::kBadMessage, "who holds nothing that is frozen needs no quiet");
}

void Freezer::Look() {
  look_timer_ = 0;
  if (!is_frozen()) return;
  const auto found = std::ranges::find_if(workers_, [this](const auto& entry) { return IsStuck(*entry.second); });
  const uint32_t stuck = found == workers_.end() ? 0 : found->first;
  // One that is about to be reaped is no stuck one: the next worker keeps its freeze.
  const bool is_so_still = std::exchange(stuck_, stuck) == stuck;
  if (stuck != 0 && is_so_still) ThawForKeeper("was killed and does not end");
  look_timer_ = loop_.After(kLook, [this] { Look(); });
}

bool Freezer::IsStuck(const Worker& worker) const {
  if (!IsOne(worker) || worker.pid < 0) return false;
  return worker.is_end_told || IsDeadButThere(worker.pid);
}

void Freezer::ThawForKeeper(const std::string& why) {
  if (is_thawing()) return;
  LogWarning("a worker that froze file systems " + why + ": they are thawed for it");
  const auto thaw = [this]() -> Result<ChildAnswer> {
    REEVE_TRY(thaw_());
    return ChildAnswer{};
  };
  const Result<pid_t> started = thawers_.Start({}, AnswerBy(thaw), [](const Result<ChildAnswer>& answer) {
    if (!answer) return LogError(answer.error().message());
    if (answer->is_error) LogError(answer->text);
  });
  if (!started) LogError(started.error().message());
}

}  // namespace reeve::warden
