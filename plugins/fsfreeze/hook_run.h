#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reeve/plugin.hpp"

namespace reeve::fsfreeze {

enum class HookAction : uint8_t { kFreeze, kThaw };

// How one hook ran. Plain value.
struct HookReport {
  std::string path;
  HookAction action = HookAction::kFreeze;
  std::optional<int32_t> exit_code;
  std::optional<int32_t> signal;
  bool was_timed_out = false;
  uint64_t duration_ms = 0;
  std::string output;       // both streams, the first kMaxHookOutputBytes
  std::string not_started;  // why, if so

  bool is_success() const { return exit_code == 0; }
  // qemu-ga's text of a failure. REQUIRES: !is_success().
  std::string ErrorText() const;
};

// Enough to see what went wrong; a report of many hooks stays small.
inline constexpr size_t kMaxHookOutputBytes = 4096;

// Runs one hook, `PATH freeze` or `PATH thaw`, to its end or to its timeout, at which all that it started is killed. What
// it writes is read to the end of the program, and no further: what it left running in the background may hold the pipe.
// Destroying it kills the hook. Not thread-safe.
class HookRun {
 public:
  using OnDone = std::function<void(HookReport)>;
  static constexpr uint64_t kDyingMs = 1000;  // from SIGKILL on: what is not gone by then hangs in the kernel

  // `agent` is lent. `on_done` is called once, from the loop, and may destroy this. `timeout_ms` 0: there is none.
  HookRun(plugin::Agent& agent, std::string path, HookAction action, uint64_t timeout_ms, OnDone on_done);
  ~HookRun();
  HookRun(const HookRun&) = delete;
  HookRun& operator=(const HookRun&) = delete;

  void Kill();

 private:
  void Begin(plugin::Started started);
  void OnStatus();
  void ReadOutput();
  void OnTimeout();
  void CloseOutput();
  void Finish();

  plugin::Agent& agent_;
  const OnDone on_done_;
  const uint64_t timeout_ms_;
  const uint64_t began_ms_;
  HookReport report_;
  std::shared_ptr<HookRun*> self_;  // for the answer to the start, which comes even when this is gone
  bool is_started_ = false;
  bool is_killed_ = false;
  uint64_t program_ = 0;
  uint64_t timer_ = 0;
  plugin::Descriptor status_, output_;
};

// Several hooks, one after the other. Not thread-safe.
class HookSequence {
 public:
  using OnDone = std::function<void(std::vector<HookReport>)>;
  enum class OnFailure : uint8_t { kStop, kGoOn };

  explicit HookSequence(plugin::Agent& agent) : agent_(agent) {}

  // `on_done` is called once, from the loop or from within; it may begin the next. REQUIRES: none runs.
  void Run(std::vector<std::string> paths, HookAction action, uint64_t timeout_ms, OnFailure on_failure,
           OnDone on_done);
  // Ends the one that runs; no further one is started.
  void Cancel();

 private:
  void Next();
  void OnHookDone(HookReport report);

  plugin::Agent& agent_;
  std::vector<std::string> paths_;
  HookAction action_ = HookAction::kFreeze;
  uint64_t timeout_ms_ = 0;
  OnFailure on_failure_ = OnFailure::kStop;
  OnDone on_done_;
  std::vector<HookReport> reports_;
  bool is_over_ = false;
  std::unique_ptr<HookRun> running_;
};

}  // namespace reeve::fsfreeze
