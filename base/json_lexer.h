#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/json_text.h"

namespace reeve::json {

// Sum of the tokens' lengths in one value, and so the longest string: qemu-ga's limit.
inline constexpr size_t kMaxTokenBytes = 64 * 1024 * 1024;
// The buffer of a token that is longer than this is made for kMaxTokenBytes at once.
inline constexpr size_t kVeryLongStringBytes = 8 * 1024 * 1024;
// An error text repeats at most this much of what was read; a 64 MiB token is no error text.
inline constexpr size_t kMaxEchoBytes = 1024;

// Where a token's first byte stands, both counted from 1.
struct Position {
  uint64_t line = 1;
  uint64_t column = 1;
};

struct Token {
  enum class Kind : uint8_t {
    kLeftBrace,
    kRightBrace,
    kLeftBracket,
    kRightBracket,
    kColon,
    kComma,
    kString,    // `text` is its content as UTF-8 (NUL as a NUL byte), unless `error` is set
    kNumber,    // `text` as it was written, by RFC 8259
    kKeyword,   // `text` as it was written: a run of lower-case letters
    kStray,     // what is no token: `text` is as much of it as was read, raw, up to a NUL
    kTooLarge,  // the value has more than kMaxTokenBytes of tokens; Swallow() has to follow
    kLineFeed,  // only when asked for: ReportLineFeeds()
  };
  Kind kind = Kind::kStray;
  std::string text;
  std::string error;  // kString: why its content is no text; empty when it is
  Position position;
};

// Cuts bytes into tokens of the dialect of JSON that qemu-ga reads: RFC 8259 and single-quoted strings, `\'`;
// strings are strict UTF-8 without noncharacters. The bytes are not trusted and may come in any portions. A
// long string is kept once, at its final place. Not thread-safe.
class Lexer {
 public:
  // Takes bytes off the front until they complete a token; false when they did not and all were taken.
  // A number or keyword is complete at the byte after it, which is not taken.
  [[nodiscard]] bool Next(Bytes& bytes, Token& token);

  // The limit counts anew: the next token begins another value.
  void BeginValue();
  // Skips without a word until as many brackets were closed as stand open here, or up to LF, another control
  // byte but tab and CR, 0xFE or 0xFF. Brackets inside of strings do not count, also when called within a
  // string (after kTooLarge).
  void Swallow(size_t open_braces, size_t open_brackets);
  // Forgets what it is amid of. Positions count on.
  void Reset();
  // Each LF between tokens comes as a token from now on, or no more.
  void ReportLineFeeds(bool is_wanted) { reports_line_feeds_ = is_wanted; }
  // Between two tokens, skipping nothing.
  bool is_idle() const { return state_ == State::kStart; }
  // Of the tokens of the value that has begun, so far.
  size_t value_bytes() const { return value_bytes_; }

 private:
  enum class State : uint8_t {
    kStart,
    kString,
    kKeyword,
    kSign,  // of a number, the states below too: what was read last
    kZero,
    kDigits,
    kPoint,
    kFraction,
    kExponent,
    kExponentSign,
    kExponentDigits,
    kRecovery,  // after a stray byte
    kSwallow,
  };

  bool Start(Bytes& bytes, Token& token);
  bool StartLong(Bytes& bytes, Token& token);
  bool ReadString(Bytes& bytes, Token& token);
  bool ReadPlainRun(Bytes& bytes);
  void AppendRun(std::string_view run);
  bool ReadWord(Bytes& bytes, Token& token);
  State NextInNumber(uint8_t byte) const;
  void Recover(Bytes& bytes);
  void SwallowSome(Bytes& bytes);
  void SwallowInString(uint8_t byte);

  void DecodeInString(uint8_t byte);
  void ResolveEscape(bool is_at_end);
  void ResolveUnicodeEscape(bool is_at_end);
  void NoUnicode(size_t length);
  void Echo(std::string_view raw);

  uint8_t Take(Bytes& bytes);
  void Skip(Bytes& bytes, size_t count);
  bool Finish(Token& token, Token::Kind kind);
  bool FinishString(Token& token);
  bool FinishStray(Token& token, std::string raw);
  bool FinishTooLarge(Token& token);
  void ClearToken();

  State state_ = State::kStart;
  bool reports_line_feeds_ = false;

  uint64_t line_ = 1;
  uint64_t offset_ = 0;      // of the next byte
  uint64_t line_start_ = 0;  // offset of the line's first byte
  Position token_position_;
  bool ended_recovery_ = false;  // the next byte ended a recovery

  size_t value_bytes_ = 0;

  std::string text_;
  char quote_ = '"';
  bool is_escaped_ = false;  // the byte before was a backslash that escapes
  std::string echo_;         // a string's first bytes, raw
  std::string escape_;       // an escape sequence so far, raw; empty: none
  std::string string_error_;
  Utf8Decoder utf8_;

  size_t open_braces_ = 0;  // kSwallow
  size_t open_brackets_ = 0;
  bool swallows_string_ = false;
};

}  // namespace reeve::json
