#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/warden/confined_process.h"
#include "agent/warden/worker_log.h"
#include "agent/warden/worker_peer.h"
#include "agent/wire/start_record.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// From the core's wish to a worker that serves: files, confinement, dlopen, its own activation. Within it all, or it is ended.
inline constexpr std::chrono::seconds kWorkerStartTimeout{10};

// One worker process, from the core's wish to its end.
struct Worker {
  uint32_t id = 0;
  uint32_t plugin = 0;   // index into Config::plugins
  std::string name;      // for the log: "worker exec"
  pid_t pid = -1;        // -1: not forked yet
  std::vector<int> fds;  // planned
  std::unique_ptr<WorkerPeer> peer;
  std::unique_ptr<WorkerLog> log;
  // The core's ends, until it has them.
  UniqueFd core_socket;
  UniqueFd ring_to;
  UniqueFd ring_from;
  EventLoop::TimerId timer = 0;
  bool is_ready = false;
  bool is_end_told = false;
  std::string why_ended;  // the first reason, before the process itself ended
};

// Makes sockets, rings, log pipe and start record: `worker` gets the warden's and the core's ends, the setup the child's. Returns
// the warden's end of the control socket; the log pipe's reading end goes to `log_pipe`.
Result<UniqueFd> SetUpWorker(const config::Config& config, Worker& worker, PreparedFiles files, ConfinedSetup& setup,
                             UniqueFd& log_pipe);

// How a process ended, in words: "exited with status 1", "killed by its seccomp filter", "killed by signal 11 (Segmentation fault)".
std::string EndInWords(int wait_status);

}  // namespace reeve::warden
