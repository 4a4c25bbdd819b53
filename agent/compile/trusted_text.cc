#include "agent/compile/trusted_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/sys.h"

namespace reeve::compile {
namespace {

// More files than any machine has; keeps a wrong --plugin-dir from being read for ever.
constexpr size_t kMaxNames = 4096;
// The kernel's own limit for one path.
constexpr int kMaxLinks = 40;

bool IsWritableByOthers(const struct stat& status) {
  // A group of number 0 is root's own.
  const mode_t others = status.st_gid == 0 ? S_IWOTH : S_IWGRP | S_IWOTH;
  return (status.st_mode & others) != 0;
}

// Nothing can be read there, whoever may write.
bool IsNullDevice(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

Status CheckOwner(const struct stat& status, const std::string& path) {
  if (IsNullDevice(status)) return {};
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return Fail(Code::kDenied, path + ": belongs to user " + std::to_string(status.st_uid) + ", not to root");
  }
  const bool is_sticky_directory = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  // The mode of a link says nothing.
  if (!S_ISLNK(status.st_mode) && IsWritableByOthers(status) && !is_sticky_directory) {
    return Fail(Code::kDenied, path + ": may be written by others than its owner");
  }
  return {};
}

Result<std::string> ReadLink(int link_fd, const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(link_fd, "", target.data(), target.size());
  if (length <= 0 || length == static_cast<ssize_t>(target.size())) return FailErrno("read link " + path);
  target.resize(static_cast<size_t>(length));
  return target;
}

// The last step of a way: the directory that holds the object, its name there, and how it looks.
struct WayEnd {
  UniqueFd directory;
  std::string name = ".";
  std::string path = "/";
  struct stat status = {};
};

// Goes from the root to an object, one component at a time.
class Walk {
 public:
  Result<WayEnd> To(const std::string& path) {
    if (!path.starts_with('/')) return Fail(Code::kInvalidArgument, path + ": is not an absolute path");
    REEVE_TRY(Begin(path));
    while (!rest_.empty()) {
      end_.name = std::move(rest_.back());
      rest_.pop_back();
      REEVE_TRY(Step());
    }
    if (end_.directory.get() < 0) end_.directory = std::move(here_);  // the root itself
    return std::move(end_);
  }

 private:
  Status Begin(const std::string& path) {
    end_ = {};
    where_ = "/";
    here_ = REEVE_TRY(sys::Open("/", O_PATH | O_DIRECTORY));
    end_.status = REEVE_TRY(sys::Stat(here_.get()));
    REEVE_TRY(CheckOwner(end_.status, "/"));
    Push(path);
    return {};
  }

  void Push(std::string_view path) {
    for (size_t end = path.size(); end > 0;) {
      const size_t slash = path.rfind('/', end - 1);
      const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
      const std::string_view name = path.substr(begin, end - begin);
      if (!name.empty() && name != ".") rest_.emplace_back(name);
      end = begin == 0 ? 0 : begin - 1;
    }
  }

  Status Step() {
    const std::string path = (where_ == "/" ? "" : where_) + "/" + end_.name;
    Result<UniqueFd> next = sys::OpenAt(here_.get(), end_.name, O_PATH | O_NOFOLLOW);
    if (!next) return Fail(Error::System(next.error().system_errno(), "look at " + path));
    end_.status = REEVE_TRY(sys::Stat(next->get()));
    REEVE_TRY(CheckOwner(end_.status, path));
    if (S_ISLNK(end_.status.st_mode)) return Follow(next->get(), path);
    end_.path = where_ = path;
    end_.directory = std::exchange(here_, std::move(*next));
    return {};
  }

  Status Follow(int link_fd, const std::string& path) {
    if (++links_ > kMaxLinks) return Fail(Error::System(ELOOP, "look at " + path));
    const std::string target = REEVE_TRY(ReadLink(link_fd, path));
    if (target.starts_with('/')) return Begin(target);
    Push(target);
    return {};
  }

  UniqueFd here_;
  std::string where_ = "/";
  std::vector<std::string> rest_;  // the next component is the last
  WayEnd end_;
  int links_ = 0;
};

// `way` is where Walk arrived. What is opened is judged again: it may be another by now, if of the same owner.
Result<UniqueFd> OpenEnd(const WayEnd& way, int flags) {
  Result<UniqueFd> fd = sys::OpenAt(way.directory.get(), way.name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) return Fail(Error::System(fd.error().system_errno(), "open " + way.path));
  const struct stat status = REEVE_TRY(sys::Stat(fd->get()));
  REEVE_TRY(CheckOwner(status, way.path));
  return fd;
}

}  // namespace

Result<std::string> ReadTrusted(const std::string& path, size_t limit_bytes) {
  const WayEnd way = REEVE_TRY(Walk().To(path));
  if (!S_ISREG(way.status.st_mode)) return Fail(Code::kDenied, path + ": is not a regular file");
  const UniqueFd fd = REEVE_TRY(OpenEnd(way, O_RDONLY));
  return sys::ReadToEnd(fd.get(), limit_bytes);
}

bool IsNothing(Trust trust, const std::string& path) {
  struct stat status = {};
  if (trust == Trust::kAnybody) return ::stat(path.c_str(), &status) == 0 && IsNullDevice(status);
  const Result<WayEnd> way = Walk().To(path);
  return way && IsNullDevice(way->status);
}

Result<std::string> ReadText(Trust trust, const std::string& path, size_t limit_bytes) {
  return trust == Trust::kOwned ? ReadTrusted(path, limit_bytes) : sys::ReadFile(path, limit_bytes);
}

Result<std::vector<std::string>> ListTrusted(const std::string& directory, const std::string& suffix, Listing listing) {
  Result<WayEnd> way = Walk().To(directory);
  if (!way && way.error().code() == Code::kNotFound) return std::vector<std::string>();
  if (!way) return Fail(way.error());
  if (listing == Listing::kOwnerAdds && IsWritableByOthers(way->status)) {
    return Fail(Code::kDenied, directory + ": may be written by others than its owner");
  }
  UniqueFd fd = REEVE_TRY(OpenEnd(*way, O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (stream == nullptr) return FailErrno("read directory " + directory);
  (void)fd.Release();
  std::vector<std::string> names;
  while (const struct dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name.ends_with(suffix) && !name.starts_with('.')) names.push_back(name);
    if (names.size() > kMaxNames) return Fail(Code::kTooLarge, directory + ": more than 4096 files");
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace reeve::compile
