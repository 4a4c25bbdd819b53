#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "agent/config/config.h"
#include "agent/warden/request_children.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// Opens channel devices, each as soon as it is there: opened by a child, tried again whenever something appears
// under /dev or /dev/virtio-ports (inotify on devtmpfs only), and every kRetryDelay. Not thread-safe.
class Devices {
 public:
  static constexpr std::chrono::seconds kRetryDelay{2};
  // After a change there the next is not looked at for so long.
  static constexpr std::chrono::milliseconds kRestAfterChange{100};

  // Called once per Open: the device, or why it never will be one.
  using OnOpened = std::function<void(uint32_t channel, Result<UniqueFd> device)>;

  // `loop` and `children` are lent.
  Devices(EventLoop& loop, RequestChildren& children, OnOpened on_opened);
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;
  ~Devices();

  void Open(uint32_t channel, const config::Channel& wanted);
  bool IsWaiting(uint32_t channel) const { return waiting_.contains(channel); }
  // The core that asked is gone.
  void ForgetAll();

 private:
  struct Waiting {
    std::string path;
    config::Transport transport{};
    bool is_trying = false;
    bool is_to_retry = false;  // something appeared meanwhile
    uint64_t number = 0;       // of this Open
    EventLoop::TimerId timer = 0;
  };
  void Watch();
  void WatchDirectories();
  void Try(uint32_t channel);
  void Tried(uint32_t channel, uint64_t number, Result<ChildAnswer> answer);
  void TryLater(uint32_t channel, Waiting& waiting);
  void OnAppeared();

  EventLoop& loop_;
  RequestChildren& children_;
  OnOpened on_opened_;
  UniqueFd inotify_;
  EventLoop::TimerId rest_timer_ = 0;  // 0: changes are looked at, if anybody waits
  uint64_t last_number_ = 0;
  std::map<uint32_t, Waiting> waiting_;
};

// In the child: the character device at `path`. A kIsaSerial one is made a raw line of 38400 baud, and what came in before is
// dropped; fails when it is no terminal.
Result<UniqueFd> OpenDevice(const std::string& path, config::Transport transport);

}  // namespace reeve::warden
