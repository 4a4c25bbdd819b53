#include "agent/warden/open_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/sys.h"

namespace reeve::warden {
namespace {

// A file may be removed between "it is there" and opening it; so often is that believed to be chance.
constexpr int kMaxAttempts = 4;
constexpr mode_t kNewFileMode = 0666;
constexpr mode_t kNewFileUmask = 0022;
// An open must not wait for a peer of a fifo, nor take a terminal.
constexpr int kAlways = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

bool Has(policy::FileAccessMask mask, policy::FileAccess access) {
  return (mask & static_cast<policy::FileAccessMask>(access)) != 0;
}

std::unexpected<Error> Refuse(int system_errno, const std::string& what) {
  return Fail(Error::System(system_errno, what));
}

// Where the file is looked for: a directory, a name below it, and how links are treated.
struct Place {
  UniqueFd directory;
  std::string name;
  uint64_t resolve = 0;
  bool refuses_links = false;  // a second hard link, when the file is to be written
};

// Under `open`: the whole tree, as the host wrote the path.
bool IsWholeTree(const policy::FileDirectory& rule) {
  return rule.path == "/" && rule.allows_any_type && rule.follows_symlinks_within;
}

Result<std::string> BelowDirectory(const PermittedOpen& request) {
  const std::string path = policy::NormalPath(request.path);
  const std::string& directory = request.directory.path;
  if (path == directory) return std::string(".");
  const std::string prefix = directory == "/" ? "/" : directory + "/";
  if (!path.starts_with(prefix)) return Refuse(EACCES, request.path + " is not below " + directory);
  return path.substr(prefix.size());
}

// Its owner is another than root and the user that this process is, or so it may be by its mode.
Result<bool> MayOthersWrite(int directory_fd) {
  const struct stat status = REEVE_TRY(sys::Stat(directory_fd));
  const bool is_ours = status.st_uid == 0 || status.st_uid == ::geteuid();
  return !is_ours || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

Result<Place> FindPlace(const PermittedOpen& request) {
  if (request.path.find('\0') != std::string::npos) return Refuse(EINVAL, "a path with a NUL byte");
  const policy::FileDirectory& rule = request.directory;
  if (IsWholeTree(rule)) {
    // A name without a slash before it counts from where the agent was started, as qemu-ga's.
    UniqueFd here = REEVE_TRY(sys::Open(".", O_PATH | O_DIRECTORY));
    return Place{.directory = std::move(here), .name = request.path, .resolve = RESOLVE_NO_MAGICLINKS};
  }
  UniqueFd directory = REEVE_TRY(sys::Open(rule.path, O_PATH | O_DIRECTORY));
  const std::string name = REEVE_TRY(BelowDirectory(request));
  uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (rule.follows_symlinks_within)
    return Place{.directory = std::move(directory), .name = name, .resolve = resolve, .refuses_links = true};
  resolve |= RESOLVE_NO_SYMLINKS;
  // The last directory is held open, so that what is said of it below is said of the one the file is opened in.
  const size_t slash = name.rfind('/');
  if (slash != std::string::npos)
    directory = REEVE_TRY(sys::OpenAt2(directory.get(), name.substr(0, slash),
                                       {.flags = O_PATH | O_DIRECTORY, .mode = 0, .resolve = resolve}));
  const bool refuses_links = REEVE_TRY(MayOthersWrite(directory.get()));
  return Place{.directory = std::move(directory),
               .name = slash == std::string::npos ? name : name.substr(slash + 1),
               .resolve = resolve,
               .refuses_links = refuses_links};
}

int AccessFlags(const PermittedOpen& request) {
  const bool reads = Has(request.access, policy::FileAccess::kRead);
  const bool writes = Has(request.access, policy::FileAccess::kWrite);
  const int mode = reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
  return mode | (request.appends ? O_APPEND : 0) | kAlways;
}

Status CheckObject(const PermittedOpen& request, const Place& place, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return Refuse(EISDIR, "open " + request.path);
  if (!S_ISREG(status.st_mode) && !request.directory.allows_any_type)
    return Refuse(EACCES, request.path + " is not a regular file");
  if (!Has(request.access, policy::FileAccess::kWrite) || IsWholeTree(request.directory)) return {};
  if (place.refuses_links && status.st_nlink > 1)
    return Refuse(EPERM, request.path + " has a second name, where others may make links");
  const uint64_t limit_bytes = request.directory.max_file_bytes;
  if (limit_bytes != 0 && !request.truncates && static_cast<uint64_t>(status.st_size) > limit_bytes)
    return Refuse(EFBIG, request.path + " is larger than " + std::to_string(limit_bytes) + " bytes");
  return {};
}

// The name of what is open, links resolved, whatever the host called it.
Status CheckResolvedName(const PermittedOpen& request, int fd, const std::string& below = "") {
  if (request.decider == nullptr) return {};
  char name[PATH_MAX];
  const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name, sizeof name);
  if (length < 0 || length == static_cast<ssize_t>(sizeof name)) return FailErrno("resolve " + request.path);
  const std::string resolved = std::string(name, static_cast<size_t>(length)) + below;
  const policy::Decision decision = request.decider->ResolvedFile(resolved);
  if (decision.is_allowed()) return {};
  return Refuse(EACCES,
                request.path + " is " + resolved + ", " + decision.reason + " (" + decision.origin.ToString() + ")");
}

// First only a handle to it, so that no device, fifo or terminal is opened to find out what it is; then that very object.
Result<UniqueFd> OpenExisting(const PermittedOpen& request, const Place& place) {
  const UniqueFd found = REEVE_TRY(
      sys::OpenAt2(place.directory.get(), place.name, {.flags = O_PATH, .mode = 0, .resolve = place.resolve}));
  const struct stat status = REEVE_TRY(sys::Stat(found.get()));
  REEVE_TRY(CheckObject(request, place, status));
  REEVE_TRY(CheckResolvedName(request, found.get()));
  Result<UniqueFd> opened = sys::Open("/proc/self/fd/" + std::to_string(found.get()), AccessFlags(request));
  if (!opened) return Refuse(opened.error().system_errno(), "open " + request.path);
  if (request.truncates && S_ISREG(status.st_mode) && ::ftruncate(opened->get(), 0) != 0)
    return FailErrno("truncate " + request.path);
  return opened;
}

Result<UniqueFd> CreateNew(const PermittedOpen& request, const Place& place) {
  // The directory first, so that what is made there has a name that is known. O_EXCL follows no link at the end.
  const size_t slash = place.name.rfind('/');
  const std::string way = slash == std::string::npos ? "." : place.name.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? place.name : place.name.substr(slash + 1);
  if (name.empty()) return Refuse(EISDIR, "open " + request.path);
  const UniqueFd directory = REEVE_TRY(
      sys::OpenAt2(place.directory.get(), way, {.flags = O_PATH | O_DIRECTORY, .mode = 0, .resolve = place.resolve}));
  REEVE_TRY(CheckResolvedName(request, directory.get(), "/" + name));
  const mode_t before = ::umask(kNewFileUmask);
  const open_how how{.flags = static_cast<uint64_t>(AccessFlags(request) | O_CREAT | O_EXCL),
                     .mode = kNewFileMode,
                     .resolve = place.resolve};
  Result<UniqueFd> opened = sys::OpenAt2(directory.get(), name, how);
  ::umask(before);
  if (!opened) return Refuse(opened.error().system_errno(), "open " + request.path);
  return opened;
}

Result<UniqueFd> OpenOrCreate(const PermittedOpen& request, const Place& place) {
  if (!Has(request.access, policy::FileAccess::kCreate)) return OpenExisting(request, place);
  Result<UniqueFd> opened = Fail(Code::kUnavailable, "");
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    opened = CreateNew(request, place);
    if (opened || opened.error().system_errno() != EEXIST) return opened;
    opened = OpenExisting(request, place);
    if (opened || opened.error().system_errno() != ENOENT) return opened;
  }
  return opened;
}

}  // namespace

Result<UniqueFd> OpenPermitted(const PermittedOpen& request) {
  const Place place = REEVE_TRY(FindPlace(request));
  return OpenOrCreate(request, place);
}

}  // namespace reeve::warden
