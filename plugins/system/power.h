#pragma once

#include <optional>
#include <string>

#include "plugins/system/pending_request.h"
#include "plugins/system/program_runner.h"

namespace reeve::system {

// guest-shutdown: /sbin/poweroff, /sbin/halt or /sbin/reboot, and where there is none /sbin/shutdown.
class Power {
 public:
  // `programs` is lent.
  explicit Power(ProgramRunner& programs) : programs_(programs) {}

  // `mode` is the host's word; absent: powerdown.
  void Shutdown(const Pending& request, const std::optional<std::string>& mode);

 private:
  struct Way;
  void RunShutdown(const Pending& request, const Way& way);
  static void Answer(const Pending& request, const std::string& program, const ProgramEnd& end);

  ProgramRunner& programs_;
};

}  // namespace reeve::system
