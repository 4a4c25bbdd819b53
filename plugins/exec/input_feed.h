#pragma once

#include <string>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace reeve::exec {

// Writes a program's input as fast as it takes it, without ever waiting. Not thread-safe. REQUIRES: SIGPIPE
// is ignored.
class InputFeed {
 public:
  InputFeed(UniqueFd pipe, std::string bytes) : pipe_(std::move(pipe)), bytes_(std::move(bytes)) {}

  // Writes what the pipe takes now. True: there is more, call again when it can be written to. False: all is
  // written or the program reads no more; the pipe is still open, to be forgotten by the loop before Close,
  // which is the program's end of input.
  [[nodiscard]] bool Feed();
  void Close();
  int fd() const { return pipe_.get(); }

 private:
  UniqueFd pipe_;
  std::string bytes_;
  size_t written_ = 0;
};

}  // namespace reeve::exec
