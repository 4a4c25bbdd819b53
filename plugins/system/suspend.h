#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/system/pending_request.h"
#include "plugins/system/program_runner.h"

namespace reeve::system {

enum class SuspendMode : uint8_t { kDisk, kRam, kHybrid };

// guest-suspend-*: systemd, then pm-utils, then the kernel itself, each when it says that it can; one that fails makes room
// for the next. When none did it, the error says what each of those that could has said. One request at a time: two at once
// could put the guest to sleep twice.
class Suspend {
 public:
  // `agent` and `programs` are lent. `sysfs` is where it is mounted.
  Suspend(plugin::Agent& agent, ProgramRunner& programs, const std::string& sysfs)
      : agent_(agent), programs_(programs), state_path_(sysfs + "/power/state") {}

  void Begin(const Pending& request, SuspendMode mode);

 private:
  struct Words;
  // One request on its way from strategy to strategy.
  struct Attempt {
    Pending request;
    const Words* words = nullptr;
    std::vector<std::string> failures;  // "systemctl suspend: Access denied"
  };
  using Work = std::shared_ptr<Attempt>;
  using Step = void (Suspend::*)(const Work&);

  static const Words& WordsOf(SuspendMode mode);
  void AskSystemd(const Work& work);
  void AskPmUtils(const Work& work);
  void RunStrategy(const Work& work, std::vector<std::string> words, Step next);
  void OpenState(const Work& work);
  void WriteState(const Work& work, const plugin::Opened& opened);
  void GiveUp(const Work& work);

  plugin::Agent& agent_;
  ProgramRunner& programs_;
  const std::string state_path_;
  std::weak_ptr<Attempt> current_;
};

}  // namespace reeve::system
