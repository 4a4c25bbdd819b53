#include "policy/glob.h"

#include <cstdint>
#include <vector>

namespace reeve::policy {
namespace {

// Matches with one kind of wildcard item that stands for any run of items. Only the last wildcard seen is ever
// taken back, so the work is bounded by the product of the lengths.
template <typename Pattern, typename Text, typename IsRun, typename Equal>
bool MatchesRuns(const Pattern& pattern, const Text& text, IsRun is_run, Equal equal) {
  size_t p = 0;
  size_t t = 0;
  size_t after_run = SIZE_MAX;
  size_t run_end = 0;
  while (t < text.size()) {
    if (p < pattern.size() && is_run(pattern[p])) {
      after_run = ++p;
      run_end = t;
    } else if (p < pattern.size() && equal(pattern[p], text[t])) {
      p++;
      t++;
    } else if (after_run != SIZE_MAX) {
      p = after_run;
      t = ++run_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && is_run(pattern[p])) p++;
  return p == pattern.size();
}

bool IsStar(char c) {
  return c == '*';
}

bool MatchesComponent(std::string_view pattern, std::string_view component) {
  return MatchesRuns(pattern, component, IsStar, [](char p, char t) { return p == '?' || p == t; });
}

std::vector<std::string_view> Components(std::string_view path) {
  std::vector<std::string_view> components;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t slash = std::min(path.find('/', begin), path.size());
    components.push_back(path.substr(begin, slash - begin));
    begin = slash + 1;
  }
  return components;
}

Status CheckComponent(std::string_view component) {
  if (component.empty()) return Fail(Code::kInvalidArgument, "an empty component (a doubled or trailing slash)");
  if (component == "." || component == "..") return Fail(Code::kInvalidArgument, "`.` and `..` never match");
  if (component != "**" && component.find("**") != std::string_view::npos) {
    return Fail(Code::kInvalidArgument, "`**` must stand alone between slashes");
  }
  return {};
}

}  // namespace

bool MatchesName(std::string_view pattern, std::string_view name) {
  return MatchesRuns(pattern, name, IsStar, [](char p, char t) { return p == t; });
}

size_t NameSpecificity(std::string_view pattern) {
  if (pattern.find('*') == std::string_view::npos) return SIZE_MAX;
  size_t literal = 0;
  for (char c : pattern) literal += c != '*';
  return literal;
}

bool MatchesPath(std::string_view pattern, std::string_view path) {
  return MatchesRuns(
      Components(pattern), Components(path), [](std::string_view component) { return component == "**"; },
      MatchesComponent);
}

Status CheckPathPattern(std::string_view pattern) {
  if (pattern.find_first_of("[]{}\\") != std::string_view::npos) {
    return Fail(Code::kInvalidArgument, "only `*`, `?` and `**` are patterns");
  }
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  for (std::string_view component : Components(pattern)) REEVE_TRY(CheckComponent(component));
  return {};
}

}  // namespace reeve::policy
