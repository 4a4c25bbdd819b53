#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Patterns of command names and of paths. Matching takes at most length times length steps. Thread-safe.

namespace reeve::policy {

// `*` is any run of characters. For command names.
bool MatchesName(std::string_view pattern, std::string_view name);
// How many characters of a name pattern are not wildcards; an exact name counts above every pattern with `*`.
size_t NameSpecificity(std::string_view pattern);

// `*` and `?` stay within one component, `**` as a whole component is any number of them, also none. A leading dot is
// nothing special. `path` and `pattern` are both relative or both absolute.
bool MatchesPath(std::string_view pattern, std::string_view path);
// Fails with kInvalidArgument on what MatchesPath would not understand as its writer meant it: `[`, `{`, `\`, `a**`, `..`,
// an empty component.
Status CheckPathPattern(std::string_view pattern);

}  // namespace reeve::policy
