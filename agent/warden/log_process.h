#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "agent/config/config.h"
#include "agent/warden/child.h"
#include "agent/warden/prepare_files.h"
#include "agent/wire/log_record.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/sys.h"

namespace reeve::warden {

// reeve-log, where a file sink is configured: starts it, checks it from outside, starts it again when it ends, and hands it what
// this process logs. Not thread-safe; lives on its loop.
class LogProcess {
 public:
  struct Parts {
    EventLoop& loop;
    Reaper& reaper;
    RequestChildren& preparers;
    const config::Config& config;
    const UniqueFd& blob;
    std::string binary_directory;
  };
  // All are lent for the life of this. `on_change` is called when its process has begun or ended; `on_failure` when it could not
  // be started: Prepare tries again.
  LogProcess(const Parts& parts, std::function<void()> on_change, std::function<void(const Error&)> on_failure);
  LogProcess(const LogProcess&) = delete;
  LogProcess& operator=(const LogProcess&) = delete;
  ~LogProcess();

  // Whether a file sink is configured; without one nothing else here has any meaning.
  bool IsWanted() const;
  // Makes its sockets. Once, before all below.
  Status Open();
  void Prepare();
  // The service stops: it ends by itself when nobody writes to it any more, and is not started again.
  void Stop() { is_stopping_ = true; }

  // -1: none runs.
  pid_t pid() const { return pid_; }
  // The writing end, for the core; not open when none is wanted.
  const UniqueFd& writing_end() const { return sockets_.second; }

 private:
  Status Start(PreparedFiles files);
  void Check(pid_t pid, int attempts_left);
  void Ended(int wait_status);

  const Parts parts_;
  const std::function<void()> on_change_;
  const std::function<void(const Error&)> on_failure_;
  sys::TwoFds sockets_;  // first: the reading end
  std::unique_ptr<wire::LogChannel> channel_;
  pid_t pid_ = -1;
  bool is_stopping_ = false;
};

}  // namespace reeve::warden
