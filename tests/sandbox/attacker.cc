// A taken-over process: enters its sandbox as a worker or the core would, says so, waits for the word, tries
// one act and tells how it ended. Usage: sandbox_attacker load|run ACT

#include <dlfcn.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "agent/sandbox/confine_child.h"
#include "agent/sandbox/sandbox.h"
#include "tests/sandbox/attacker_protocol.h"
#include "tests/sandbox/attacks.h"

namespace reeve::attacks {
namespace {

constexpr int kBroken = 99;  // exit status: the test itself is at fault

struct Filters {
  std::vector<uint8_t> load;
  std::vector<uint8_t> run;
};

std::vector<uint8_t> ReadPart(uint64_t size, off_t offset) {
  std::vector<uint8_t> bytes(size);
  if (::pread(sandbox::kPolicyFd, bytes.data(), size, offset) != static_cast<ssize_t>(size)) ::_exit(kBroken);
  return bytes;
}

Filters ReadFilters() {
  FilterSizes sizes;
  if (::pread(sandbox::kPolicyFd, &sizes, sizeof sizes, 0) != sizeof sizes) ::_exit(kBroken);
  return {ReadPart(sizes.load, sizeof sizes), ReadPart(sizes.run, static_cast<off_t>(sizeof sizes + sizes.load))};
}

void Send(const AttackReport& report) {
  if (::send(sandbox::kControlFd, &report, sizeof report, MSG_NOSIGNAL) != sizeof report) ::_exit(kBroken);
}

void WaitForTheWord() {
  char word;
  if (::recv(sandbox::kControlFd, &word, 1, 0) != 1) ::_exit(kBroken);
}

// What a sandboxed process must still be able to do.
long DoItsWork() {
  std::vector<int> numbers(1 << 20, 1);
  long sum = 0;
  std::thread thread([&] {
    for (const int number : numbers) sum += number;
  });
  thread.join();
  return sum == 1 << 20 ? 0 : -1;
}

// As a worker loads its plugin.
long LoadObject() {
  return ::dlopen(sandbox::kPluginPath, RTLD_NOW | RTLD_LOCAL) != nullptr ? 0 : -1;
}

// Over an inherited route socket: 0 when the kernel answers, -1 with its errno when it refuses. A change that changes
// nothing, should the kernel ever carry it out.
long AskForTheFirstLink(uint16_t type) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.link.ifi_index = 1;
  if (::send(sandbox::kFirstInheritedFd, &request, sizeof request, 0) < 0) return -1;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[8192];
  } answer{};
  if (::recv(sandbox::kFirstInheritedFd, &answer, sizeof answer, 0) < 0) return -1;
  if (answer.header.nlmsg_type != NLMSG_ERROR) return 0;
  errno = -answer.error.error;
  return errno == 0 ? 0 : -1;
}

long Abort() {
  std::abort();
}

AttackReport Act(const std::string& name) {
  errno = 0;
  long result = -1;
  if (name == "work") {
    result = DoItsWork();
  } else if (name == "load an object") {
    result = LoadObject();
  } else if (name == "read a link") {
    result = AskForTheFirstLink(RTM_GETLINK);
  } else if (name == "change a link") {
    result = AskForTheFirstLink(RTM_SETLINK);
  } else if (name == "abort") {
    result = Abort();
  } else if (name.starts_with("family ")) {
    result = OpenSocketOfFamily(std::atoi(name.c_str() + 7));
  } else if (const Attack* attack = FindAttack(name)) {
    result = attack->act();
  } else {
    ::_exit(kBroken);
  }
  return {kActed, result == -1 ? -1 : 0, errno};
}

int Main(const std::string& step, const std::string& act) {
  const Filters filters = ReadFilters();
  const sandbox::SandboxEntry entry{.locks_memory = false, .load_filter = filters.load, .run_filter = filters.run};
  if (!sandbox::EnterLoad(entry)) return kBroken;
  if (step == "run" && !sandbox::EnterRun(entry)) return kBroken;
  Send({kReady, 0, 0});
  WaitForTheWord();
  if (act != "idle") Send(Act(act));
  return 0;
}

}  // namespace
}  // namespace reeve::attacks

int main(int argc, char** argv) {
  if (argc != 3) return 98;
  return reeve::attacks::Main(argv[1], argv[2]);
}
