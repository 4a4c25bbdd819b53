#include "plugins/inventory/usage_reader.h"

#include <linux/magic.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace reeve::inventory {
namespace {

using Clock = std::chrono::steady_clock;

// The default of some MiB would count against the worker's memory eightfold, and statvfs needs next to nothing.
constexpr size_t kStackBytes = 128 * 1024;

uint64_t MsSince(Clock::time_point since) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since).count());
}

// A subvolume of btrfs has a number of its own, which is not that of the mount table.
bool LeadsTo(const storage::Mount& mount) {
  const char* const path = mount.mountpoint.c_str();
  if (mount.type == "btrfs") {
    struct statfs file_system{};
    return statfs(path, &file_system) == 0 && file_system.f_type == BTRFS_SUPER_MAGIC;
  }
  struct stat status{};
  return stat(path, &status) == 0 && status.st_dev == mount.device;
}

}  // namespace

// One Read. `usages` is written by threads under State's lock, until it is finished.
struct UsageReader::Batch {
  Usages usages;
  size_t missing = 0;
  bool is_finished = false;
  Clock::time_point since = Clock::now();
  Done done;
};

struct UsageReader::State {
  struct Task {
    std::shared_ptr<Batch> batch;
    size_t index;
    storage::Mount mount;
  };
  struct Asked {
    std::string mountpoint;
    Clock::time_point since;
  };

  bool IsStuckAt(const std::string& mountpoint) const {
    return std::ranges::any_of(asked, [&](const auto& one) {
      return one.second.mountpoint == mountpoint && MsSince(one.second.since) >= kStuckMs;
    });
  }
  size_t StuckThreads() const {
    return static_cast<size_t>(
        std::ranges::count_if(asked, [](const auto& one) { return MsSince(one.second.since) >= kStuckMs; }));
  }

  Loop loop;
  Ask ask;
  std::mutex mutex;
  std::condition_variable has_task;
  bool is_ending = false;
  std::deque<Task> tasks;
  size_t threads = 0;
  uint64_t last_question = 0;
  std::map<uint64_t, Asked> asked;  // what threads ask just now
};

std::optional<Usage> UsageOf(const storage::Mount& mount) {
  if (!LeadsTo(mount)) return std::nullopt;
  struct statvfs file_system{};
  if (statvfs(mount.mountpoint.c_str(), &file_system) != 0) return std::nullopt;
  const uint64_t used = file_system.f_blocks - file_system.f_bfree;
  return Usage{.used_bytes = used * file_system.f_frsize,
               .total_bytes = (used + file_system.f_bavail) * file_system.f_frsize,
               .total_bytes_privileged = file_system.f_blocks * file_system.f_frsize};
}

UsageReader::UsageReader(Loop loop, Ask ask) : state_(std::make_shared<State>()) {
  state_->loop = std::move(loop);
  state_->ask = std::move(ask);
}

UsageReader::~UsageReader() {
  const std::lock_guard lock(state_->mutex);
  state_->is_ending = true;
  state_->tasks.clear();
  state_->has_task.notify_all();
}

void UsageReader::Read(const std::vector<storage::Mount>& mounts, Done done) {
  const auto batch = std::make_shared<Batch>();
  batch->usages.resize(mounts.size());
  batch->done = std::move(done);
  if (!Enqueue(batch, mounts)) return batch->done(batch->usages);
  state_->loop.after(kStuckMs, [this, batch] { Watch(batch); });
}

// False: there is nothing that could be asked.
bool UsageReader::Enqueue(const std::shared_ptr<Batch>& batch, const std::vector<storage::Mount>& mounts) {
  const std::lock_guard lock(state_->mutex);
  const size_t stuck = state_->StuckThreads();
  for (size_t index = 0; stuck < kMaxThreads && index < mounts.size(); ++index) {
    if (state_->IsStuckAt(mounts[index].mountpoint)) continue;
    state_->tasks.push_back({batch, index, mounts[index]});
    ++batch->missing;
  }
  if (batch->missing == 0) return false;
  if (state_->threads == stuck) Spawn();
  state_->has_task.notify_one();
  return true;
}

// With the lock held. Where no thread can be made, mounts go without their usage.
void UsageReader::Spawn() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  auto own_state = std::make_unique<std::shared_ptr<State>>(state_);
  const auto body = [](void* raw) -> void* {
    const std::unique_ptr<std::shared_ptr<State>> state(static_cast<std::shared_ptr<State>*>(raw));
    Serve(*state);
    return nullptr;
  };
  pthread_t thread;
  if (pthread_create(&thread, &attributes, body, own_state.get()) == 0) {
    (void)own_state.release();  // the thread's
    ++state_->threads;
  }
  pthread_attr_destroy(&attributes);
}

void UsageReader::Serve(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->has_task.wait(lock, [&] { return state->is_ending || !state->tasks.empty(); });
    if (state->is_ending) break;
    const State::Task task = std::move(state->tasks.front());
    state->tasks.pop_front();
    const uint64_t question = ++state->last_question;
    state->asked[question] = {task.mount.mountpoint, Clock::now()};
    lock.unlock();
    const std::optional<Usage> usage = state->ask(task.mount);
    lock.lock();
    state->asked.erase(question);
    if (state->is_ending || task.batch->is_finished) continue;
    task.batch->usages[task.index] = usage;
    if (--task.batch->missing > 0) continue;
    state->loop.post([state, batch = task.batch] { Finish(*state, *batch); });
  }
  --state->threads;
}

// While a reply is waited for: takes the place of threads that hang, and ends the waiting.
void UsageReader::Watch(const std::shared_ptr<Batch>& batch) {
  {
    const std::lock_guard lock(state_->mutex);
    if (batch->is_finished) return;
    const size_t stuck = state_->StuckThreads();
    const bool can_spawn = state_->threads == stuck && stuck < kMaxThreads;
    if (can_spawn && !state_->tasks.empty()) Spawn();
    if (MsSince(batch->since) < kPatienceMs) {
      state_->loop.after(kStuckMs, [this, batch] { Watch(batch); });
      return;
    }
  }
  Finish(*state_, *batch);
}

void UsageReader::Finish(State& state, Batch& batch) {
  {
    const std::lock_guard lock(state.mutex);
    if (std::exchange(batch.is_finished, true)) return;
    std::erase_if(state.tasks, [&](const State::Task& task) { return task.batch.get() == &batch; });
  }
  batch.done(batch.usages);
}

}  // namespace reeve::inventory
