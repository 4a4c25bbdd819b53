#include "helpers/shut_in.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/sys.h"
#include "base/testing.h"

// What is left to reeve-keys, tried by a process that has become a user and shut itself in.

namespace reeve::helpers {
namespace {

constexpr uid_t kUser = 78251;

class ShutInTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef REEVE_SANITIZED
    GTEST_SKIP() << "a sanitizer's runtime stands in for the filter";
#endif
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user";
    char name[] = "/tmp/reeve-shut-in.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    ASSERT_EQ(::chmod(name, 0755), 0);
    for (const char* const directory : {"/inside", "/outside"}) {
      const std::string path = root_ + directory;
      ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
      ASSERT_EQ(::chown(path.c_str(), kUser, kUser), 0);
      const UniqueFd file = sys::Open(path + "/file", O_WRONLY | O_CREAT, 0666).value();
      ASSERT_EQ(::fchown(file.get(), kUser, kUser), 0);
    }
  }
  void TearDown() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  // How `act` ends as a wait status: what it returns is the exit code. It is given a descriptor of `inside`.
  int StatusOf(const std::function<int(int)>& act, bool has_directory = true) const {
    const std::vector<uint8_t> filter = CompileShutInFilter().value();
    const pid_t child = ::fork();
    if (child == 0) {
      const User user{.name = "user", .uid = kUser, .gid = kUser, .groups = {kUser}, .home = root_};
      if (!BecomeOnly(user)) ::_exit(101);
      const UniqueFd directory = sys::Open(root_ + "/inside", O_RDONLY | O_DIRECTORY).value();
      if (!ShutIn(has_directory ? directory.get() : -1, filter)) ::_exit(102);
      ::_exit(act(directory.get()));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  static int OpenError(int directory, const std::string& path) {
    const Result<UniqueFd> file = sys::OpenAt2(directory, path, {.flags = O_RDWR, .mode = 0, .resolve = 0});
    return file ? 0 : file.error().system_errno();
  }

  std::string root_;
};

MATCHER_P(ExitedWith, code, "") {
  return WIFEXITED(arg) && WEXITSTATUS(arg) == code;
}

TEST_F(ShutInTest, OpensWhatIsBeneathItsDirectoryAndNothingElseOfItsUser) {
  EXPECT_THAT(StatusOf([&](int inside) { return OpenError(inside, "file"); }), ExitedWith(0));
  EXPECT_THAT(StatusOf([&](int inside) { return OpenError(inside, "../outside/file"); }), ExitedWith(EACCES));
  EXPECT_THAT(StatusOf([&](int inside) { return OpenError(inside, root_ + "/outside/file"); }), ExitedWith(EACCES));
}

TEST_F(ShutInTest, WithoutADirectoryOpensNothing) {
  EXPECT_THAT(StatusOf([&](int inside) { return OpenError(inside, "file"); }, /*has_directory=*/false),
              ExitedWith(EACCES));
}

TEST_F(ShutInTest, MovesNothingOutOfItsDirectory) {
  const std::string target = root_ + "/outside/other";
  const auto move = [&](int inside) { return ::renameat(inside, "file", AT_FDCWD, target.c_str()) == 0 ? 0 : errno; };
  EXPECT_THAT(StatusOf(move), testing::AnyOf(ExitedWith(EACCES), ExitedWith(EXDEV)));
}

TEST_F(ShutInTest, AnyOtherCallIsItsEnd) {
  const std::function<int(int)> calls[] = {
      [](int) { return ::fork(); },
      [](int) { return ::socket(AF_UNIX, SOCK_STREAM, 0); },
      [](int) { return ::execl("/bin/true", "true", nullptr); },
      [](int) { return ::setuid(0); },
      [](int) { return ::kill(::getppid(), SIGTERM); },
      [](int inside) { return ::fchmod(inside, 0777); },
      [](int inside) { return ::linkat(inside, "file", inside, "second", 0); },
      [](int inside) { return ::symlinkat("/etc/passwd", inside, "link"); },
      [](int) { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); },
      [](int) { return ::open("/etc/passwd", O_RDONLY); },  // openat(2): only openat2(2) is for it
  };
  for (size_t i = 0; i < std::size(calls); ++i) {
    const int status = StatusOf([&](int inside) { return calls[i](inside); });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << "call " << i << " ended with " << status;
  }
}

// Before the filter, which forbids to ask.
int StatusAsUser(const std::function<bool()>& claim) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!BecomeOnly({.name = "user", .uid = kUser, .gid = kUser, .groups = {kUser}, .home = "/"})) ::_exit(101);
    ::_exit(claim() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(ShutInTest, UserForGoodWhomNobodyLooksInto) {
  EXPECT_THAT(StatusAsUser([] { return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0; }), ExitedWith(0));
  EXPECT_THAT(StatusAsUser([] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; }), ExitedWith(0));
  EXPECT_THAT(StatusAsUser([] { return ::setresuid(0, 0, 0) != 0 && ::setresgid(0, 0, 0) != 0; }), ExitedWith(0));
  EXPECT_THAT(StatusAsUser([] {
                rlimit core{};
                return ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max <= 1;
              }),
              ExitedWith(0));
  EXPECT_THAT(StatusAsUser([] { return ::umask(0) == 0077; }), ExitedWith(0));
}

}  // namespace
}  // namespace reeve::helpers
