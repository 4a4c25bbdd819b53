#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace reeve::policy {

// A regular expression that must match the whole of a text, in time linear in it. Thread-safe.
class Regex {
 public:
  // Fails with kInvalidArgument when the pattern is wrong or needs more than 256 KiB.
  static Result<Regex> Create(const std::string& pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();
  bool Matches(std::string_view text) const;

 private:
  struct Compiled;
  explicit Regex(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace reeve::policy
