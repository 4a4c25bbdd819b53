#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/decide.h"

namespace reeve::warden {

// One open that policy allowed, with all that the child needs to carry it out. Plain value.
struct PermittedOpen {
  std::string path;                 // as the worker gave it
  policy::FileDirectory directory;  // the rule that allowed it
  policy::FileAccessMask access = 0;
  bool truncates = false;
  bool appends = false;
  // Lent: what the path comes to, once links are resolved, is held against the absolute `deny:` too. null: there is none.
  const policy::Decider* decider = nullptr;
  std::string plugin = {};  // for who starts it: the plugin whose own directory it is; empty: one of files.directories
};

// Opens the file below the rule's directory, as the user that this process is. Runs in a forked child: it may sleep as
// long as the file system does.
//
// - Resolved by openat2 beneath the directory, no magic link ever, no symlink unless the rule says `symlinks: within`. Under `open`
//   (directory /, any type, symlinks) nothing but magic links is refused.
// - What it is, is looked at before it is opened: only a regular file (any file but a directory where the rule allows
//   any type), none that policy denies under its resolved name, and none that has a second hard link when it is to be written in a directory that others may write.
// - With kCreate a missing file is made, mode 0666 less umask 0022; an existing one keeps its mode (qemu-ga's order: O_EXCL
//   first). It is truncated only after all checks.
//
// The error's system_errno() is what qemu-ga's client would see: ENOENT, EACCES, ELOOP, EXDEV, EISDIR, EFBIG, ...
Result<UniqueFd> OpenPermitted(const PermittedOpen& request);

}  // namespace reeve::warden
