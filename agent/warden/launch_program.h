#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/sandbox/program_confinement.h"
#include "base/result.h"
#include "policy/decide.h"

// The child's half of running a program: everything between fork and exec. May sleep on a file system.
//
// What a program finds around it; a test compares all of it with a child of qemu-ga under profile `open`.
// As the service manager gave it to the warden: environment (under `open`, less what is the service's alone), umask, limits,
// signals blocked or ignored (but SIGPIPE, which is not ignored), nice value, oom score, working directory, timer slack,
// core dump filter, namespaces; under `unconfined` also capabilities and user.
// Reset: handlers of signals; every descriptor but 0, 1, 2, which are pipes or /dev/null.
// Its own: session and process group without a terminal, control group; the warden is its parent and takes it along
// (PR_SET_PDEATHSIG). What a confinement takes away is told in agent/sandbox/program_confinement.h.

namespace reeve::warden {

// One run that policy allowed, with all that the child needs. Plain value.
struct PermittedProgram {
  policy::ProgramRule rule;
  std::vector<std::string> argv;         // argv[0] is the path as the host wrote it
  std::vector<std::string> environment;  // complete, from EnvironmentFor
  std::string search_path;               // where a name without slash is looked for, under `open`
  sandbox::InitialSettings settings;
  std::span<const uint8_t> filter;  // of the rule's confinement. Lent
  int stdin_fd = -1;                // -1: /dev/null
  int stdout_fd = -1;               // -1: /dev/null
  int stderr_fd = -1;               // -1: /dev/null. May be stdout_fd
  // Lent: what the name comes to, once links are resolved, is held against the absolute `deny:` too. null: there is none.
  const policy::Decider* decider = nullptr;
  // For who starts it, not for the child: the request with which it ends (manifest: program-ends-with-request); 0: none.
  uint64_t ends_with_request = 0;
  std::string plugin;  // for who starts it: the plugin whose own rule it is; empty: one of exec.rules
  // For who starts it: called once it has run and ended. May be empty.
  std::function<void(uint64_t program, int wait_status)> on_end;
};

// The environment of a program. Under `open` (inherits_environment) the host's list replaces the warden's own; else it is a
// fixed one, then what the rule lets the host set, then what the rule sets. `inherited` is the warden's own, of which what the
// service manager told the warden alone (NOTIFY_SOCKET, LISTEN_FDS, ...) is left out.
std::vector<std::string> EnvironmentFor(const policy::ProgramRule& rule, const std::vector<std::string>& host,
                                        bool has_host_environment, const std::vector<std::string>& inherited);

// PATH of the host's environment when it has one, else of the warden's, else where execvp(3) looks.
std::string SearchPathFor(const std::vector<std::string>& host, const std::vector<std::string>& inherited);

// What execvp(3) would try for a name, in order: the name itself when it has a slash.
std::vector<std::string> Candidates(const std::string& name, const std::string& search_path);

// Becomes the program, in the session of this process; returns only when that failed. system_errno() is what execve(2) said, when it was that. A program of
// a named rule is looked at again first: it must be owned by root and written by nobody else, and be the file that stood
// there when the policy was compiled, or stand where nobody but root can have put it since (ADR 0016). That file is run, not
// whatever the rule's name leads to now.
Error LaunchProgram(const PermittedProgram& program);

}  // namespace reeve::warden
