#pragma once

#include <functional>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::worker {

// SIGTERM as a callback of the loop, in the one worker that must not die of it: what it froze would stay frozen. One in a
// process; lives as long as that.
class StopSignal {
 public:
  // From now on SIGTERM ends nothing; one that comes before Watch is not forgotten.
  void Take();
  // `loop` is lent.
  Status Watch(EventLoop& loop, std::function<void()> on_stop);

 private:
  UniqueFd wake_;
};

}  // namespace reeve::worker
