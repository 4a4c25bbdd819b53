#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "base/result.h"

namespace reeve::fsfreeze {

// Where work that may wait for a disk is done, one after the other. A seam, so that a test can do it when it likes.
class WorkQueue {
 public:
  using Work = std::function<void()>;
  virtual ~WorkQueue() = default;
  virtual void Do(Work work) = 0;
};

// A thread of its own, which is there from Create on: nothing is loaded or mapped for it later. It is never joined, since it
// may hang in the kernel; the object outlives it, and ends with the process.
class WorkThread final : public WorkQueue {
 public:
  static Result<WorkQueue*> Create();
  void Do(Work work) override;

 private:
  WorkThread() = default;
  static void* Main(void* self);

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<Work> work_;
};

}  // namespace reeve::fsfreeze
