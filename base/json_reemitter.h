#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_queue.h"
#include "base/json_text.h"
#include "base/result.h"

namespace reeve::json {

// A number is no longer than this in a reply: more than any double or 64 bit integer needs.
inline constexpr size_t kMaxReplyNumberBytes = 512;

// Checks one JSON value that is not trusted (a worker's reply) while it arrives, and writes it out again in
// wire form (json_writer.h). RFC 8259 in full, nothing beyond; UTF-8 is checked, noncharacters become \uFFFD;
// nesting is at most kMaxDepth. So whatever comes out holds no raw control byte, LF, 0xFF or non-ASCII byte.
// Duplicate keys are not looked for. Long plain runs are copied whole. Not thread-safe.
class Reemitter {
 public:
  // Takes the next piece and appends what it becomes to `out`. A failure (kBadMessage, kTooLarge) is for
  // good: each later call fails likewise. What was appended before is then part of a value and to be thrown
  // away. The piece must not change meanwhile: copy it out of shared memory first.
  [[nodiscard]] Status Feed(std::string_view piece, ByteQueue& out);
  // The value is over. Fails when it was not exactly one.
  [[nodiscard]] Status Finish(ByteQueue& out);

 private:
  enum class State : uint8_t {
    kValue,
    kFirstElement,
    kFirstKey,
    kKey,
    kColon,
    kSeparator,
    kDone,
    kString,
    kNumber,
    kLiteral,
    kFailed,
  };

  void Step(std::string_view& piece);
  void StepBetween(char character);
  void StepValue(char character);
  void StepSeparator(char character);
  void StepNumber(std::string_view& piece);
  void StepLiteral(char character);
  void StepString(std::string_view& piece, ByteQueue& out);
  void StepStringByte(std::string_view& piece);
  void StepEscape(char character);
  void StepUnicodeEscape();
  void Open(bool is_object);
  void Close();
  void BeginString(bool is_key);
  void EndString();
  void EndNumber();
  void EndValue();
  void Fail(Code code, std::string_view why);
  void Flush(ByteQueue& out);
  Status status() const;

  State state_ = State::kValue;
  std::vector<bool> is_object_;  // of each open container
  bool is_key_ = false;          // the string
  std::string text_;             // of the number, literal or escape sequence so far
  std::string_view literal_;     // what text_ is to become
  uint32_t high_surrogate_ = 0;  // waits for its low one
  Utf8Decoder utf8_;
  std::string buffer_;  // gathers what goes out
  Code code_ = Code::kBadMessage;
  std::string error_;
};

}  // namespace reeve::json
