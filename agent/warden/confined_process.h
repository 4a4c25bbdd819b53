#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/sandbox/confine_child.h"
#include "agent/warden/child.h"
#include "agent/warden/prepare_files.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// A process of ours (core, log, worker) about to be started. `profile` is lent until StartConfined returns.
struct ConfinedSetup {
  const policy::SandboxProfile* profile = nullptr;
  std::vector<std::string> argv;
  PreparedFiles files;
  // Each becomes its number in the child. The child's ends are the setup's and closed here with it.
  std::vector<std::pair<UniqueFd, int>> fds;
  std::string run_directory;
  std::string plugin_path;  // where files.plugin was opened

  void Place(UniqueFd fd, int number) { fds.emplace_back(std::move(fd), number); }
};

// The numbers that the process has open when it begins, for sandbox::Expect, which knows the inherited ones itself.
std::vector<int> PlannedFds(const ConfinedSetup& setup);

// Where InheritedFd and recursive-slave profiles find an empty directory: below the run directory, made at start.
std::string EmptyDirectoryIn(const std::string& run_directory);

// Forks, confines and execs. What went wrong before exec is logged under argv[0]'s name, and ends the child. `loop` is
// lent for as long as the process starts.
Result<Child> StartConfined(EventLoop& loop, const ConfinedSetup& setup);

}  // namespace reeve::warden
