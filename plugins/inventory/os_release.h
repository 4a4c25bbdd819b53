#pragma once

#include <map>
#include <string>
#include <string_view>

// os-release(5): what the distribution says of itself.

namespace reeve::inventory {

using OsRelease = std::map<std::string, std::string, std::less<>>;

// Of a key that stands there twice the last value. Lines that assign nothing are skipped. A quoted value is what stands
// between the quotes (in double ones after \$ \' \" \\ \` were undone); one without quotes ends at the first space or
// semicolon.
OsRelease ParseOsRelease(std::string_view text);

// os-release is below this on every distribution by two orders of magnitude.
inline constexpr size_t kMaxOsReleaseBytes = 256 << 10;

}  // namespace reeve::inventory
