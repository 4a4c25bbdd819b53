#include "base/json_lexer.h"

#include <algorithm>
#include <utility>

namespace reeve::json {

namespace {

bool IsStructural(uint8_t byte) {
  return byte == '{' || byte == '}' || byte == '[' || byte == ']' || byte == ':' || byte == ',';
}

Token::Kind StructuralKind(uint8_t byte) {
  switch (byte) {
    case '{':
      return Token::Kind::kLeftBrace;
    case '}':
      return Token::Kind::kRightBrace;
    case '[':
      return Token::Kind::kLeftBracket;
    case ']':
      return Token::Kind::kRightBracket;
    case ':':
      return Token::Kind::kColon;
    default:
      return Token::Kind::kComma;
  }
}

bool IsSpace(uint8_t byte) {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}
bool IsDigit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}
bool IsLower(uint8_t byte) {
  return byte >= 'a' && byte <= 'z';
}
// Where AppendRun() stops doubling: above the 1 MiB pieces in which files are mostly written, whose memory is used again.
constexpr size_t kLongStringBytes = 2 * 1024 * 1024;

// What may not stand inside a string.
bool BreaksString(uint8_t byte) {
  return byte < 0x20 || byte >= 0xFE;
}

}  // namespace

bool Lexer::Next(Bytes& bytes, Token& token) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kStart:
        if (Start(bytes, token)) return true;
        break;
      case State::kString:
        if (ReadString(bytes, token)) return true;
        break;
      case State::kRecovery:
        Recover(bytes);
        break;
      case State::kSwallow:
        SwallowSome(bytes);
        break;
      default:
        if (ReadWord(bytes, token)) return true;
        break;
    }
  }
  return false;
}

void Lexer::BeginValue() {
  value_bytes_ = 0;
}

void Lexer::Reset() {
  state_ = State::kStart;
  ClearToken();
  BeginValue();
}

// --- bytes and tokens ---

uint8_t Lexer::Take(Bytes& bytes) {
  const uint8_t byte = bytes.front();
  Skip(bytes, 1);
  if (byte == '\n') {
    ++line_;
    line_start_ = offset_;
  }
  return byte;
}

// REQUIRES: no LF among them, or Take() looks after it.
void Lexer::Skip(Bytes& bytes, size_t count) {
  offset_ += count;
  bytes = bytes.subspan(count);
}

void Lexer::ClearToken() {
  if (text_.capacity() > kLongStringBytes) std::string().swap(text_);  // a refused token must not keep its memory
  text_.clear();
  echo_.clear();
  escape_.clear();
  string_error_.clear();
  utf8_.Reset();
  is_escaped_ = false;
  ended_recovery_ = false;
}

bool Lexer::Finish(Token& token, Token::Kind kind) {
  token.kind = kind;
  token.text = std::move(text_);
  token.error = std::move(string_error_);
  token.position = token_position_;
  state_ = State::kStart;
  ClearToken();
  return true;
}

bool Lexer::FinishString(Token& token) {
  if (string_error_.empty() && !escape_.empty()) ResolveEscape(/*is_at_end=*/true);
  if (string_error_.empty() && utf8_.is_pending()) string_error_ = "invalid UTF-8 sequence in string";
  return Finish(token, Token::Kind::kString);
}

bool Lexer::FinishStray(Token& token, std::string raw) {
  token.kind = Token::Kind::kStray;
  token.text = raw.substr(0, raw.find('\0')).substr(0, kMaxEchoBytes);
  token.error.clear();
  token.position = token_position_;
  ClearToken();
  state_ = State::kRecovery;
  return true;
}

// The state stays: Swallow() has to know whether this is within a string.
bool Lexer::FinishTooLarge(Token& token) {
  token.kind = Token::Kind::kTooLarge;
  token.text.clear();
  token.error.clear();
  token.position = token_position_;
  return true;
}

// --- between tokens ---

bool Lexer::Start(Bytes& bytes, Token& token) {
  const uint8_t byte = bytes.front();
  if (IsSpace(byte)) {
    Take(bytes);
    ended_recovery_ = false;
    if (byte != '\n' || !reports_line_feeds_) return false;
    token.kind = Token::Kind::kLineFeed;
    return true;
  }
  // The byte that ended a recovery is counted twice: so does release 11.1.3, and texts are compared.
  token_position_ = {line_, offset_ - line_start_ + 1 + (ended_recovery_ ? 1 : 0)};
  ended_recovery_ = false;
  if (value_bytes_ >= kMaxTokenBytes) return FinishTooLarge(token);
  if (IsStructural(byte)) {
    Take(bytes);
    ++value_bytes_;
    return Finish(token, StructuralKind(byte));
  }
  return StartLong(bytes, token);
}

bool Lexer::StartLong(Bytes& bytes, Token& token) {
  const uint8_t byte = Take(bytes);
  ++value_bytes_;
  if (byte == '"' || byte == '\'') {
    quote_ = static_cast<char>(byte);
    state_ = State::kString;
    echo_ += quote_;
    return false;
  }
  text_ += static_cast<char>(byte);
  if (IsLower(byte)) {
    state_ = State::kKeyword;
  } else if (byte == '-') {
    state_ = State::kSign;
  } else if (IsDigit(byte)) {
    state_ = byte == '0' ? State::kZero : State::kDigits;
  } else {
    return FinishStray(token, std::move(text_));
  }
  return false;
}

// --- numbers and keywords ---

// The state that `byte` leads to, kStart when it is not part of the word, kRecovery when it is wrong there.
Lexer::State Lexer::NextInNumber(uint8_t byte) const {
  const bool is_exponent = byte == 'e' || byte == 'E';
  switch (state_) {
    case State::kSign:
      if (byte == '0') return State::kZero;
      return IsDigit(byte) ? State::kDigits : State::kRecovery;
    case State::kZero:
      if (IsDigit(byte)) return State::kRecovery;
      [[fallthrough]];
    case State::kDigits:
      if (byte == '.') return State::kPoint;
      if (is_exponent) return State::kExponent;
      return IsDigit(byte) ? State::kDigits : State::kStart;
    case State::kPoint:
      return IsDigit(byte) ? State::kFraction : State::kRecovery;
    case State::kFraction:
      if (is_exponent) return State::kExponent;
      return IsDigit(byte) ? State::kFraction : State::kStart;
    case State::kExponent:
      if (byte == '+' || byte == '-') return State::kExponentSign;
      [[fallthrough]];
    case State::kExponentSign:
      return IsDigit(byte) ? State::kExponentDigits : State::kRecovery;
    case State::kExponentDigits:
      return IsDigit(byte) ? State::kExponentDigits : State::kStart;
    default:
      return IsLower(byte) ? State::kKeyword : State::kStart;
  }
}

bool Lexer::ReadWord(Bytes& bytes, Token& token) {
  while (!bytes.empty()) {
    const State next = NextInNumber(bytes.front());
    if (next == State::kStart)
      return Finish(token, state_ == State::kKeyword ? Token::Kind::kKeyword : Token::Kind::kNumber);
    if (value_bytes_ >= kMaxTokenBytes) return FinishTooLarge(token);
    const char character = static_cast<char>(Take(bytes));
    AppendRun({&character, 1});
    ++value_bytes_;
    if (next == State::kRecovery) return FinishStray(token, std::move(text_));
    state_ = next;
  }
  return false;
}

// --- strings ---

void Lexer::Echo(std::string_view raw) {
  if (echo_.size() < kMaxEchoBytes) echo_.append(raw.substr(0, kMaxEchoBytes - echo_.size()));
}

// A string that is long already will be very long: two large steps instead of many doublings, each of which
// would copy all and touch fresh pages. What is reserved and not used is address space only.
void Lexer::AppendRun(std::string_view run) {
  if (text_.size() + run.size() > text_.capacity() && text_.size() >= kLongStringBytes)
    text_.reserve(text_.size() + run.size() > kVeryLongStringBytes ? kMaxTokenBytes : kVeryLongStringBytes);
  text_ += run;
}

// Takes what stands for itself in one go. False when the next byte needs a look.
bool Lexer::ReadPlainRun(Bytes& bytes) {
  if (is_escaped_ || !escape_.empty() || utf8_.is_pending()) return false;
  const size_t room = std::min(bytes.size(), kMaxTokenBytes - value_bytes_);
  const std::string_view run = AsText(bytes).substr(0, PlainRunLength(AsText(bytes.first(room)), quote_));
  if (string_error_.empty()) AppendRun(run);
  Echo(run);
  value_bytes_ += run.size();
  Skip(bytes, run.size());
  return bytes.empty();
}

bool Lexer::ReadString(Bytes& bytes, Token& token) {
  while (!bytes.empty()) {
    if (ReadPlainRun(bytes)) return false;
    if (value_bytes_ >= kMaxTokenBytes) return FinishTooLarge(token);
    const uint8_t byte = Take(bytes);
    ++value_bytes_;
    if (BreaksString(byte)) {
      echo_ += static_cast<char>(byte);
      return FinishStray(token, std::move(echo_));
    }
    const bool was_escaped = std::exchange(is_escaped_, !is_escaped_ && byte == '\\');
    if (!was_escaped && byte == static_cast<uint8_t>(quote_)) {
      if (!escape_.empty()) escape_ += quote_;
      return FinishString(token);
    }
    Echo({reinterpret_cast<const char*>(&byte), 1});
    if (string_error_.empty()) DecodeInString(byte);
  }
  return false;
}

void Lexer::DecodeInString(uint8_t byte) {
  if (!escape_.empty()) {
    escape_ += static_cast<char>(byte);
    ResolveEscape(/*is_at_end=*/false);
  } else if (utf8_.is_pending() || byte >= 0x80) {
    const Utf8Decoder::Step step = utf8_.Push(byte);
    if (step == Utf8Decoder::Step::kMore) return;
    if (step == Utf8Decoder::Step::kValid && !IsNoncharacter(utf8_.code_point())) {
      AppendUtf8(text_, utf8_.code_point());
    } else {
      string_error_ = "invalid UTF-8 sequence in string";
    }
  } else if (byte == '\\') {
    escape_ = '\\';
  } else {
    text_ += static_cast<char>(byte);
  }
}

void Lexer::ResolveEscape(bool is_at_end) {
  if (escape_[1] == 'u') return ResolveUnicodeEscape(is_at_end);
  static constexpr std::string_view kLetters = "\"'\\/bfnrt";
  static constexpr std::string_view kMeanings = "\"'\\/\b\f\n\r\t";
  const size_t index = kLetters.find(escape_[1]);
  if (index == std::string_view::npos) {
    string_error_ = "invalid escape sequence in string";
  } else {
    text_ += kMeanings[index];
  }
  escape_.clear();
}

// `\uXXXX`, or two of them for a surrogate pair; waits for more bytes while they can still decide.
void Lexer::ResolveUnicodeEscape(bool is_at_end) {
  if (escape_.size() < 6 && !is_at_end) return;
  const std::optional<uint32_t> first = ParseHex4(std::string_view(escape_).substr(2, 4));
  if (!first) return NoUnicode(6);
  uint32_t code_point = *first;
  if (code_point >= 0xD800 && code_point <= 0xDBFF) {
    const std::string_view second = std::string_view(escape_).substr(6);
    if (!std::string_view("\\u").starts_with(second.substr(0, 2))) return NoUnicode(6);
    if (second.size() < 6 && !is_at_end) return;
    const std::optional<uint32_t> trailing = second.size() < 6 ? std::nullopt : ParseHex4(second.substr(2));
    if (!trailing || *trailing < 0xDC00 || *trailing > 0xDFFF) return NoUnicode(6);
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (*trailing - 0xDC00);
  }
  if (IsSurrogate(code_point) || IsNoncharacter(code_point)) return NoUnicode(escape_.size());
  AppendUtf8(text_, code_point);
  escape_.clear();
}

void Lexer::NoUnicode(size_t length) {
  string_error_ = escape_.substr(0, length) + " is not a valid Unicode character";
  escape_.clear();
}

// --- skipping ---

void Lexer::Recover(Bytes& bytes) {
  const uint8_t byte = bytes.front();
  if (IsStructural(byte) || (byte < 0x20 && byte != '\t') || byte >= 0xFE) {
    state_ = State::kStart;
    ended_recovery_ = true;
  } else {
    Take(bytes);
  }
}

void Lexer::Swallow(size_t open_braces, size_t open_brackets) {
  open_braces_ = open_braces;
  open_brackets_ = open_brackets;
  swallows_string_ = state_ == State::kString;
  if (swallows_string_ || open_braces > 0 || open_brackets > 0) {
    state_ = State::kSwallow;
  } else if (state_ != State::kStart) {
    state_ = State::kRecovery;  // amid a number or keyword that is too long: its rest is no value
  }
  const bool was_escaped = is_escaped_;
  ClearToken();
  is_escaped_ = was_escaped && swallows_string_;
  BeginValue();
}

void Lexer::SwallowInString(uint8_t byte) {
  if (is_escaped_) {
    is_escaped_ = false;
  } else if (byte == '\\') {
    is_escaped_ = true;
  } else if (byte == static_cast<uint8_t>(quote_)) {
    swallows_string_ = false;
  }
}

void Lexer::SwallowSome(Bytes& bytes) {
  if (swallows_string_ && !is_escaped_) {
    Skip(bytes, PlainRunLength(AsText(bytes), quote_));
    if (bytes.empty()) return;
  }
  const uint8_t byte = Take(bytes);
  if (byte == '\n') return Reset();
  if (byte >= 0xFE || (byte < 0x20 && byte != '\t' && byte != '\r')) {
    // As after a stray byte, but without a word.
    Reset();
    state_ = State::kRecovery;
    return;
  }
  if (swallows_string_) {
    SwallowInString(byte);
  } else if (byte == '"' || byte == '\'') {
    quote_ = static_cast<char>(byte);
    swallows_string_ = true;
  } else if (byte == '{' || byte == '[') {
    ++(byte == '{' ? open_braces_ : open_brackets_);
  } else if (byte == '}' || byte == ']') {
    size_t& open = byte == '}' ? open_braces_ : open_brackets_;
    if (open > 0) --open;
  }
  if (!swallows_string_ && open_braces_ == 0 && open_brackets_ == 0) Reset();
}

}  // namespace reeve::json
