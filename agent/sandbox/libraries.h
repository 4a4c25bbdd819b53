#pragma once

#include <string>
#include <vector>

#include "base/result.h"

// Which files the dynamic loader will open for a program: so that they, and no directory of libraries, stand
// in its private root.

namespace reeve::sandbox {

struct Libraries {
  std::string loader;              // PT_INTERP; empty for a static program
  std::vector<std::string> files;  // every needed library, theirs included, each once
};

// `elf_fds` are a program and what it will load (lent, readable). Looks where the loader looks by default;
// DT_RUNPATH is not followed, as nothing that Reeve confines has one. Fails with kNotFound naming a library
// that is nowhere.
Result<Libraries> NeededLibraries(const std::vector<int>& elf_fds);
// No sensible program needs more; a bound for what a broken file can cost.
inline constexpr size_t kMaxLibraries = 128;

}  // namespace reeve::sandbox
