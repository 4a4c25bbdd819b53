#include "helpers/key_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/cleanup.h"
#include "base/sys.h"
#include "helpers/contract.h"
#include "helpers/home_directory.h"

namespace reeve::helpers {
namespace {

constexpr const char* kDirectory = ".ssh";
constexpr const char* kFile = "authorized_keys";
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
constexpr int kMaxNames = 16;
constexpr std::string_view kTemporaryPrefix = ".authorized_keys.reeve-";
constexpr size_t kTemporaryDigits = 16;
// Above what any rule lets a helper run.
constexpr time_t kLeftoverAgeS = 60;
// Of a directory's names, 32 KiB at once; whoever fills his own with more keeps what was left in it.
constexpr int kMaxNamePieces = 32;

bool IsMissing(const Error& error) {
  return error.system_errno() == ENOENT;
}

// Without the name that the wrapper put before it; for texts that name it themselves.
std::string ReasonOf(const Error& error) {
  switch (error.system_errno()) {
    case 0:
      return error.message();
    case ELOOP:
      return "it is a symbolic link";
    case EXDEV:
      return "it stands on another file system";
    case EWOULDBLOCK:
      return "somebody holds a lease on it";
    default:
      return ErrnoText(error.system_errno());
  }
}

std::unexpected<Error> FailedTo(const std::string& what, const std::string& path, const Error& why) {
  return Fail(why.code(), "failed to " + what + " '" + path + "': " + ReasonOf(why));
}

Status CheckOwner(const struct stat& status, uid_t uid) {
  if (status.st_uid == uid) return {};
  return Fail(Code::kDenied, "it belongs to user " + std::to_string(status.st_uid));
}

Result<UniqueFd> OpenOwnDirectory(int home, uid_t uid) {
  UniqueFd directory =
      REEVE_TRY(sys::OpenAt2(home, kDirectory, {.flags = O_RDONLY | O_DIRECTORY, .mode = 0, .resolve = kBeneath}));
  const struct stat status = REEVE_TRY(sys::Stat(directory.get()));
  REEVE_TRY(CheckOwner(status, uid));
  return directory;
}

Result<std::string> TemporaryName() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return FailErrno("get random bytes");
  char digits[kTemporaryDigits + 1];
  (void)::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  return std::string(kTemporaryPrefix) + digits;
}

bool IsTemporaryName(std::string_view name) {
  return name.starts_with(kTemporaryPrefix) && name.size() == kTemporaryPrefix.size() + kTemporaryDigits;
}

void RemoveIfOld(int directory, const char* name, time_t now) {
  struct stat status{};
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode)) return;
  if (status.st_mtim.tv_sec < now - kLeftoverAgeS) (void)::unlinkat(directory, name, 0);
}

// EINVAL: nothing of that kind can be synced there (fsync(2)).
Status Sync(int fd) {
  if (::fsync(fd) == 0 || errno == EINVAL) return {};
  return FailErrno("sync");
}

}  // namespace

// As qemu-ga builds it: /etc/passwd may have a slash at the end.
std::string KeyFile::DirectoryPath() const {
  return home_path_.substr(0, home_path_.find_last_not_of('/') + 1) + "/.ssh";
}

Result<bool> KeyFile::OpenDirectory() {
  if (!home_) {
    Result<UniqueFd> home = OpenHome(home_path_, uid_);
    if (!home && IsMissing(home.error())) return false;
    if (!home) return FailedTo("open directory", home_path_, home.error());
    home_ = std::move(*home);
  }
  Result<UniqueFd> directory = OpenOwnDirectory(home_.get(), uid_);
  if (!directory && IsMissing(directory.error())) return false;
  if (!directory) return FailedTo("open directory", DirectoryPath(), directory.error());
  directory_ = std::move(*directory);
  return true;
}

Status KeyFile::OpenOrMakeDirectory() {
  if (REEVE_TRY(OpenDirectory())) return {};
  if (!home_) return FailedTo("create directory", DirectoryPath(), Error::System(ENOENT, home_path_));
  if (::mkdirat(home_.get(), kDirectory, kDirectoryMode) < 0 && errno != EEXIST)
    return FailedTo("create directory", DirectoryPath(), Error::System(errno, kDirectory));
  if (!REEVE_TRY(OpenDirectory()))
    return FailedTo("create directory", DirectoryPath(), Error::System(ENOENT, kDirectory));
  // That it is there is on the disk too, where the home directory can be opened for that.
  if (const Result<UniqueFd> home = sys::OpenAt(home_.get(), ".", O_RDONLY | O_DIRECTORY)) (void)::fsync(home->get());
  return {};
}

Error KeyFile::Missing() const {
  return Error(Code::kNotFound, "failed to read '" + FilePath() + "': Failed to open file \u201C" + FilePath() +
                                    "\u201D: " + ErrnoText(ENOENT));
}

Result<std::optional<UniqueFd>> KeyFile::Open(uint64_t flags) const {
  Result<UniqueFd> file = sys::OpenAt2(directory_.get(), kFile, {.flags = flags, .mode = 0, .resolve = kBeneath});
  if (!file && IsMissing(file.error())) return std::nullopt;
  if (!file) return Fail(file.error());
  const struct stat status = REEVE_TRY(sys::Stat(file->get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kDenied, "it is not a regular file");
  REEVE_TRY(CheckOwner(status, uid_));
  return std::move(*file);
}

Result<std::optional<std::string>> KeyFile::Read() const {
  // O_NONBLOCK: neither a fifo nor somebody's lease makes the open wait.
  const Result<std::optional<UniqueFd>> file = Open(O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return FailedTo("read", FilePath(), file.error());
  if (!*file) return std::nullopt;
  Result<std::string> content = sys::ReadToEnd((*file)->get(), kMaxKeysBytes);
  if (!content && content.error().code() == Code::kTooLarge)
    return Fail(Code::kTooLarge,
                "failed to read '" + FilePath() + "': it is larger than " + std::to_string(kMaxKeysBytes) + " bytes");
  if (!content) return FailedTo("read", FilePath(), content.error());
  return std::move(*content);
}

Status KeyFile::CheckReplaceable() const {
  const Result<std::optional<UniqueFd>> file = Open(O_PATH);
  if (!file) return FailedTo("write to", FilePath(), file.error());
  return {};
}

// A name that nobody can have guessed, and a file that was not there.
Result<UniqueFd> KeyFile::MakeTemporary(std::string& name) const {
  constexpr uint64_t kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  Result<UniqueFd> made = Fail(Error::System(EEXIST, FilePath()));
  for (int attempt = 0; attempt < kMaxNames && !made && made.error().system_errno() == EEXIST; ++attempt) {
    name = REEVE_TRY(TemporaryName());
    made = sys::OpenAt2(directory_.get(), name, {.flags = kFlags, .mode = kFileMode, .resolve = kBeneath});
  }
  return made;
}

Status KeyFile::WriteTemporary(int file, const std::string& name, const std::string& content) const {
  REEVE_TRY(sys::WriteAll(file, AsBytes(content)));
  REEVE_TRY(Sync(file));
  if (::renameat(directory_.get(), name.c_str(), directory_.get(), kFile) < 0) return FailErrno("rename");
  return {};
}

Status KeyFile::Replace(const std::string& content) const {
  std::string name;
  const Result<UniqueFd> file = MakeTemporary(name);
  if (!file) return FailedTo("write to", FilePath(), file.error());
  Cleanup remove = [&] { (void)::unlinkat(directory_.get(), name.c_str(), 0); };
  // By the file system's own clock.
  if (const Result<struct stat> made = sys::Stat(file->get())) RemoveLeftovers(made->st_mtim.tv_sec);
  const Status written = WriteTemporary(file->get(), name, content);
  if (!written) return FailedTo("write to", FilePath(), written.error());
  remove.Cancel();
  const Status synced = Sync(directory_.get());
  if (!synced) return FailedTo("write to", FilePath(), synced.error());
  return {};
}

void KeyFile::RemoveLeftovers(time_t now) const {
  alignas(dirent64) char names[32 * 1024];
  for (int piece = 0; piece < kMaxNamePieces; ++piece) {
    const ssize_t size = ::getdents64(directory_.get(), names, sizeof names);
    if (size <= 0) return;
    for (ssize_t at = 0; at < size;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(names + at);
      if (IsTemporaryName(entry->d_name)) RemoveIfOld(directory_.get(), entry->d_name, now);
      at += entry->d_reclen;
    }
  }
}

}  // namespace reeve::helpers
