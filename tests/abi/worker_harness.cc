#include "tests/abi/worker_harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sandbox/confine_child.h"
#include "agent/sandbox/filter/filter_compile.h"
#include "base/sys.h"

namespace reeve::abi_test {
namespace {

constexpr int kPatienceMs = 10'000;

// The filters of a worker without promises.
void AddFilters(wire::StartRecord& record) {
#ifdef REEVE_SANITIZED
  const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  record.run_filter.assign(reinterpret_cast<const uint8_t*>(&allow), reinterpret_cast<const uint8_t*>(&allow + 1));
#else
  policy::SandboxProfile profile;
  profile.name = record.name;
  ASSERT_THAT(sandbox::CompileFilters(profile), IsOk());
  record.load_filter = profile.load_filter;
  record.run_filter = profile.run_filter;
#endif
}

UniqueFd SealedFile(const std::vector<uint8_t>& bytes) {
  UniqueFd file = std::move(*sys::MemoryFile("record", 0));
  EXPECT_THAT(sys::WriteAll(file.get(), bytes), IsOk());
  EXPECT_THAT(sys::AddSeals(file.get(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), IsOk());
  return file;
}

// In the child: `fds[i]` becomes `numbers[i]`, then the worker runs.
[[noreturn]] void RunWorker(std::vector<std::pair<int, int>> fds, const std::string& name) {
  // First out of the way of all numbers.
  for (auto& [fd, number] : fds) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 200);
  for (const auto& [fd, number] : fds) ::dup2(fd, number);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string path = std::string(REEVE_BINARY_DIR) + "/bin/reeve-worker";
  ::execl(path.c_str(), path.c_str(), name.c_str(), static_cast<char*>(nullptr));
  ::_exit(126);
}

bool WaitToRead(int fd, int timeout_ms = kPatienceMs) {
  pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&poll_fd, 1, timeout_ms) > 0;
}

}  // namespace

wire::StartRecord RecordOfBad(const std::string& plugin) {
  wire::StartRecord record;
  record.name = "bad";
  record.id = "org.reeve.bad";
  record.version = "1.0.0";
  record.abi_major = 1;
  record.generation = 1;
  record.plugin_path = std::string(REEVE_BINARY_DIR) + "/tests/abi/" + plugin + ".so";
  record.commands = {"bad-two", "bad-one"};
  return record;
}

void PrintTo(Build build, std::ostream* out) {
  *out << (build == Build::kGolden ? "Golden" : "OfThisTree");
}

std::string PathOf(Build build, const std::string& plugin) {
  if (build == Build::kGolden) return std::string(REEVE_SOURCE_DIR) + "/tests/abi/golden/1.0/" + plugin + ".so";
  return std::string(REEVE_BINARY_DIR) + (plugin == "hello" ? "/plugins/" : "/tests/abi/") + plugin + ".so";
}

WorkerHarness::WorkerHarness(wire::StartRecord record)
    : loop_(std::move(*EventLoop::Create(clock_))), record_(std::move(record)) {
  AddFilters(record_);
  auto control = std::move(*sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
  auto core = std::move(*sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
  auto log = std::move(*sys::Pipe(O_NONBLOCK));
  control_ = std::move(control.first);
  core_ = std::move(core.first);
  log_read_ = std::move(log.first);
  ring_to_ = std::move(*wire::MakeRing(wire::kRingBytes));
  ring_from_ = std::move(*wire::MakeRing(wire::kRingBytes));
  const UniqueFd record_file = SealedFile(std::move(*wire::Encode(record_)));
  pid_ = ::fork();
  if (pid_ == 0)
    RunWorker({{log.second.get(), STDERR_FILENO},
               {control.second.get(), sandbox::kControlFd},
               {ring_to_.get(), sandbox::kRingInFd},
               {ring_from_.get(), sandbox::kRingOutFd},
               {record_file.get(), sandbox::kPolicyFd},
               {core.second.get(), wire::kCoreSocketFd}},
              record_.name);
}

WorkerHarness::~WorkerHarness() {
  link_.reset();
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

wire::Packet WorkerHarness::ExpectFromWorker(wire::Type type) {
  while (WaitToRead(control_.get())) {
    auto packet = wire::Receive(control_.get());
    if (!packet) {
      ADD_FAILURE() << "waiting for message " << static_cast<int>(type) << ": " << packet.error().message() << "\n"
                    << log();
      return {};
    }
    EXPECT_EQ(packet->header.type, type) << log();
    EXPECT_EQ(packet->header.generation, record_.generation);
    return std::move(*packet);
  }
  ADD_FAILURE() << "the worker says nothing\n" << log();
  return {};
}

void WorkerHarness::SendAsWarden(wire::Type type, uint64_t request_id, Bytes payload, Bytes tail,
                                 std::span<const int> fds) {
  const wire::Header header{.type = type, .generation = record_.generation, .request_id = request_id};
  EXPECT_THAT(wire::Send(control_.get(), header, payload, tail, fds), IsOk());
}

void WorkerHarness::LetLoad() {
  ExpectFromWorker(wire::Type::kHello);
  ExpectFromWorker(wire::Type::kConfined);
  SendAsWarden(wire::Type::kLoad);
}

void WorkerHarness::LetServe() {
  LetLoad();
  const wire::Packet packet = ExpectFromWorker(wire::Type::kReady);
  Bytes names;
  const auto ready = packet.Read<wire::Ready>(&names);
  REEVE_ASSERT_OK(ready);
  EXPECT_EQ(ready->abi_major, 1u);
  EXPECT_EQ(ready->command_count, record_.commands.size());
  EXPECT_EQ(ready->names_bytes, names.size());
  SendAsWarden(wire::Type::kServe);
  wire::WorkerChannel channel{std::move(core_), std::move(*sys::Duplicate(ring_to_.get())),
                              std::move(*sys::Duplicate(ring_from_.get()))};
  link_ = std::move(*wire::WorkerLink::Create(loop_, std::move(channel), record_.generation, *this));
}

void WorkerHarness::Send(uint64_t id, uint32_t command, std::string_view arguments) {
  ByteQueue queue;
  queue.Append(arguments);
  REEVE_ASSERT_OK(link_->Send({.id = id, .command = command, .channel = 1, .deadline_ms = 5000}, std::move(queue)));
}

WorkerHarness::Reply WorkerHarness::WaitForReply(uint64_t id) {
  const RunningTime end = clock_.Now() + std::chrono::milliseconds(kPatienceMs);
  while (!ended_[id] && !closed_ && clock_.Now() < end)
    EXPECT_THAT(loop_.RunOnce(std::chrono::milliseconds(100)), IsOk());
  EXPECT_TRUE(ended_[id]) << (closed_ ? closed_->message() : "no reply") << "\n" << log();
  return replies_[id];
}

WorkerHarness::Reply WorkerHarness::Call(uint32_t command, std::string_view arguments) {
  const uint64_t id = ++last_id_;
  Send(id, command, arguments);
  return WaitForReply(id);
}

void WorkerHarness::OnReplyEnd(uint64_t id, int32_t status, std::string_view text, bool wants_settled) {
  EXPECT_FALSE(ended_[id]) << "a second end of one request";
  ended_[id] = true;
  Reply& reply = replies_[id];
  reply.status = status;
  reply.text = text;
  reply.wants_settled = wants_settled;
}

bool WorkerHarness::SaysAnythingWithin(std::chrono::milliseconds time) {
  return WaitToRead(control_.get(), static_cast<int>(time.count()));
}

bool WorkerHarness::has_said_ready() {
  const auto packet = wire::Receive(control_.get());
  return packet && packet->header.type == wire::Type::kReady;
}

std::optional<int> WorkerHarness::WaitForEnd() {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd || !WaitToRead(pidfd.get())) return std::nullopt;
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

std::string WorkerHarness::log() {
  uint8_t buffer[4096];
  while (true) {
    const auto count = sys::Read(log_read_.get(), buffer);
    if (!count || *count == 0) return log_;
    log_ += AsText(Bytes(buffer, *count));
  }
}

}  // namespace reeve::abi_test
