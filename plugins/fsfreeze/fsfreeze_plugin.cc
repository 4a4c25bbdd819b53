#include "plugins/fsfreeze/fsfreeze_plugin.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "plugins/fsfreeze/report_reply.h"

namespace reeve::fsfreeze {

namespace {

namespace manifest = fsfreeze_manifest;

// The core says it of commands that come while something is frozen; this of those that were on their way meanwhile.
constexpr char kIsFrozen[] = "the agent is in frozen state";
constexpr double kMsPerS = 1000;
// A year: longer is never meant, and nothing overflows.
constexpr double kLongestS = 366.0 * 24 * 3600;

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

uint64_t SteadyMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

[[noreturn]] void EndProcess(const Error& error) {
  throw plugin::Failure(REEVE_ERROR_FAILED, error.message());
}

template <typename T>
T OrEndProcess(Result<T> result) {
  if (!result) EndProcess(result.error());
  return std::move(*result);
}

}  // namespace

// ---- the process

void FsfreezePlugin::Configure(const plugin::Arguments& settings) {
  settings_ = OrEndProcess(ReadSettings(settings));
}

// An arena for each thread would be locked into memory whole.
void FsfreezePlugin::Activate() {
  ::mallopt(M_ARENA_MAX, 1);
}

void FsfreezePlugin::Start() {
  world_ = OrEndProcess(MakeWorld());
  cycle_ = std::make_unique<FreezeCycle>(agent(), settings_, world_, gate_);
  cycle_->Resume(OrEndProcess(storage::FreezeListFile(world_.list_fd).Read()));
}

Result<World> FsfreezePlugin::MakeWorld() {
  const int mountinfo = agent().Inherited("mountinfo");
  if (mountinfo < 0)
    return Fail(Code::kDenied, "policy does not grant 'inherit: mountinfo', without which nothing is found");
  World world;
  world.list_fd = agent().Inherited("state:fsfreeze");
  if (world.list_fd < 0)
    return Fail(Code::kDenied,
                "policy does not grant 'inherit: state:fsfreeze', without which a freeze might never end");
  world.file_systems = std::make_unique<KernelFileSystems>();
  world.mounts = std::make_unique<KernelMountSource>(mountinfo);
  world.freezing = REEVE_TRY(WorkThread::Create());
  world.thawing = REEVE_TRY(WorkThread::Create());
  world.trimming = REEVE_TRY(WorkThread::Create());
  world.now_ms = SteadyMs;
  world.thaw_listed = [mountinfo](std::span<const storage::FreezeEntry> entries) {
    storage::KernelThawCalls calls(mountinfo);
    return storage::ThawAll(entries, calls);
  };
  return world;
}

void FsfreezePlugin::Deactivate() {
  if (cycle_) cycle_->ThawBeforeEnd();
}

void FsfreezePlugin::Cancelled(uint64_t request_id) {
  gate_.Wake();  // its trim, if it has one
  if (request_id == freeze_request_) return cycle_->GiveUpFreeze("the freeze did not finish in time");
  const auto found = replies_.find(request_id);
  if (found == replies_.end()) return;
  Reply reply = std::move(found->second);
  replies_.erase(found);
  reply.Fail(REEVE_ERROR_CANCELLED, "the command did not finish in time");
}

void FsfreezePlugin::Answer(uint64_t request_id, const Result<size_t>& count) {
  auto waiting = replies_.extract(request_id);
  if (request_id == freeze_request_) freeze_request_ = 0;
  if (waiting.empty()) return;
  if (!count) return waiting.mapped().Fail(REEVE_ERROR_FAILED, count.error().message());
  waiting.mapped().Return(std::to_string(*count));
}

// ---- freeze and thaw

void FsfreezePlugin::Status(const Request& request, const manifest::GuestFsfreezeStatus& /*arguments*/, Reply& reply) {
  const uint64_t id = request.id;
  replies_[id] = std::move(reply);
  cycle_->WhenSettled([this, id](Phase phase) {
    auto waiting = replies_.extract(id);
    if (!waiting.empty()) waiting.mapped().Return(phase == Phase::kFrozen ? "\"frozen\"" : "\"thawed\"");
  });
}

void FsfreezePlugin::BeginFreeze(const Request& request, Reply& reply, FreezeCycle::Choose choose) {
  if (cycle_->phase() != Phase::kThawed) return reply.Fail(REEVE_ERROR_BUSY, kIsFrozen);
  const uint64_t id = freeze_request_ = request.id;
  replies_[id] = std::move(reply);
  cycle_->Freeze([this, choose = std::move(choose)](const auto& targets) { return LessExcluded(choose(targets)); },
                 [this, id](const Result<size_t>& count) { Answer(id, count); });
}

FsfreezePlugin::Choice FsfreezePlugin::LessExcluded(Choice targets) const {
  if (!targets) return targets;
  std::erase_if(*targets, [this](const Target& target) {
    return Contains(settings_.excluded, target.mountpoint) || Contains(settings_.excluded, target.type);
  });
  return targets;
}

void FsfreezePlugin::Freeze(const Request& request, const manifest::GuestFsfreezeFreeze& /*arguments*/, Reply& reply) {
  BeginFreeze(request, reply, [](const std::vector<Target>& targets) -> Choice { return targets; });
}

void FsfreezePlugin::FreezeList(const Request& request, const manifest::GuestFsfreezeFreezeList& arguments,
                                Reply& reply) {
  BeginFreeze(request, reply, [wanted = arguments.mountpoints](std::vector<Target> targets) -> Choice {
    if (wanted) std::erase_if(targets, [&](const Target& target) { return !Contains(*wanted, target.mountpoint); });
    return targets;
  });
}

void FsfreezePlugin::FreezeDisks(const Request& request, const manifest::FsfreezeFreezeDisks& arguments, Reply& reply) {
  BeginFreeze(request, reply, [this, serials = arguments.serials](const std::vector<Target>&) {
    return world_.mounts->OnDisks(serials);
  });
}

void FsfreezePlugin::Thaw(const Request& request, const manifest::GuestFsfreezeThaw& /*arguments*/, Reply& reply) {
  const uint64_t id = request.id;
  replies_[id] = std::move(reply);
  cycle_->Thaw([this, id](const Result<size_t>& count) { Answer(id, count); });
}

void FsfreezePlugin::Renew(const Request& /*request*/, const manifest::FsfreezeRenew& arguments, Reply& reply) {
  std::optional<uint64_t> timeout_ms;
  if (arguments.timeout) {
    if (!(*arguments.timeout > 0)) return reply.Fail(REEVE_ERROR_ARGUMENT, "argument timeout must be above 0");
    timeout_ms = std::max<uint64_t>(1, static_cast<uint64_t>(std::min(*arguments.timeout, kLongestS) * kMsPerS));
  }
  if (const auto renewed = cycle_->Renew(timeout_ms); !renewed)
    return reply.Fail(REEVE_ERROR_FAILED, renewed.error().message());
  manifest::FreezeRenewed value;
  if (const auto left_ms = cycle_->TimeLeftMs()) value.time_left_ms = static_cast<int64_t>(*left_ms);
  reply.ReturnValue(value);
}

void FsfreezePlugin::Report(const Request& /*request*/, const manifest::FsfreezeReport& /*arguments*/, Reply& reply) {
  auto report = ReportReply(*cycle_, settings_);
  // Before the first freeze: what it would leave out.
  if (cycle_->is_untold()) {
    if (const Result<Listing> listing = world_.mounts->List()) AddLeftOut(listing->left_out, report);
  }
  reply.ReturnValue(report);
}

// ---- trim

void FsfreezePlugin::Trim(const Request& request, const manifest::GuestFstrim& arguments, Reply& reply) {
  if (cycle_->phase() != Phase::kThawed) return reply.Fail(REEVE_ERROR_BUSY, kIsFrozen);
  Result<Listing> listing = world_.mounts->List();
  if (!listing) return reply.Fail(REEVE_ERROR_FAILED, listing.error().message());
  const uint64_t id = request.id;
  replies_[id] = std::move(reply);
  world_.trimming->Do([this, id, targets = std::move(listing->targets), cancellation = CancellationOf(request),
                       minimum = static_cast<uint64_t>(arguments.minimum.value_or(0))] {
    std::vector<TrimReport> reports;
    for (const Target& target : targets) {
      auto report = TrimOne(*world_.file_systems, gate_, target, minimum, [&] { return cancellation.is_cancelled(); });
      if (!report) return;
      reports.push_back(std::move(*report));
    }
    agent().Post([this, id, reports = std::move(reports)] { FinishTrim(id, reports); });
  });
}

// The last is the first, as in qemu-ga's reply.
void FsfreezePlugin::FinishTrim(uint64_t request_id, std::vector<TrimReport> reports) {
  auto waiting = replies_.extract(request_id);
  if (waiting.empty()) return;
  manifest::GuestFilesystemTrimResponse response;
  std::ranges::reverse(reports);
  for (TrimReport& report : reports) {
    manifest::GuestFilesystemTrimResult result;
    result.path = std::move(report.path);
    result.trimmed = report.trimmed;
    result.minimum = report.minimum;
    result.error = std::move(report.error);
    response.paths.push_back(std::move(result));
  }
  waiting.mapped().ReturnValue(response);
}

}  // namespace reeve::fsfreeze
