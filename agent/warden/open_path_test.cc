#include "agent/warden/open_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::warden {
namespace {

namespace fs = std::filesystem;
using policy::FileAccess;

constexpr auto kRead = static_cast<policy::FileAccessMask>(FileAccess::kRead);
constexpr auto kWrite = static_cast<policy::FileAccessMask>(FileAccess::kWrite);
constexpr auto kCreate = static_cast<policy::FileAccessMask>(FileAccess::kCreate);

MATCHER_P(FailsWithErrno, number, "fails with that errno") {
  if (arg.has_value()) {
    *result_listener << "succeeded";
    return false;
  }
  *result_listener << arg.error().message();
  return arg.error().system_errno() == number;
}

class OpenPathTest : public testing::Test {
 protected:
  OpenPathTest() {
    std::string pattern = (fs::temp_directory_path() / "reeve-open-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
    granted_ = top_ / "granted";
    fs::create_directories(granted_ / "sub");
    Write(top_ / "secret", "secret");
    Write(granted_ / "plain", "plain");
  }
  ~OpenPathTest() override { fs::remove_all(top_); }

  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  static std::string Read(const fs::path& path) { return *sys::ReadFile(path.string(), 1 << 20); }

  PermittedOpen Request(const std::string& below, policy::FileAccessMask access = kRead) {
    PermittedOpen request;
    request.path = granted_.string() + "/" + below;
    request.directory.path = granted_.string();
    request.access = access;
    return request;
  }

  fs::path top_;
  fs::path granted_;
};

TEST_F(OpenPathTest, OpensARegularFileBelowTheDirectory) {
  const auto fd = OpenPermitted(Request("plain"));
  REEVE_ASSERT_OK(fd);
  EXPECT_EQ(*sys::ReadToEnd(fd->get(), 100), "plain");
}

TEST_F(OpenPathTest, RefusesParentDirectories) {
  EXPECT_THAT(OpenPermitted(Request("../secret")), FailsWithErrno(EACCES));
  EXPECT_THAT(OpenPermitted(Request("sub/../../secret")), FailsWithErrno(EACCES));
}

TEST_F(OpenPathTest, RefusesAPathThatOnlyBeginsLikeTheDirectory) {
  fs::create_directory(top_ / "granted-not");
  Write(top_ / "granted-not/file", "x");
  PermittedOpen request = Request("");
  request.path = granted_.string() + "-not/file";
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(EACCES));
}

TEST_F(OpenPathTest, RefusesASymlinkAsFileAndAsDirectory) {
  fs::create_symlink(top_ / "secret", granted_ / "link");
  fs::create_symlink(top_, granted_ / "up");
  fs::create_symlink("plain", granted_ / "inner");
  EXPECT_THAT(OpenPermitted(Request("link")), FailsWithErrno(ELOOP));
  EXPECT_THAT(OpenPermitted(Request("up/secret")), FailsWithErrno(ELOOP));
  EXPECT_THAT(OpenPermitted(Request("inner")), FailsWithErrno(ELOOP));
  EXPECT_THAT(OpenPermitted(Request("link", kWrite | kCreate)), FailsWithErrno(ELOOP));
  EXPECT_EQ(Read(top_ / "secret"), "secret");
}

TEST_F(OpenPathTest, SymlinksWithinStayWithin) {
  fs::create_symlink("plain", granted_ / "inner");
  fs::create_symlink("../secret", granted_ / "outer");
  fs::create_symlink(top_ / "secret", granted_ / "absolute");
  PermittedOpen inner = Request("inner");
  PermittedOpen outer = Request("outer");
  PermittedOpen absolute = Request("absolute");
  for (PermittedOpen* request : {&inner, &outer, &absolute}) request->directory.follows_symlinks_within = true;
  EXPECT_THAT(OpenPermitted(inner), IsOk());
  EXPECT_THAT(OpenPermitted(outer), FailsWithErrno(EXDEV));
  EXPECT_THAT(OpenPermitted(absolute), FailsWithErrno(EXDEV));
}

TEST_F(OpenPathTest, RefusesMagicLinksEvenUnderOpen) {
  PermittedOpen request;
  request.path = "/proc/self/root/etc/passwd";
  request.directory.path = "/";
  request.directory.allows_any_type = true;
  request.directory.follows_symlinks_within = true;
  request.access = kRead;
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(ELOOP));
  request.path = "/etc/passwd";
  EXPECT_THAT(OpenPermitted(request), IsOk());
}

TEST_F(OpenPathTest, RefusesFifosDevicesAndDirectories) {
  ASSERT_EQ(::mkfifo((granted_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(OpenPermitted(Request("fifo")), FailsWithErrno(EACCES));
  EXPECT_THAT(OpenPermitted(Request("sub")), FailsWithErrno(EISDIR));
  EXPECT_THAT(OpenPermitted(Request("")), FailsWithErrno(EISDIR));
  PermittedOpen device;
  device.path = "/dev/null";
  device.directory.path = "/dev";
  device.access = kRead;
  EXPECT_THAT(OpenPermitted(device), FailsWithErrno(EACCES));
}

TEST_F(OpenPathTest, AnyTypeMeansAnythingButADirectory) {
  PermittedOpen device;
  device.path = "/dev/null";
  device.directory.path = "/dev";
  device.directory.allows_any_type = true;
  device.access = kRead | kWrite;
  EXPECT_THAT(OpenPermitted(device), IsOk());
  PermittedOpen directory = Request("sub");
  directory.directory.allows_any_type = true;
  EXPECT_THAT(OpenPermitted(directory), FailsWithErrno(EISDIR));
}

TEST_F(OpenPathTest, RefusesToWriteASecondNameWhereOthersMayMakeLinks) {
  fs::create_hard_link(top_ / "secret", granted_ / "sub/name");
  fs::permissions(granted_ / "sub", fs::perms::all);
  PermittedOpen request = Request("sub/name", kWrite);
  request.truncates = true;
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(EPERM));
  EXPECT_EQ(Read(top_ / "secret"), "secret");
  EXPECT_THAT(OpenPermitted(Request("sub/name", kRead)), IsOk());
  fs::permissions(granted_ / "sub", fs::perms::owner_all);
  EXPECT_THAT(OpenPermitted(Request("sub/name", kWrite)), IsOk());
}

// What policy denies for everyone it denies under each name: the warden's look at the object.
TEST_F(OpenPathTest, WhatIsDeniedIsDeniedUnderTheNameOfALinkToo) {
  policy::Policy policy;
  policy.file_denies.push_back({.glob = top_.string() + "/secret", .origin = {"policy.yaml", 9}});
  policy.file_denies.push_back({.glob = granted_.string() + "/sub/**", .origin = {"policy.yaml", 9}});
  const policy::Decider decider = *policy::Decider::Create(policy);
  fs::create_symlink(top_ / "secret", granted_ / "link");
  fs::create_symlink("sub", granted_ / "also-sub");
  PermittedOpen request = Request("link");
  request.decider = &decider;
  request.directory = {};
  request.directory.path = "/";
  request.directory.allows_any_type = request.directory.follows_symlinks_within = true;
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(EACCES));
  request.path = (granted_ / "also-sub/new").string();
  request.access = kWrite | kCreate;
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(EACCES));
  EXPECT_FALSE(fs::exists(granted_ / "sub/new"));
  request.path = (granted_ / "new").string();
  EXPECT_THAT(OpenPermitted(request), IsOk());
}

TEST_F(OpenPathTest, AWholeTreeMakesFilesWhereverTheyAreNamed) {
  PermittedOpen request = Request("sub/../sub/new", kWrite | kCreate);
  request.directory = {};
  request.directory.path = "/";
  request.directory.allows_any_type = request.directory.follows_symlinks_within = true;
  EXPECT_THAT(OpenPermitted(request), IsOk());
  request.path = (granted_ / "missing/new").string();
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(ENOENT));
  request.path = (granted_ / "new/").string();
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(EISDIR));
}

TEST_F(OpenPathTest, RefusesANulByteAndAnEndlessName) {
  PermittedOpen nul = Request("plain");
  nul.path += std::string("\0.txt", 5);
  EXPECT_THAT(OpenPermitted(nul), FailsWithErrno(EINVAL));
  EXPECT_THAT(OpenPermitted(Request(std::string(300, 'n'))), FailsWithErrno(ENAMETOOLONG));
  std::string deep;
  for (int i = 0; i < 3000; ++i) deep += "d/";
  EXPECT_THAT(OpenPermitted(Request(deep + "f")), FailsWithErrno(ENAMETOOLONG));
}

TEST_F(OpenPathTest, CreatesWithModeWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  const auto fd = OpenPermitted(Request("new", kWrite | kCreate));
  ::umask(before);
  REEVE_ASSERT_OK(fd);
  struct stat status{};
  ASSERT_EQ(::fstat(fd->get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST_F(OpenPathTest, AMissingFileIsNotMadeWithoutCreate) {
  EXPECT_THAT(OpenPermitted(Request("new", kWrite)), FailsWithErrno(ENOENT));
  EXPECT_FALSE(fs::exists(granted_ / "new"));
}

TEST_F(OpenPathTest, TruncatesAnExistingFileAndKeepsItsMode) {
  fs::permissions(granted_ / "plain", fs::perms::owner_all);
  PermittedOpen request = Request("plain", kWrite | kCreate);
  request.truncates = true;
  REEVE_ASSERT_OK(OpenPermitted(request));
  EXPECT_EQ(fs::file_size(granted_ / "plain"), 0u);
  EXPECT_EQ(fs::status(granted_ / "plain").permissions(), fs::perms::owner_all);
}

TEST_F(OpenPathTest, WithoutTruncationAppendsAndGivesNoMoreThanAsked) {
  PermittedOpen request = Request("plain", kWrite | kCreate);
  request.appends = true;
  const auto fd = OpenPermitted(request);
  REEVE_ASSERT_OK(fd);
  REEVE_ASSERT_OK(sys::Write(fd->get(), AsBytes("!")));
  EXPECT_EQ(Read(granted_ / "plain"), "plain!");
  uint8_t byte[1];
  EXPECT_THAT(sys::Read(fd->get(), byte), FailsWithErrno(EBADF));
  EXPECT_EQ(::fcntl(fd->get(), F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST_F(OpenPathTest, RefusesToWriteWhatIsLargerThanItsDirectoryAllows) {
  PermittedOpen request = Request("plain", kWrite);
  request.directory.max_file_bytes = 4;
  EXPECT_THAT(OpenPermitted(request), FailsWithErrno(EFBIG));
  request.directory.max_file_bytes = 5;
  EXPECT_THAT(OpenPermitted(request), IsOk());
}

TEST_F(OpenPathTest, ASwappedSymlinkIsNeverFollowed) {
  // Another process exchanges a directory with a link that leads outside, as fast as it can.
  fs::create_directory(granted_ / "a");
  Write(granted_ / "a/secret", "inside");
  fs::create_symlink(top_, granted_ / "b");
  std::atomic<bool> is_done = false;
  std::thread swapper([&] {
    while (!is_done)
      ::renameat2(AT_FDCWD, (granted_ / "a").c_str(), AT_FDCWD, (granted_ / "b").c_str(), RENAME_EXCHANGE);
  });
  int opened = 0;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto fd = OpenPermitted(Request("a/secret"));
    if (!fd) {
      ++refused;
      continue;
    }
    ++opened;
    ASSERT_EQ(*sys::ReadToEnd(fd->get(), 100), "inside");
  }
  is_done = true;
  swapper.join();
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace reeve::warden
