#include "plugins/fsfreeze/work_thread.h"

#include <utility>

namespace reeve::fsfreeze {

namespace {

// All memory of the process is locked: a default stack of 8 MiB would stand in it whole.
constexpr size_t kStackBytes = 256 * 1024;

}  // namespace

Result<WorkQueue*> WorkThread::Create() {
  auto* const made = new WorkThread();
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, &Main, made);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) return Fail(Error::System(error, "make a thread"));
  return made;
}

void WorkThread::Do(Work work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  has_work_.notify_one();
}

void* WorkThread::Main(void* raw) {
  auto& self = *static_cast<WorkThread*>(raw);
  for (;;) {
    Work work;
    {
      std::unique_lock lock(self.mutex_);
      self.has_work_.wait(lock, [&] { return !self.work_.empty(); });
      work = std::move(self.work_.front());
      self.work_.pop_front();
    }
    work();
  }
  return nullptr;
}

}  // namespace reeve::fsfreeze
