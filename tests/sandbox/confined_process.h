#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/sandbox/confine_child.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/profile.h"
#include "tests/sandbox/attacker_protocol.h"

namespace reeve {

// Profiles as the policy's compiler would make them, compiled once a test program.
const policy::SandboxProfile& TestWorker();
const policy::SandboxProfile& TestCore();

// One sandbox_attacker, forked and confined by ConfineAndExec, as the warden does it. Killed and reaped at
// the end.
class ConfinedProcess {
 public:
  struct Options {
    std::string step = "run";
    std::string act = "idle";
    std::vector<sandbox::PlacedFd> extra_fds;
    int plugin_fd = -1;
    std::string binary = "sandbox_attacker";  // in the build's bin, or absolute
    std::vector<std::string> argv;            // instead of step and act
    pid_t warden_pid = 0;                     // instead of this process
    std::string run_directory = "/nonexistent";
  };

  // Returns when the process has said that it stands in its sandbox, or with the report's failure.
  static Result<ConfinedProcess> Start(const policy::SandboxProfile& profile, const Options& options);
  // For binaries that do not speak the protocol: returns after exec.
  static Result<ConfinedProcess> StartSilent(const policy::SandboxProfile& profile, const Options& options);

  ConfinedProcess(ConfinedProcess&& other) noexcept;
  ConfinedProcess& operator=(ConfinedProcess&&) = delete;
  ~ConfinedProcess();

  pid_t pid() const { return pid_; }
  const sandbox::ConfineReport& report() const { return report_; }

  struct End {
    int status = 0;  // of waitpid
    std::optional<attacks::AttackReport> report;
  };
  // Gives the word and waits for the end.
  End Finish();
  // What the process wrote to its descriptor 2, up to its end.
  std::string Output();

 private:
  ConfinedProcess() = default;
  Status WaitUntilReady();
  pid_t pid_ = -1;
  UniqueFd control_;
  UniqueFd output_;
  sandbox::ConfineReport report_;
};

}  // namespace reeve
