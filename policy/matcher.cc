#include "policy/matcher.h"

#include <algorithm>
#include <charconv>

#include "policy/decide.h"

namespace reeve::policy {
namespace {

bool IsAlpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool HasControlByte(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// What useradd(8) of one distribution or another makes. Many programs take digits alone for a user's number: {except: [root]} would
// let 0 through.
bool IsUserName(std::string_view text) {
  if (text.size() > kMaxUserNameBytes) return false;
  if (text.ends_with('$')) text.remove_suffix(1);
  if (std::ranges::all_of(text, IsDigit)) return false;  // so is nothing at all
  if (!IsAlpha(text[0]) && !IsDigit(text[0]) && text[0] != '_') return false;
  return std::ranges::all_of(text, [](char c) { return IsAlpha(c) || IsDigit(c) || c == '_' || c == '.' || c == '-'; });
}

Result<ArgumentMatcher> ArgumentMatcher::Create(const Matcher& matcher) {
  ArgumentMatcher made(matcher);
  if (matcher.kind == Matcher::Kind::kRegex) made.regex_ = REEVE_TRY(Regex::Create(matcher.text));
  return made;
}

bool ArgumentMatcher::IsListedOption(std::string_view argument) const {
  switch (matcher_.kind) {
    case Matcher::Kind::kLiteral:
    case Matcher::Kind::kOneOf:
      return true;
    case Matcher::Kind::kPrefix:
      return matcher_.text.starts_with('-');
    default:
      return !argument.starts_with('-');
  }
}

bool ArgumentMatcher::Matches(std::string_view argument) const {
  if (argument.starts_with('-') && !IsListedOption(argument)) return false;
  const bool is_written_out = matcher_.kind == Matcher::Kind::kLiteral || matcher_.kind == Matcher::Kind::kOneOf;
  if (!is_written_out && HasControlByte(argument)) return false;
  return MatchesAlsoOptions(argument);
}

bool ArgumentMatcher::MatchesAlsoOptions(std::string_view argument) const {
  if (argument.find('\0') != std::string_view::npos) return false;
  switch (matcher_.kind) {
    case Matcher::Kind::kLiteral:
      return argument == matcher_.text;
    case Matcher::Kind::kOneOf:
      return std::ranges::find(matcher_.texts, argument) != matcher_.texts.end();
    case Matcher::Kind::kInt:
      return MatchesInt(argument);
    case Matcher::Kind::kPath:
      return MatchesFilePath(argument);
    case Matcher::Kind::kRegex:
      return argument.size() <= matcher_.max_bytes && regex_->Matches(argument);
    case Matcher::Kind::kPrefix:
      return argument.starts_with(matcher_.text);
    case Matcher::Kind::kUsername:
      return IsUserName(argument) && std::ranges::find(matcher_.texts, argument) == matcher_.texts.end();
    case Matcher::Kind::kAny:
      return argument.size() <= matcher_.max_bytes;
    case Matcher::Kind::kRepeat:
      return false;
  }
  return false;
}

// Decimal as people write it: no sign but a minus, no leading zero, no space; the program may not read `010` as 8.
bool ArgumentMatcher::MatchesInt(std::string_view argument) const {
  const std::string_view digits = argument.starts_with('-') ? argument.substr(1) : argument;
  if (digits.empty() || !std::ranges::all_of(digits, IsDigit)) return false;
  if (digits.starts_with('0') && argument != "0") return false;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), value);
  return error == std::errc() && value >= matcher_.minimum && value <= matcher_.maximum;
}

bool ArgumentMatcher::MatchesFilePath(std::string_view argument) const {
  if (NormalPath(argument) != argument) return false;
  if (matcher_.is_equals) return argument == matcher_.text;
  return IsBelow(argument, matcher_.text);
}

Result<ArgumentListMatcher> ArgumentListMatcher::Create(const std::vector<Matcher>& matchers) {
  ArgumentListMatcher list;
  for (const Matcher& matcher : matchers) {
    if (list.repeated_) return Fail(Code::kInvalidArgument, "a repetition must stand last");
    if (matcher.kind != Matcher::Kind::kRepeat) {
      list.single_.push_back(REEVE_TRY(ArgumentMatcher::Create(matcher)));
      continue;
    }
    if (matcher.of.size() != 1) return Fail(Code::kInvalidArgument, "a repetition repeats one matcher");
    list.repeated_ = REEVE_TRY(ArgumentMatcher::Create(matcher.of[0]));
    list.minimum_repeats_ = static_cast<uint64_t>(std::max<int64_t>(matcher.minimum, 0));
    list.maximum_repeats_ = static_cast<uint64_t>(std::max<int64_t>(matcher.maximum, 0));
  }
  return list;
}

size_t ArgumentListMatcher::CountMatching(std::span<const std::string> args) const {
  size_t count = 0;
  for (; count < args.size(); count++) {
    const ArgumentMatcher* matcher = count < single_.size() ? &single_[count] : repeated_ ? &*repeated_ : nullptr;
    if (matcher == nullptr || !matcher->Matches(args[count])) break;
  }
  return count;
}

bool ArgumentListMatcher::Matches(std::span<const std::string> args) const {
  if (args.size() < single_.size()) return false;
  const auto rest = args.subspan(single_.size());
  if (rest.size() < minimum_repeats_ || rest.size() > maximum_repeats_) return false;
  for (size_t i = 0; i < single_.size(); i++) {
    if (!single_[i].Matches(args[i])) return false;
  }
  return std::ranges::all_of(rest, [&](const std::string& argument) { return repeated_->Matches(argument); });
}

}  // namespace reeve::policy
