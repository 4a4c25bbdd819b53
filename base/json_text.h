#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_value.h"

// What the readers and writers of JSON share: runs of plain characters, UTF-8 and escapes, numbers.
// Free functions without state; thread-safe.

namespace reeve::json {

// The deepest nesting of braces and brackets that is read or written: qemu-ga's.
inline constexpr size_t kMaxDepth = 1024;

// How many bytes at the front of `text` stand for themselves in a string on the wire: printable ASCII,
// neither a backslash nor `quote`.
size_t PlainRunLength(std::string_view text, char quote);

// Cuts UTF-8 into code points, byte by byte. What begins like a sequence is taken as one, well-formed or not.
class Utf8Decoder {
 public:
  enum class Step : uint8_t {
    kMore,       // the sequence goes on
    kValid,      // the byte ended a code point: code_point(); noncharacters count as valid here
    kInvalid,    // the byte ended (or is) something that is no code point
    kTruncated,  // the sequence broke off before this byte, which was not taken: push it again
  };
  // U+0000 is also accepted as C0 80, as QEMU does; other overlong forms, surrogates and what is above
  // U+10FFFF are not.
  Step Push(uint8_t byte);
  bool is_pending() const { return missing_ > 0; }
  uint32_t code_point() const { return code_point_; }
  void Reset() { missing_ = 0; }

 private:
  uint32_t code_point_ = 0;
  uint8_t length_ = 0;
  uint8_t missing_ = 0;
};

bool IsNoncharacter(uint32_t code_point);
bool IsSurrogate(uint32_t code_point);

// REQUIRES: a code point that is no surrogate.
void AppendUtf8(std::string& out, uint32_t code_point);
// The code point as it stands inside a string on the wire: printable ASCII as it is, else a short escape or
// \uXXXX in upper case, a pair above the BMP. Noncharacters and surrogates become \uFFFD, as in QEMU.
void AppendEscaped(std::string& out, uint32_t code_point);
// The value of four hexadecimal digits; nothing when `digits` are not exactly those.
std::optional<uint32_t> ParseHex4(std::string_view digits);

// Whether `text` is a number by RFC 8259.
bool IsNumber(std::string_view text);
// The value of a number: int64, else uint64, else double. Nothing when it is too large even for a double.
// REQUIRES: IsNumber(text).
std::optional<Value> ParseNumber(std::string_view text);
void AppendInteger(std::string& out, int64_t number);
void AppendInteger(std::string& out, uint64_t number);
// 17 significant digits, as printf's %.17g. REQUIRES: finite.
void AppendDouble(std::string& out, double number);

}  // namespace reeve::json
