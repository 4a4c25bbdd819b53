#include "storage/mounts.h"

#include <gmock/gmock.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const dev_t kBtrfsDisk = makedev(8, 33);

std::optional<dev_t> OneBtrfsDisk(const std::string& path) {
  if (path != "/dev/sdc1") return std::nullopt;
  return kBtrfsDisk;
}

MountList ListOf(const std::string& mountinfo) {
  const auto mounts = ParseMounts(mountinfo);
  EXPECT_THAT(mounts, IsOk());
  return ListFileSystems(mounts.value_or(std::vector<Mount>()), OneBtrfsDisk);
}

std::vector<std::string> Paths(const MountList& list) {
  std::vector<std::string> paths;
  for (const FileSystem& file_system : list.file_systems) paths.push_back(file_system.mount.mountpoint);
  return paths;
}

std::vector<std::pair<std::string, std::string>> Reasons(const MountList& list) {
  std::vector<std::pair<std::string, std::string>> reasons;
  for (const LeftOutMount& left : list.left_out) reasons.emplace_back(left.mount.mountpoint, NameOf(left.reason));
  return reasons;
}

const char kRoot[] = "27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n";

// Whoever may mount with FUSE names the source, the type behind `fuse.` and the directory.
TEST(ParseMountsTest, WhatAUserMountsMakesNoTableUnreadable) {
  const std::string prefix = std::string(kRoot) + "36 27 0:60 / ";
  const std::string options = " rw,nosuid,nodev shared:9 - ";
  std::string long_path = "/home/eve";
  while (long_path.size() < 16000) long_path += "/\\040\\012\\134";
  for (const std::string& line :
       {"/home/eve/m" + options + "fuse.x  rw,user_id=1000", "/home/eve/m" + options + "fuse. none rw,user_id=1000",
        "/home/eve/m" + options + "fuse.a\\040b \\043src\\012x rw", "/home/eve/-" + options + "fuse - rw",
        "/home/eve/\xff\xfe\x01" + options + "fuse \xff rw", long_path + options + "fuse src rw",
        "/home/eve/\\040-\\040ext4" + options + "fuse /dev/sda1 rw"}) {
    const auto mounts = ParseMounts(prefix + line + "\n40 27 254:2 / /data rw - xfs /dev/vda2 rw\n");
    ASSERT_THAT(mounts, IsOk()) << line;
    ASSERT_EQ(mounts->size(), 3u) << line;
    EXPECT_EQ((*mounts)[1].device, makedev(0, 60));
    EXPECT_EQ((*mounts)[2].mountpoint, "/data");
  }
}

TEST(ParseMountsTest, TakesAllFieldsOfALine) {
  const auto mounts = ParseMounts(
      "27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
      "30 27 254:2 /sub /srv/data rw,nosuid shared:5 master:2 propagate_from:3 - xfs /dev/vda2 rw\n");
  REEVE_ASSERT_OK(mounts);
  ASSERT_EQ(mounts->size(), 2u);
  const Mount& mount = (*mounts)[1];
  EXPECT_EQ(mount.id, 30);
  EXPECT_EQ(mount.parent_id, 27);
  EXPECT_EQ(mount.device, makedev(254, 2));
  EXPECT_EQ(mount.root, "/sub");
  EXPECT_EQ(mount.mountpoint, "/srv/data");
  EXPECT_EQ(mount.type, "xfs");
  EXPECT_EQ(mount.source, "/dev/vda2");
}

TEST(ParseMountsTest, UndoesTheKernelsEscapes) {
  const auto mounts = ParseMounts("30 27 254:2 / /a\\040b\\011c\\012d\\134e rw - xfs /dev/disk\\0401 rw\n");
  REEVE_ASSERT_OK(mounts);
  EXPECT_EQ((*mounts)[0].mountpoint, "/a b\tc\nd\\e");
  EXPECT_EQ((*mounts)[0].source, "/dev/disk 1");
}

TEST(ParseMountsTest, TakesWhatTheKernelShowsOfOddMounts) {
  const auto mounts = ParseMounts(
      "1 1 0:2 / / rw - rootfs rootfs rw\n"
      "35 1 0:31 / /empty-source rw - tmpfs  rw\n"
      "36 1 0:31 / /none rw - tmpfs none rw\n"
      "37 1 0:4 mnt:[4026532281] /run/netns/a rw shared:9 - nsfs nsfs rw\n"
      "38 1 254:0 / /rooted rw - ext4 /dev/root rw\n"
      "39 1 0:50 / /sub rw - fuse.my.sub user@host:/a b rw\n");
  REEVE_ASSERT_OK(mounts);
  EXPECT_EQ(mounts->size(), 6u);
}

TEST(ParseMountsTest, NothingIsNoMount) {
  EXPECT_THAT(ParseMounts(""), IsOk());
}

TEST(ParseMountsTest, RefusesALineThatIsNone) {
  EXPECT_THAT(ParseMounts(std::string(kRoot) + "what is this\n"), FailsWith(Code::kBadMessage));
}

TEST(ListFileSystemsTest, KeepsTheOrderOfTheTable) {
  const MountList list = ListOf(std::string(kRoot) +
                                "30 27 254:2 / /b rw - xfs /dev/vda2 rw\n"
                                "31 27 254:3 / /a rw - ext4 /dev/vda3 rw\n"
                                "32 31 7:0 / /a/loop rw - ext4 /dev/loop0 rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/", "/b", "/a", "/a/loop"));
  EXPECT_THAT(list.left_out, IsEmpty());
}

TEST(ListFileSystemsTest, TakesTheFirstMountOfADevice) {
  const MountList list = ListOf(std::string(kRoot) +
                                "30 27 254:1 /etc /bind rw - ext4 /dev/vda1 rw\n"
                                "31 27 254:2 / /first rw - xfs /dev/vda2 rw\n"
                                "32 27 254:2 / /second rw - xfs /dev/vda2 rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/", "/first"));
  EXPECT_THAT(Reasons(list), ElementsAre(Pair("/bind", "same-device"), Pair("/second", "same-device")));
}

TEST(ListFileSystemsTest, SaysWhyWhatHasNoDeviceIsLeftOut) {
  const MountList list = ListOf(std::string(kRoot) +
                                "40 27 0:5 / /proc rw - proc proc rw\n"
                                "41 27 0:6 / /tmp rw - tmpfs tmpfs rw\n"
                                "42 27 0:40 / /nfs rw - nfs4 server:/x rw\n"
                                "43 27 0:41 / /share rw - virtiofs tag rw\n"
                                "44 27 0:42 / /fuse rw - fuse.thing thing rw\n"
                                "45 27 0:43 / /merged rw - overlay overlay rw\n"
                                "46 27 0:44 / /tank rw - zfs tank rw\n"
                                "47 27 0:45 / /odd rw - bcachefs /dev/a:/dev/b rw\n"
                                "48 27 0:46 / /plan9 rw - 9p tag rw\n"
                                "49 27 0:47 / /proc/fs/nfsd rw - nfsd nfsd rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/"));
  EXPECT_THAT(Reasons(list), ElementsAre(Pair("/proc", "pseudo"), Pair("/tmp", "pseudo"), Pair("/nfs", "network"),
                                         Pair("/share", "network"), Pair("/fuse", "fuse"), Pair("/merged", "overlay"),
                                         Pair("/tank", "zfs"), Pair("/odd", "no-device"), Pair("/plan9", "network"),
                                         Pair("/proc/fs/nfsd", "pseudo")));
}

TEST(ListFileSystemsTest, KeepsFuseOnABlockDevice) {
  EXPECT_THAT(Paths(ListOf("30 1 8:1 / /ntfs rw - fuseblk /dev/sda1 rw\n")), ElementsAre("/ntfs"));
}

TEST(ListFileSystemsTest, ListsBtrfsOnceByTheDeviceThatItWasMountedBy) {
  const MountList list = ListOf(std::string(kRoot) +
                                "50 27 0:60 /home /home rw - btrfs /dev/sdc1 rw\n"
                                "51 27 0:60 /var /var rw - btrfs /dev/sdc1 rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/", "/home"));
  EXPECT_EQ(list.file_systems[1].device, kBtrfsDisk);
  EXPECT_THAT(Reasons(list), ElementsAre(Pair("/var", "same-device")));
}

TEST(ListFileSystemsTest, ListsBtrfsAlsoWhenItsDeviceCannotBeSeen) {
  const MountList list = ListOf("50 27 0:61 / /pool rw - btrfs /dev/gone rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/pool"));
  EXPECT_EQ(list.file_systems[0].device, 0u);
}

TEST(ListFileSystemsTest, LeavesOutWhatNoPathLeadsTo) {
  const MountList list = ListOf(std::string(kRoot) +
                                "60 27 254:2 / /mnt/a rw - xfs /dev/vda2 rw\n"
                                "61 27 0:70 / /mnt rw - tmpfs tmpfs rw\n"
                                "62 27 254:3 / /opt rw - ext4 /dev/vda3 rw\n"
                                "63 62 254:4 / /opt rw - ext4 /dev/vda4 rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/", "/opt"));
  EXPECT_EQ(list.file_systems[1].device, makedev(254, 4));
  EXPECT_THAT(Reasons(list), ElementsAre(Pair("/mnt/a", "covered"), Pair("/mnt", "pseudo"), Pair("/opt", "covered")));
}

TEST(ListFileSystemsTest, TakesTheFirstMountThatAPathLeadsTo) {
  const MountList list = ListOf(std::string(kRoot) +
                                "62 27 254:3 / /opt rw - ext4 /dev/vda3 rw\n"
                                "63 62 254:3 / /opt rw - ext4 /dev/vda3 rw\n"
                                "64 27 254:3 / /later rw - ext4 /dev/vda3 rw\n");
  ASSERT_THAT(Paths(list), ElementsAre("/", "/opt"));
  EXPECT_EQ(list.file_systems[1].mount.id, 63);
}

TEST(ListFileSystemsTest, WhatIsMountedWithinAMountIsNotCoveredByIt) {
  const MountList list = ListOf(std::string(kRoot) +
                                "61 27 0:70 / /mnt rw - tmpfs tmpfs rw\n"
                                "62 61 254:2 / /mnt/a rw - xfs /dev/vda2 rw\n"
                                "63 62 254:3 / /mnt/a/b/c rw - xfs /dev/vda3 rw\n");
  EXPECT_THAT(Paths(list), ElementsAre("/", "/mnt/a", "/mnt/a/b/c"));
}

TEST(ListFileSystemsTest, SeesMountsOfARootThatIsNoMount) {
  EXPECT_THAT(Paths(ListOf("62 900 254:2 / /data rw - xfs /dev/vda2 rw\n"
                           "63 62 254:3 / /data/in rw - xfs /dev/vda3 rw\n")),
              ElementsAre("/data", "/data/in"));
}

TEST(ListFileSystemsTest, ATableThatLeadsInARingEnds) {
  EXPECT_THAT(Paths(ListOf("1 2 254:2 / / rw - xfs /dev/vda2 rw\n"
                           "2 1 254:3 / / rw - xfs /dev/vda3 rw\n")),
              IsEmpty());
}

TEST(MountTableTest, ReadsItsOwnProcesssTableOnceUntilItChanges) {
  auto mountinfo = sys::Open("/proc/self/mountinfo", O_RDONLY);
  if (!mountinfo) GTEST_SKIP() << "no /proc here";
  MountTable table(mountinfo->get());
  REEVE_ASSERT_OK(table.Current());
  REEVE_ASSERT_OK(table.Current());
  EXPECT_EQ(table.generation(), 1u);
}

TEST(MountTableTest, FreshIsReadAnewThoughNoChangeIsTold) {
  auto mountinfo = sys::Open("/proc/self/mountinfo", O_RDONLY);
  if (!mountinfo) GTEST_SKIP() << "no /proc here";
  MountTable table(mountinfo->get());
  REEVE_ASSERT_OK(table.Current());
  REEVE_ASSERT_OK(table.Fresh());
  EXPECT_EQ(table.generation(), 2u);
}

TEST(MountTableTest, AFailureIsTriedAgain) {
  auto file = sys::MemoryFile("mountinfo", 0);
  REEVE_ASSERT_OK(file);
  REEVE_ASSERT_OK(sys::Write(file->get(), AsBytes("nonsense\n")));
  MountTable table(file->get(), OneBtrfsDisk);
  EXPECT_THAT(table.Current(), FailsWith(Code::kBadMessage));
  REEVE_ASSERT_OK(sys::Write(file->get(), AsBytes("")));
  ASSERT_EQ(ftruncate(file->get(), 0), 0);
  ASSERT_EQ(lseek(file->get(), 0, SEEK_SET), 0);
  REEVE_ASSERT_OK(sys::Write(file->get(), AsBytes(kRoot)));
  const auto list = table.Current();
  REEVE_ASSERT_OK(list);
  EXPECT_THAT(Paths(**list), ElementsAre("/"));
}

}  // namespace
}  // namespace reeve::storage
