#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "base/sys.h"
#include "base/testing.h"
#include "helpers/contract.h"
#include "helpers/key_verbs.h"
#include "helpers/shut_in.h"

// A local user who wants somebody else's files changed, and turns everything on the way to his own authorized_keys as fast as he can,
// while the helper works on it again and again. Nothing that is not his may change, and the helper must not hang.

namespace reeve::helpers {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kHostile = 78251;
constexpr uid_t kVictim = 78252;
constexpr KeyVerb kVerbs[] = {KeyVerb::kAdd, KeyVerb::kGet, KeyVerb::kRemove, KeyVerb::kReset};
constexpr int kRaces = 10'000;
constexpr int kAtOnce = std::size(kVerbs);
constexpr unsigned kHangS = 20;  // far above what one takes, also on a machine that is busy
constexpr const char* kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIthekey hostile@host\n";

User Hostile(const std::string& home) {
  return {.name = "hostile", .uid = kHostile, .gid = kHostile, .groups = {kHostile}, .home = home};
}

void WriteFile(const std::string& path, const std::string& content, uid_t owner, mode_t mode) {
  const UniqueFd file = sys::Open(path, O_WRONLY | O_CREAT | O_TRUNC, mode).value();
  ASSERT_THAT(sys::WriteAll(file.get(), AsBytes(content)), IsOk());
  ASSERT_EQ(::fchown(file.get(), owner, owner), 0);
  ASSERT_EQ(::fchmod(file.get(), mode), 0);
}

void MakeDirectory(const std::string& path, uid_t owner, mode_t mode) {
  ASSERT_EQ(::mkdir(path.c_str(), mode), 0) << path;
  ASSERT_EQ(::chown(path.c_str(), owner, owner), 0);
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

// All that a change of a file or of a directory's entries leaves behind.
using Trace = std::tuple<ino_t, uid_t, gid_t, mode_t, off_t, time_t, long, nlink_t, std::string>;
std::map<std::string, Trace> TracesOf(const std::string& tree) {
  std::map<std::string, Trace> traces;
  const auto add = [&](const std::string& path) {
    struct stat status{};
    ASSERT_EQ(::lstat(path.c_str(), &status), 0);
    const std::string content =
        S_ISREG(status.st_mode) ? sys::ReadFile(path, 1 << 20).value_or("unreadable") : std::string();
    traces[path] = {status.st_ino,         status.st_uid,          status.st_gid,   status.st_mode, status.st_size,
                    status.st_ctim.tv_sec, status.st_ctim.tv_nsec, status.st_nlink, content};
  };
  add(tree);
  for (const auto& entry : fs::recursive_directory_iterator(tree)) add(entry.path());
  return traces;
}

// A child until it goes, killed with this process.
class Child {
 public:
  explicit Child(const std::function<void()>& work) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    ::_exit(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    if (pid_ > 0) Wait();
  }
  int Wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_;
};

// Short against a run of the helper; without it the machine does little else than turn names.
void Pause() {
  ::usleep(10);
}

void BecomeHostile() {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(kHostile, kHostile, kHostile) != 0 ||
      ::setresuid(kHostile, kHostile, kHostile) != 0)
    ::_exit(1);
}

class KeyRaceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become users";
    char name[] = "/tmp/reeve-race.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    ASSERT_EQ(::chmod(name, 0755), 0);
    MakeDirectory(root_ + "/victims", 0, 0755);
    MakeHome(root_ + "/victims/user", kVictim);
    MakeHome(root_ + "/victims/root", 0);
    // Worse than in life: he may rename his home directory too.
    MakeDirectory(root_ + "/homes", kHostile, 0755);
    MakeHome(home(), kHostile);
  }
  void TearDown() override {
    if (!root_.empty()) fs::remove_all(root_);
  }

  static void MakeHome(const std::string& path, uid_t owner) {
    // Open to all, so that nothing but the helper's own care keeps it from being changed by a helper that is root, and what is
    // changed is seen.
    MakeDirectory(path, owner, 0755);
    MakeDirectory(path + "/.ssh", owner, 0755);
    WriteFile(path + "/.ssh/authorized_keys", "ssh-rsa AAAAold one@two\n", owner, 0644);
  }
  std::string home() const { return root_ + "/homes/hostile"; }
  std::string victims() const { return root_ + "/victims"; }

  // Turns the name in a directory into a link to `target` and back, for ever.
  static void Swap(const std::string& directory_path, const std::string& name, const std::string& target) {
    const UniqueFd directory = sys::Open(directory_path, O_PATH | O_DIRECTORY).value();
    const std::string bait = name + ".bait";
    BecomeHostile();
    (void)!::symlinkat(target.c_str(), directory.get(), bait.c_str());
    for (;;) {
      ::renameat2(directory.get(), name.c_str(), directory.get(), bait.c_str(), RENAME_EXCHANGE);
      Pause();
    }
  }
  // Puts all that is no honest file in the file's place, one after the other, and an honest one now and then.
  void SpoilFile() const {
    const UniqueFd directory = sys::Open(home() + "/.ssh", O_PATH | O_DIRECTORY).value();
    BecomeHostile();
    const auto put = [&](const auto& make) {
      ::unlinkat(directory.get(), "made", 0);
      make();
      ::renameat(directory.get(), "made", directory.get(), "authorized_keys");
      Pause();
    };
    for (;;) {
      for (const std::string& victim : {victims() + "/user", victims() + "/root"}) {
        const std::string file = victim + "/.ssh/authorized_keys";
        put([&] { (void)!::symlinkat(file.c_str(), directory.get(), "made"); });
        put([&] { (void)!::linkat(AT_FDCWD, file.c_str(), directory.get(), "made", 0); });
      }
      put([&] { ::mkfifoat(directory.get(), "made", 0600); });
      put([&] { (void)sys::OpenAt(directory.get(), "made", O_WRONLY | O_CREAT, 0600); });
    }
  }

  // Puts a link to somebody else's file in the place of each file that the helper makes, as soon as he sees one.
  void SpoilNewFile() const {
    const UniqueFd directory = sys::Open(home() + "/.ssh", O_RDONLY | O_DIRECTORY).value();
    const std::string target = victims() + "/root/.ssh/authorized_keys";
    BecomeHostile();
    DIR* const names = ::fdopendir(directory.get());
    for (;; ::rewinddir(names), Pause()) {
      while (const dirent* const entry = ::readdir(names)) {
        if (!std::string_view(entry->d_name).starts_with(".authorized_keys.reeve-")) continue;
        ::unlinkat(directory.get(), entry->d_name, 0);
        if (::linkat(AT_FDCWD, target.c_str(), directory.get(), entry->d_name, 0) < 0)
          (void)!::symlinkat(target.c_str(), directory.get(), entry->d_name);
      }
    }
  }

  std::string root_;
};

// One run of the helper's work, as a process of its own.
std::unique_ptr<Child> StartHelper(KeyVerb verb, const std::string& home) {
  sys::TwoFds input = sys::Pipe().value();
  EXPECT_THAT(sys::WriteAll(input.second.get(), AsBytes(std::string(kKey) + kEndOfInput)), IsOk());
  input.second.Reset();
  static const std::vector<uint8_t> filter = CompileShutInFilter().value();
  return std::make_unique<Child>([&] {
    ::alarm(kHangS);
    const Result<std::string> done = CarryOut(verb, Hostile(home), filter, input.first.get());
    ::_exit(done ? 0 : 1);
  });
}

TEST_F(KeyRaceTest, WithoutARaceItSucceeds) {
  for (const KeyVerb verb : kVerbs) EXPECT_EQ(StartHelper(verb, home())->Wait(), 0);
}

TEST_F(KeyRaceTest, NothingOfOthersChangesWhateverIsSwapped) {
  const auto before = TracesOf(victims());
  const Child swap_home([&] { Swap(root_ + "/homes", "hostile", victims() + "/user"); });
  const Child swap_directory([&] { Swap(home(), ".ssh", victims() + "/root/.ssh"); });
  const Child spoil_file([&] { SpoilFile(); });
  const Child spoil_new_file([&] { SpoilNewFile(); });
  int succeeded = 0;
  for (int i = 0; i < kRaces; i += kAtOnce) {
    std::vector<std::unique_ptr<Child>> helpers;
    for (int k = 0; k < kAtOnce; ++k) helpers.push_back(StartHelper(kVerbs[static_cast<size_t>(k)], home()));
    for (const std::unique_ptr<Child>& helper : helpers) {
      const int status = helper->Wait();
      ASSERT_TRUE(WIFEXITED(status)) << "run " << i << " was ended by signal " << WTERMSIG(status);
      if (WEXITSTATUS(status) == 0) ++succeeded;
    }
  }
  EXPECT_EQ(TracesOf(victims()), before);
  // Else nothing was raced for.
  EXPECT_GT(succeeded, kRaces / 100);
  EXPECT_LT(succeeded, kRaces - kRaces / 100);
}

// As agents did it before they learned better: root, by names.
void AddByNames(const std::string& home) {
  const std::string directory = home + "/.ssh", file = directory + "/authorized_keys";
  ::mkdir(directory.c_str(), 0700);
  (void)!::chown(directory.c_str(), kHostile, kHostile);
  const Result<UniqueFd> opened = sys::Open(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0600);
  if (opened) (void)!sys::WriteAll(opened->get(), AsBytes(kKey));
  (void)!::chown(file.c_str(), kHostile, kHostile);
}

TEST_F(KeyRaceTest, SameRaceIsWonAgainstWhoWorksByNames) {
  const auto before = TracesOf(victims());
  const Child swap_directory([&] { Swap(home(), ".ssh", victims() + "/root/.ssh"); });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (TracesOf(victims()) == before && std::chrono::steady_clock::now() < end) AddByNames(home());
  EXPECT_NE(TracesOf(victims()), before);
}

}  // namespace
}  // namespace reeve::helpers
