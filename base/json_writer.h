#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"

// JSON in wire form, byte for byte as qemu-ga prints it: `, ` and `: `, nothing else between tokens; strings
// are pure ASCII, escapes in upper case; doubles with 17 significant digits. The same form goes to a worker.
// What is no text in a string (invalid UTF-8, noncharacters) becomes \uFFFD.

namespace reeve::json {

// `text` in quotes, escaped.
void AppendString(std::string& out, std::string_view text);

std::string Write(const Value& value);
void Append(std::string& out, const Value& value);

// Writes a value in pieces, so that a large one goes out without standing in memory twice. Not thread-safe.
class PieceWriter {
 public:
  // About the length of the longest piece but for keys, which go whole. Long enough that a piece costs
  // nothing beside its copying.
  static constexpr size_t kMaxPieceBytes = 256 * 1024;

  // `value` must outlive the writer and stay as it is. No double in it may be infinite or NaN (no parser
  // makes one).
  explicit PieceWriter(const Value& value) { Begin(value); }
  // The next piece, empty at the end; valid until the next call. Long runs of plain characters are views into
  // the value itself.
  std::string_view Next();

 private:
  struct Frame {
    const Value* container;
    size_t next;
  };
  void Begin(const Value& value);
  void Continue();
  // Goes on with the string; true when its next run is long enough to be a piece of its own.
  bool ContinueString();

  std::vector<Frame> stack_;
  std::string buffer_;
  std::string_view run_;         // a piece that waits for buffer_ to go first
  bool was_handed_out_ = false;  // buffer_
  bool is_in_string_ = false;
  std::string_view string_;  // what is left of the string being written
};

}  // namespace reeve::json
