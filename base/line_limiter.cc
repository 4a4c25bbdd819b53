#include "base/line_limiter.h"

#include <utility>

namespace reeve {

uint64_t LineLimiter::Feed(std::string_view bytes, RunningTime now,
                           const std::function<void(const std::string&)>& take) {
  uint64_t held_back = 0;
  for (const char byte : bytes) {
    if (byte != '\n') line_ += byte;
    if (byte != '\n' && line_.size() < kMaxLineBytes) continue;
    const std::string line = std::exchange(line_, {});
    if (line.empty()) continue;
    if (!limiter_.Admit(now)) {
      ++held_back;
      continue;
    }
    if (const uint64_t dropped = limiter_.TakeDropped(); dropped > 0)
      take(std::to_string(dropped) + " lines were held back");
    take(line);
  }
  return held_back;
}

}  // namespace reeve
