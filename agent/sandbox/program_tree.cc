#include "agent/sandbox/program_tree.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "agent/sandbox/namespaces.h"
#include "agent/sandbox/private_root.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

// A program's temporary files are memory.
constexpr const char* kTemporaryOptions = "size=64m,nr_inodes=16k,mode=1777";
constexpr const char* kProcOptions = "subset=pid,hidepid=invisible";
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
// Links to below /usr on a merged system, directories on another; not each is on every machine.
constexpr const char* kSystemDirectories[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

Status SetOnAllMounts(uint64_t attributes) {
  mount_attr wanted{};
  wanted.attr_set = attributes;
  if (::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &wanted, sizeof wanted) < 0) {
    return FailErrno("make the file system read-only");
  }
  return {};
}

Status MountTemporary() {
  if (::mount("reeve", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, kTemporaryOptions) < 0) {
    return FailErrno("mount a /tmp of its own");
  }
  return {};
}

// Not every device is in every container's /dev.
Status TakeDevices(TakenMounts& mounts) {
  for (const char* device : kDevices) {
    if (::access(device, F_OK) == 0) REEVE_TRY(mounts.Take(device, device, MountAccess::kDevice));
  }
  return {};
}

Status TakeSystemDirectory(const std::string& path, TakenMounts& mounts) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) < 0) return {};
  if (S_ISDIR(status.st_mode)) return mounts.TakeTree(path, path);
  char text[256];
  const ssize_t length = ::readlink(path.c_str(), text, sizeof text);
  if (length <= 0 || static_cast<size_t>(length) == sizeof text) return FailErrno("read the link " + path);
  mounts.AddLink(std::string(text, static_cast<size_t>(length)), path);
  return {};
}

Status TakeSystem(TakenMounts& mounts) {
  REEVE_TRY(mounts.TakeTree("/usr", "/usr"));
  for (const char* directory : kSystemDirectories) REEVE_TRY(TakeSystemDirectory(directory, mounts));
  if (::access("/etc/alternatives", F_OK) == 0) REEVE_TRY(mounts.TakeTree("/etc/alternatives", "/etc/alternatives"));
  if (::access("/etc/ld.so.cache", F_OK) < 0) return {};
  return mounts.Take("/etc/ld.so.cache", "/etc/ld.so.cache", MountAccess::kRead);
}

void AddOwnPlaces(TakenMounts& mounts) {
  for (const char* directory : {"/tmp", "/proc", "/dev"}) mounts.AddDirectory(directory);
  mounts.AddLink("/proc/self/fd", "/dev/fd");
  mounts.AddLink("/proc/self/fd/0", "/dev/stdin");
  mounts.AddLink("/proc/self/fd/1", "/dev/stdout");
  mounts.AddLink("/proc/self/fd/2", "/dev/stderr");
}

Status GoToRoot() {
  if (::chdir("/") < 0) return FailErrno("chdir /");
  return {};
}

}  // namespace

Status MakeTreeReadOnly() {
  return SetOnAllMounts(MOUNT_ATTR_RDONLY);
}

Status EnterReadOnlyTree() {
  ::umask(0);
  TakenMounts devices;
  REEVE_TRY(TakeDevices(devices));
  REEVE_TRY(UnshareForProgram());
  REEVE_TRY(SetOnAllMounts(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  REEVE_TRY(MountTemporary());
  REEVE_TRY(std::move(devices).MountOver());
  return GoToRoot();
}

Status EnterSandboxTree() {
  ::umask(0);
  TakenMounts mounts;
  REEVE_TRY(TakeDevices(mounts));
  REEVE_TRY(TakeSystem(mounts));
  AddOwnPlaces(mounts);
  REEVE_TRY(UnshareForProgram());
  REEVE_TRY(std::move(mounts).PivotInto());
  REEVE_TRY(MountTemporary());
  if (::mount("reeve", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, kProcOptions) < 0) {
    return FailErrno("mount a /proc of its own");
  }
  return GoToRoot();
}

}  // namespace reeve::sandbox
