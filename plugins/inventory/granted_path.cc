#include "plugins/inventory/granted_path.h"

#include <fcntl.h>

#include <cstdlib>
#include <ctime>

#include "base/sys.h"

namespace reeve::inventory {
namespace {

// Far more than lies between the making of the sandbox and the plugin's first look. What changed longer ago and is refused
// was never granted, and no other process would be let in either.
constexpr time_t kStartS = 10;

// O_NONBLOCK: a fifo has no writer to wait for.
constexpr int kToRead = O_RDONLY | O_NONBLOCK | O_NOCTTY;

bool HasJustChanged(const FileStamp& stamp) {
  return std::abs(::time(nullptr) - stamp.changed.tv_sec) <= kStartS;
}

}  // namespace

GrantedPath::GrantedPath(std::string path) : path_(std::move(path)) {
  const Result<FileStamp> stamp = Stamp();
  if (!stamp) return;
  const Result<UniqueFd> opened = sys::Open(path_, kToRead);
  const bool is_refused = !opened && opened.error().code() == Code::kDenied;
  if (!is_refused || !HasJustChanged(*stamp)) granted_ = *stamp;
}

Result<UniqueFd> GrantedPath::OpenFile() const {
  UniqueFd file = REEVE_TRY(sys::Open(path_, kToRead));
  const struct stat status = REEVE_TRY(sys::Stat(file.get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kUnsupported, path_ + " is no regular file");
  return file;
}

Result<std::string> GrantedPath::ReadFile(size_t limit_bytes) const {
  const UniqueFd file = REEVE_TRY(OpenFile());
  Result<std::string> text = sys::ReadToEnd(file.get(), limit_bytes);
  if (!text) return Fail(text.error().Within(path_));
  return text;
}

bool GrantedPath::IsOutdated() const {
  const Result<FileStamp> now = Stamp();
  return now && IsLater(*now);
}

}  // namespace reeve::inventory
