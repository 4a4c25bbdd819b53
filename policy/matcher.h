#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"
#include "policy/regex.h"

namespace reeve::policy {

// The longest user name that the user database tools accept.
inline constexpr size_t kMaxUserNameBytes = 32;

// One argument matcher, ready to match. Thread-safe.
//
// An argument with a NUL never matches: the kernel would cut it there. One that begins with `-` matches only a literal,
// a member of one-of, or a prefix that begins with `-` itself: whatever else is granted, the host cannot turn it
// into an option. Control bytes match only a literal or a member of one-of.
class ArgumentMatcher {
 public:
  // Fails with kInvalidArgument when a regular expression does not compile within its budget.
  static Result<ArgumentMatcher> Create(const Matcher& matcher);
  bool Matches(std::string_view argument) const;
  // For `deny:`, where an option or a control byte is just what is to be caught: without these two rules.
  bool MatchesAlsoOptions(std::string_view argument) const;
  const Matcher& matcher() const { return matcher_; }

 private:
  explicit ArgumentMatcher(Matcher matcher) : matcher_(std::move(matcher)) {}
  bool MatchesInt(std::string_view argument) const;
  bool MatchesFilePath(std::string_view argument) const;
  bool IsListedOption(std::string_view argument) const;

  Matcher matcher_;
  std::optional<Regex> regex_;
};

// A whole argument list: one matcher an argument; a repetition may stand last.
class ArgumentListMatcher {
 public:
  static Result<ArgumentListMatcher> Create(const std::vector<Matcher>& matchers);
  bool Matches(std::span<const std::string> args) const;
  // How many arguments from the front match, whatever the length of the list.
  size_t CountMatching(std::span<const std::string> args) const;

 private:
  std::vector<ArgumentMatcher> single_;
  std::optional<ArgumentMatcher> repeated_;
  uint64_t minimum_repeats_ = 0;
  uint64_t maximum_repeats_ = 0;
};

bool HasControlByte(std::string_view text);
bool IsUserName(std::string_view text);

}  // namespace reeve::policy
