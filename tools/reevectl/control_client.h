#pragma once

#include <chrono>
#include <expected>
#include <string>

#include "base/json_value.h"

namespace reeve::reevectl {

// No larger reply is read.
inline constexpr size_t kMaxReplyBytes = 4u << 20;
// The agent answers within milliseconds, whatever its workers do.
inline constexpr std::chrono::milliseconds kAskTimeout{2000};

// Why a question got no answer.
struct NoAnswer {
  enum class Kind { kNotRunning, kNoReply };
  Kind kind = Kind::kNoReply;
  std::string why;
};

// Asks at the control socket `path` and returns the value of the reply. Nobody there: kNotRunning. All else, a reply that
// is an error or no reply at all within `timeout` included: kNoReply.
std::expected<json::Value, NoAnswer> Ask(const std::string& path, const std::string& command,
                                         std::chrono::milliseconds timeout = kAskTimeout);

}  // namespace reeve::reevectl
