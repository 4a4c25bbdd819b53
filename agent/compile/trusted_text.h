#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// Reading what decides what the agent may do. The file, every directory on its way and on the way of
// every link among them must belong to root or to this process's own user and be writable by nobody else; directories
// on the way may be sticky instead. Each step is taken from the descriptor of the step before.

namespace reeve::compile {

// The whole of a regular file of at most `limit_bytes`. Fails with kNotFound when there is none, kDenied when it may
// not be trusted.
Result<std::string> ReadTrusted(const std::string& path, size_t limit_bytes);

// Whose files are believed.
enum class Trust : uint8_t {
  kOwned,    // as above: of whatever shall take effect
  kAnybody,  // anybody's: for looking at a file that takes no effect
};
Result<std::string> ReadText(Trust trust, const std::string& path, size_t limit_bytes);

// Whether `path` is /dev/null, or a link to it on a way as above: who cannot be trusted with a file switches none off.
bool IsNothing(Trust trust, const std::string& path);

// Who may add a name to a directory whose files count by being there.
enum class Listing : uint8_t {
  kOwnerAdds,       // its owner alone
  kStickyIsEnough,  // anybody, when it is sticky: each file is judged by itself
};

// The names in a trusted directory that end with `suffix`, sorted; those that begin with a dot are left out. An absent
// directory has none.
Result<std::vector<std::string>> ListTrusted(const std::string& directory, const std::string& suffix, Listing listing);

}  // namespace reeve::compile
