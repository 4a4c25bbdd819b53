#include "policy/regex.h"

#include <re2/re2.h>

namespace reeve::policy {
namespace {

// A pattern that unfolds to more than this, or needs more while it matches, is refused (decision R, "Smaller").
constexpr int64_t kMaxMemoryBytes = 256 << 10;

RE2::Options Options() {
  RE2::Options options;
  options.set_max_mem(kMaxMemoryBytes);
  options.set_log_errors(false);
  options.set_never_capture(true);
  return options;
}

}  // namespace

struct Regex::Compiled {
  explicit Compiled(const std::string& pattern) : re(pattern, Options()) {}
  RE2 re;
};

Regex::Regex(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::Create(const std::string& pattern) {
  auto compiled = std::make_unique<Compiled>(pattern);
  if (!compiled->re.ok()) return Fail(Code::kInvalidArgument, compiled->re.error());
  return Regex(std::move(compiled));
}

bool Regex::Matches(std::string_view text) const {
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), compiled_->re);
}

}  // namespace reeve::policy
