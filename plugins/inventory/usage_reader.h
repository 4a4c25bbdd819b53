#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "storage/mounts.h"

namespace reeve::inventory {

// How full a file system is, as guest-get-fsinfo counts it.
struct Usage {
  uint64_t used_bytes = 0;
  uint64_t total_bytes = 0;             // without what is kept for root
  uint64_t total_bytes_privileged = 0;  // with it
};
// By statvfs(3). Nothing when the path cannot be reached, or leads to another file system: where mounts are not shared, those
// made after this process's start are not seen by it, and the path is that of the directory below.
std::optional<Usage> UsageOf(const storage::Mount& mount);

// Asks for the usage of many mounts on threads of its own, since a dead disk or server holds whoever asks for it, perhaps
// for ever. What gives no answer is left out, and not asked again until the thread that asks is back. Its functions are for
// one thread, the plugin's main one.
class UsageReader {
 public:
  // What it needs of the main loop: `post` calls there, from any thread; `after` calls once, after that long.
  struct Loop {
    std::function<void(std::function<void()>)> post;
    std::function<void(uint64_t delay_ms, std::function<void()>)> after;
  };
  using Ask = std::function<std::optional<Usage>(const storage::Mount&)>;  // called on any thread
  using Usages = std::vector<std::optional<Usage>>;
  using Done = std::function<void(const Usages&)>;

  explicit UsageReader(Loop loop, Ask ask = UsageOf);
  // Threads that hang stay behind; they touch nothing of what is gone.
  ~UsageReader();
  UsageReader(const UsageReader&) = delete;
  UsageReader& operator=(const UsageReader&) = delete;

  // `done` is called on the main thread, perhaps before this returns, with one usage for each of `mounts`.
  void Read(const std::vector<storage::Mount>& mounts, Done done);

  // Threads, and so the most mounts that can hang. With all of them hanging nobody is asked any more.
  static constexpr size_t kMaxThreads = 8;
  // A thread that long at one mount is no longer waited for by the other mounts.
  static constexpr uint64_t kStuckMs = 50;
  // A reply waits so long for a mount that is not yet known to give no answer: a busy machine's disk may take its time, and
  // VDSM waits for a second.
  static constexpr uint64_t kPatienceMs = 400;

 private:
  struct Batch;
  struct State;
  static void Serve(const std::shared_ptr<State>& state);
  bool Enqueue(const std::shared_ptr<Batch>& batch, const std::vector<storage::Mount>& mounts);
  void Spawn();
  void Watch(const std::shared_ptr<Batch>& batch);
  static void Finish(State& state, Batch& batch);

  std::shared_ptr<State> state_;
};

}  // namespace reeve::inventory
