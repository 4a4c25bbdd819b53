#include "helpers/key_file.h"

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
  char name[64];
  (void)::snprintf(name, sizeof name, ".%s.reeve-%016llx", kFile, static_cast<unsigned long long>(number));
  return std::string(name);
}

}  // namespace

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

Result<std::optional<UniqueFd>> KeyFile::Open() const {
  // O_NONBLOCK: neither a fifo nor somebody's lease makes the open wait.
  constexpr uint64_t kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  Result<UniqueFd> file = sys::OpenAt2(directory_.get(), kFile, {.flags = kFlags, .mode = 0, .resolve = kBeneath});
  if (!file && IsMissing(file.error())) return std::nullopt;
  if (!file) return Fail(file.error());
  const struct stat status = REEVE_TRY(sys::Stat(file->get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kDenied, "it is not a regular file");
  REEVE_TRY(CheckOwner(status, uid_));
  return std::move(*file);
}

Result<std::optional<std::string>> KeyFile::Read() const {
  const Result<std::optional<UniqueFd>> file = Open();
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
  const Result<std::optional<UniqueFd>> file = Open();
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
  if (::fsync(file) < 0) return FailErrno("sync");
  if (::renameat(directory_.get(), name.c_str(), directory_.get(), kFile) < 0) return FailErrno("rename");
  return {};
}

Status KeyFile::Replace(const std::string& content) const {
  std::string name;
  const Result<UniqueFd> file = MakeTemporary(name);
  if (!file) return FailedTo("write to", FilePath(), file.error());
  Cleanup remove = [&] { (void)::unlinkat(directory_.get(), name.c_str(), 0); };
  const Status written = WriteTemporary(file->get(), name, content);
  if (!written) return FailedTo("write to", FilePath(), written.error());
  remove.Cancel();
  if (::fsync(directory_.get()) < 0) return FailedTo("write to", FilePath(), Error::System(errno, "sync"));
  return {};
}

}  // namespace reeve::helpers
