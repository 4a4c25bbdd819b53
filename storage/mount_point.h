#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::storage {

// Opens the directory at `path`, an absolute one as the kernel's mount table has it: without links. A link anywhere on the way
// is refused, for since the table was read somebody may have put it in the place of a directory of his. Any thread; may wait
// for a disk. Fails with the errno of the part that cannot be passed.
Result<UniqueFd> OpenMountPoint(const std::string& path);

}  // namespace reeve::storage
