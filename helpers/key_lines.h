#pragma once

#include <string>
#include <string_view>
#include <vector>

// The text of an authorized_keys, and what is done with it. Pure. Lines are taken as bytes: what does not have to change, comments,
// options, empty lines, stays as it was. Blanks around a line, a carriage return too, do not count when lines are compared: they are
// nothing to sshd, and a host does not see them.

namespace reeve::helpers {

// The lines of a text, without their ends; an end of the text without one ends a line too. Views into it.
std::vector<std::string_view> LinesOf(std::string_view text);

// The lines that are keys, without blanks around them, each followed by a line end; the last of the file first, as qemu-ga.
std::string ListKeys(std::string_view file);

// The file with each of `keys` that no line of it is yet, at the end, in their order. Empty ones are passed over. What was a last
// line without an end gets one.
std::string AddKeys(std::string_view file, const std::vector<std::string_view>& keys);

// The file without the lines that are one of `keys`. Comments stay.
std::string RemoveKeys(std::string_view file, const std::vector<std::string_view>& keys);

}  // namespace reeve::helpers
