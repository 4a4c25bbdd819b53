#include "plugins/fsfreeze/settings.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace reeve::fsfreeze {

namespace {

using plugin::JsonValue;

// A year: longer is never meant, and nothing overflows.
constexpr uint64_t kLongestMs = 366ull * 24 * 3600 * 1000;

// "90s", "10min": the words of durations in policy; a bare 0 is a number there.
std::optional<uint64_t> DurationMs(const JsonValue& value) {
  if (value.AsUint() == 0) return 0;
  const std::string text = value.AsString().value_or("");
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}};
  for (const auto& [word, factor] : kUnits)
    if (unit == word && count <= kLongestMs / factor) return count * factor;
  return std::nullopt;
}

// Reads one member after another; what is wrong with the first that is wrong stands in `error`.
class Reader {
 public:
  explicit Reader(std::string_view name, const JsonValue& value) : name_(name), value_(value) {}

  bool Is(std::string_view name) {
    if (name != name_) return false;
    is_known_ = true;
    return true;
  }
  void Duration(uint64_t& out) {
    if (const auto milliseconds = DurationMs(value_)) {
      out = *milliseconds;
    } else {
      Wrong("must be a duration such as 90s or 10min");
    }
  }
  void Paths(std::vector<std::string>& out) {
    const std::vector<std::string> paths = Words();
    for (const std::string& path : paths)
      if (!path.starts_with('/')) Wrong("must be a list of absolute paths");
    out.insert(out.end(), paths.begin(), paths.end());
  }
  std::vector<std::string> Words() {
    if (!value_.is_list()) Wrong("must be a list");
    return value_.is_list() ? value_.Strings() : std::vector<std::string>();
  }
  // The first word means true.
  void Choice(std::string_view one, std::string_view other, bool& out) {
    const std::string word = value_.AsString().value_or("");
    out = word == one;
    if (word != one && word != other) Wrong("must be '" + std::string(one) + "' or '" + std::string(other) + "'");
  }
  const JsonValue& value() const { return value_; }
  Status Finish() {
    if (!is_known_) Wrong("is not known");
    if (error_.empty()) return {};
    return Fail(Code::kInvalidArgument, error_);
  }

 private:
  void Wrong(const std::string& what) { error_ = "setting '" + std::string(name_) + "' of fsfreeze " + what; }

  std::string_view name_;
  const JsonValue& value_;
  bool is_known_ = false;
  std::string error_;
};

}  // namespace

Result<Settings> ReadSettings(const plugin::Arguments& json) {
  Settings settings;
  std::vector<std::string> hooks;
  std::string first_hook;
  for (const auto& [name, value] : JsonValue(json.raw()).Members()) {
    Reader reader(name, value);
    bool is_first = true;
    if (reader.Is("thaw-timeout")) reader.Duration(settings.thaw_timeout_ms);
    if (reader.Is("hook-timeout")) reader.Duration(settings.hook_timeout_ms);
    if (reader.Is("hooks")) reader.Paths(hooks);
    if (reader.Is("fsfreeze-hook")) first_hook = value.AsString().value_or("");
    if (reader.Is("exclude")) settings.excluded = reader.Words();
    if (reader.Is("hook-failure")) reader.Choice("abort", "continue", settings.is_hook_failure_fatal);
    if (reader.Is("mount-failure")) {
      reader.Choice("fatal", "skip", is_first);
      settings.on_mount_failure = is_first ? OnMountFailure::kFatal : OnMountFailure::kSkip;
    }
    REEVE_TRY(reader.Finish());
  }
  // That of -F goes before those of the policy.
  if (!first_hook.empty()) settings.hooks.push_back(first_hook);
  for (std::string& hook : hooks)
    if (hook != first_hook) settings.hooks.push_back(std::move(hook));
  return settings;
}

}  // namespace reeve::fsfreeze
