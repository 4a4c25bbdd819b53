#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "plugins/inventory/file_stamp.h"

namespace reeve::inventory {

// A file or directory that the manifest asks for. The sandbox lets in what stood there as the process began, by what it is
// and not by its name: what takes its place later, or comes into being, can be looked at and not read, until another
// process takes this one's place (reeve.agent.renew/1).
class GrantedPath {
 public:
  // REQUIRES: made as the process begins.
  explicit GrantedPath(std::string path);

  const std::string& path() const { return path_; }
  // What stands there now. Fails with kNotFound.
  Result<FileStamp> Stamp() const { return StampOf(path_); }
  // To be read. Fails with kUnsupported when it is no regular file, and does not wait for what it is then.
  Result<UniqueFd> OpenFile() const;
  // Its text. Fails with kTooLarge above `limit_bytes`.
  Result<std::string> ReadFile(size_t limit_bytes) const;
  // True of what stands there now but did not when the sandbox was made.
  bool IsLater(const FileStamp& now) const { return !granted_ || !granted_->IsSameFile(now); }
  // The same of what stands there now, if anything does.
  bool IsOutdated() const;

 private:
  std::string path_;
  std::optional<FileStamp> granted_;
};

}  // namespace reeve::inventory
