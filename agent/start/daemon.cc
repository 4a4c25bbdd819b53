#include "agent/start/daemon.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/sys.h"

namespace reeve::start {
namespace {

Status LeaveTerminal() {
  if (::setsid() < 0) return FailErrno("begin a session");
  if (::chdir("/") != 0) return FailErrno("change to /");
  const UniqueFd nowhere = REEVE_TRY(sys::Open("/dev/null", O_RDWR));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::dup2(nowhere.get(), stream) < 0) return FailErrno("put /dev/null in place of a standard stream");
  return {};
}

}  // namespace

Result<PidFile> PidFile::Create(const std::string& path) {
  UniqueFd file = REEVE_TRY(sys::Open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
  if (const struct stat status = REEVE_TRY(sys::Stat(file.get())); !S_ISREG(status.st_mode))
    return Fail(Code::kInvalidArgument, path + " is not a regular file");
  const struct flock whole{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  if (::fcntl(file.get(), F_SETLK, &whole) != 0) return FailErrno("Cannot lock pid file");
  if (::ftruncate(file.get(), 0) != 0) return FailErrno("empty " + path);
  REEVE_TRY(sys::WriteAll(file.get(), AsBytes(std::to_string(::getpid()) + "\n")));
  return PidFile(path, std::move(file));
}

PidFile::~PidFile() {
  if (file_) ::unlink(path_.c_str());
}

Result<PidFile> BecomeDaemon(const std::string& pid_file) {
  const pid_t child = ::fork();
  if (child < 0) return FailErrno("fork");
  if (child > 0) ::_exit(EXIT_SUCCESS);
  PidFile file = REEVE_TRY(PidFile::Create(pid_file));
  REEVE_TRY(LeaveTerminal());
  return file;
}

}  // namespace reeve::start
