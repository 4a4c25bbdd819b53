#include "plugins/exec/input_feed.h"

#include "base/sys.h"

namespace reeve::exec {

bool InputFeed::Feed() {
  while (written_ < bytes_.size()) {
    const Result<size_t> wrote = sys::Write(pipe_.get(), AsBytes(bytes_).subspan(written_));
    if (!wrote) return wrote.error().code() == Code::kUnavailable;
    written_ += *wrote;
  }
  return false;
}

void InputFeed::Close() {
  pipe_.Reset();
  std::string().swap(bytes_);
}

}  // namespace reeve::exec
