#include <signal.h>
#include <unistd.h>

#include "agent/sandbox/confine_child.h"
#include "agent/wire/start_record.h"
#include "agent/worker/worker.h"

// reeve-worker NAME: started by the warden, confined, for one plugin. The name is for people; everything else stands in
// the start record.

namespace reeve::worker {
namespace {

Status RunSteps(Worker& worker) {
  REEVE_TRY(worker.ReceiveSetup());
  REEVE_TRY(worker.EnterLoadSandbox());
  REEVE_TRY(worker.LoadPlugin());
  REEVE_TRY(worker.EnterRunSandbox());
  return worker.Serve();
}

int Run() {
  SetLogProcess("reeve-worker");
  // A program that reads no more of its input, a pipe under a file handle: an error of that write, not the worker's end.
  ::signal(SIGPIPE, SIG_IGN);
  SetLogLevel(Severity::kInfo);  // the core and the warden choose further
  // Never destroyed, and the process left by _exit: destructors and exit handlers of a plugin's object do not run.
  auto* worker = new Worker({UniqueFd(sandbox::kControlFd), UniqueFd(sandbox::kRingInFd), UniqueFd(sandbox::kRingOutFd),
                             UniqueFd(sandbox::kPolicyFd), UniqueFd(wire::kCoreSocketFd), sandbox::kFirstInheritedFd});
  const Status ended = RunSteps(*worker);
  if (ended) return 0;
  LogError(ended.error().message());
  return 1;
}

}  // namespace
}  // namespace reeve::worker

int main() {
  ::_exit(reeve::worker::Run());
}
