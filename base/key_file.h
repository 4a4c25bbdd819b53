#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace reeve {

// The key-file format that GLib reads and qemu-ga.conf is written in: `[group]`, `key=value`, `#` comments. Groups of one name
// are one; of two equal keys the later holds. Pure. Errors name the line, not the file.
class KeyFile {
 public:
  // More than any qemu-ga.conf: what is longer is not looked at.
  static constexpr size_t kMaxBytes = 64 * 1024;

  static Result<KeyFile> Parse(std::string_view text);

  // Nothing when the key is not there. With \s \t \n \r \\ resolved; fails at any other backslash.
  Result<std::optional<std::string>> Text(std::string_view group, std::string_view key) const;
  // true, false, 1, 0; fails with anything else.
  Result<std::optional<bool>> Bool(std::string_view group, std::string_view key) const;

 private:
  Status TakeLine(std::string_view line, std::string& group);

  std::map<std::pair<std::string, std::string>, std::string, std::less<>> values_;  // by group and key, as written
};

// `value` as it has to be written behind `key=`, so that Text gives it back.
std::string KeyFileValue(std::string_view value);

}  // namespace reeve
