#include "agent/warden/devices.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <termios.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

// Both are devtmpfs, the kernel's own: a call there cannot sleep on a disk or a network.
constexpr const char* kWatchedDirectories[] = {"/dev", "/dev/virtio-ports"};

// The device is not there yet, or its last user has not let go of it (a port has one user at a time: EBUSY).
bool MayAppear(int error_number) {
  return error_number == ENOENT || error_number == ENODEV || error_number == ENXIO || error_number == EBUSY ||
         error_number == ENOTDIR;
}

// As qemu-ga sets it (isa-serial): eight bits that nobody interprets, no echo, no signals. Modem lines stay as they are.
Status MakeRawLine(int fd, const std::string& path) {
  termios line{};
  if (::tcgetattr(fd, &line) != 0) return FailErrno("look at the line " + path);
  ::cfmakeraw(&line);
  line.c_cflag |= CREAD;
  line.c_cc[VMIN] = 1;
  line.c_cc[VTIME] = 0;
  ::cfsetspeed(&line, B38400);
  if (::tcsetattr(fd, TCSANOW, &line) != 0) return FailErrno("set the line " + path);
  if (::tcflush(fd, TCIFLUSH) != 0) return FailErrno("empty the line " + path);
  return {};
}

}  // namespace

Result<UniqueFd> OpenDevice(const std::string& path, config::Transport transport) {
  UniqueFd device = REEVE_TRY(sys::Open(path, O_RDWR | O_NONBLOCK | O_NOCTTY));
  const struct stat status = REEVE_TRY(sys::Stat(device.get()));
  if (!S_ISCHR(status.st_mode)) return Fail(Code::kDenied, path + " is not a character device");
  if (transport == config::Transport::kIsaSerial) REEVE_TRY(MakeRawLine(device.get(), path));
  return device;
}

Devices::Devices(EventLoop& loop, RequestChildren& children, OnOpened on_opened)
    : loop_(loop), children_(children), on_opened_(std::move(on_opened)) {}

Devices::~Devices() {
  ForgetAll();
  loop_.Cancel(rest_timer_);
  if (inotify_) loop_.Forget(inotify_.get());
}

// Without inotify the retries remain.
void Devices::Watch() {
  if (!inotify_) {
    inotify_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_ || !loop_.Watch(inotify_.get(), EPOLLIN, [this](uint32_t) { OnAppeared(); })) return;
  } else if (rest_timer_ == 0) {
    static_cast<void>(loop_.Change(inotify_.get(), EPOLLIN));
  }
  WatchDirectories();
}

// Again each time: /dev/virtio-ports may have appeared. Adding one that stands changes nothing.
void Devices::WatchDirectories() {
  for (const char* directory : kWatchedDirectories)
    ::inotify_add_watch(inotify_.get(), directory, IN_CREATE | IN_ATTRIB | IN_MOVED_TO);
}

void Devices::Open(uint32_t channel, const config::Channel& wanted) {
  Watch();
  waiting_[channel] = Waiting{.path = wanted.path, .transport = wanted.transport, .number = ++last_number_};
  Try(channel);
}

void Devices::ForgetAll() {
  for (const auto& [channel, waiting] : waiting_) loop_.Cancel(waiting.timer);
  waiting_.clear();
}

void Devices::Try(uint32_t channel) {
  Waiting& waiting = waiting_.at(channel);
  waiting.is_to_retry = waiting.is_trying;
  if (std::exchange(waiting.is_trying, true)) return;
  const auto act = [path = waiting.path, transport = waiting.transport]() -> Result<ChildAnswer> {
    ChildAnswer answer;
    answer.fds.push_back(REEVE_TRY(OpenDevice(path, transport)));
    return answer;
  };
  const Result<pid_t> started =
      children_.Start({}, AnswerBy(act), [this, channel, number = waiting.number](Result<ChildAnswer> answer) {
        Tried(channel, number, std::move(answer));
      });
  if (started) return;
  waiting.is_trying = false;
  TryLater(channel, waiting);
}

void Devices::Tried(uint32_t channel, uint64_t number, Result<ChildAnswer> answer) {
  const auto found = waiting_.find(channel);
  if (found == waiting_.end() || found->second.number != number) return;
  Waiting& waiting = found->second;
  waiting.is_trying = false;
  if (answer && answer->is_error && MayAppear(answer->error_number)) {
    if (waiting.is_to_retry) return Try(channel);
    return TryLater(channel, waiting);
  }
  loop_.Cancel(waiting.timer);
  waiting_.erase(found);
  if (!answer) return on_opened_(channel, Fail(answer.error()));
  if (answer->is_error || answer->fds.size() != 1) return on_opened_(channel, Fail(Code::kSystem, answer->text));
  on_opened_(channel, std::move(answer->fds.front()));
}

void Devices::TryLater(uint32_t channel, Waiting& waiting) {
  loop_.Cancel(waiting.timer);
  waiting.timer = loop_.After(kRetryDelay, [this, channel] {
    if (!waiting_.contains(channel)) return;
    Watch();
    Try(channel);
  });
}

// What happened is not looked at, only that something did. Any user may make it happen without end (touch /dev/null): one
// read, then a rest, and none at all while nobody waits.
void Devices::OnAppeared() {
  alignas(inotify_event) uint8_t events[4096];
  static_cast<void>(sys::Read(inotify_.get(), events));
  static_cast<void>(loop_.Change(inotify_.get(), 0));
  if (waiting_.empty()) return;
  if (rest_timer_ == 0)
    rest_timer_ = loop_.After(kRestAfterChange, [this] {
      rest_timer_ = 0;
      static_cast<void>(loop_.Change(inotify_.get(), EPOLLIN));
    });
  WatchDirectories();
  std::vector<uint32_t> channels;
  for (const auto& [channel, waiting] : waiting_) channels.push_back(channel);
  for (const uint32_t channel : channels)
    if (waiting_.contains(channel)) Try(channel);
}

}  // namespace reeve::warden
