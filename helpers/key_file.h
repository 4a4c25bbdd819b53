#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::helpers {

// A user's ~/.ssh/authorized_keys, by descriptors. All of it is done by that user, with no more rights than he has; and nothing is
// touched that is not his: `.ssh` and the file must belong to him, the file must be a regular one, and neither may be reached by a
// link or stand on another file system than the home directory. Nothing here waits for somebody who holds a fifo or a lease;
// what a file system itself makes wait, waits. Error texts are qemu-ga's up to the reason. Not thread-safe.
class KeyFile {
 public:
  // `home_path` is for texts and for opening. REQUIRES: this process is user `uid` for good.
  KeyFile(std::string home_path, uid_t uid) : home_path_(std::move(home_path)), uid_(uid) {}

  // False: there is no `.ssh`.
  Result<bool> OpenDirectory();
  // The same, but it is made, mode 0700, when it is missing.
  Status OpenOrMakeDirectory();
  // For a confinement to this directory alone; -1 before it is open. Lent.
  int directory_fd() const { return directory_.get(); }

  // Nothing: there is no such file. Fails with kTooLarge above kMaxKeysBytes. REQUIRES: the directory is open.
  Result<std::optional<std::string>> Read() const;
  // Whatever it holds, however large it is, and who may read it: is it a file that may be replaced, or is there none?
  Status CheckReplaceable() const;
  // Another file, mode 0600, takes its place, whole, and is on the disk when this returns. What an earlier process left behind when
  // it was killed amid that is removed.
  Status Replace(const std::string& content) const;

  // The error of reading a file that is not there, in GLib's words.
  Error Missing() const;

 private:
  Result<std::optional<UniqueFd>> Open(uint64_t flags) const;
  void RemoveLeftovers(time_t now) const;
  Result<UniqueFd> MakeTemporary(std::string& name) const;
  Status WriteTemporary(int file, const std::string& name, const std::string& content) const;
  std::string DirectoryPath() const;
  std::string FilePath() const { return DirectoryPath() + "/authorized_keys"; }

  const std::string home_path_;
  const uid_t uid_;
  UniqueFd home_;
  UniqueFd directory_;
};

}  // namespace reeve::helpers
