#include "base/json_reemitter.h"

#include <optional>
#include <utility>

#include "base/json_text.h"

namespace reeve::json {

namespace {

// A run of this length goes straight to the queue.
constexpr size_t kWholeFrom = 256;
// Small output is gathered up to this.
constexpr size_t kGatherBytes = 16 * 1024;

bool IsSpace(char character) {
  return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

// What may continue a number; whether it is one is looked at when it ends.
bool IsInNumber(char character) {
  return (character >= '0' && character <= '9') || character == '-' || character == '+' || character == '.' ||
         character == 'e' || character == 'E';
}

}  // namespace

Status Reemitter::status() const {
  if (state_ == State::kFailed) return reeve::Fail(code_, error_);
  return {};
}

void Reemitter::Fail(Code code, std::string_view why) {
  code_ = code;
  error_ = "check JSON of a reply: ";
  error_ += why;
  state_ = State::kFailed;
}

void Reemitter::Flush(ByteQueue& out) {
  out.Append(buffer_);
  buffer_.clear();
}

Status Reemitter::Feed(std::string_view piece, ByteQueue& out) {
  while (!piece.empty() && state_ != State::kFailed) {
    if (state_ == State::kString) {
      StepString(piece, out);
    } else {
      Step(piece);
    }
    if (buffer_.size() >= kGatherBytes) Flush(out);
  }
  Flush(out);
  return status();
}

Status Reemitter::Finish(ByteQueue& out) {
  if (state_ == State::kNumber) EndNumber();
  Flush(out);
  if (state_ != State::kDone && state_ != State::kFailed) Fail(Code::kBadMessage, "it is not complete");
  return status();
}

void Reemitter::Step(std::string_view& piece) {
  if (state_ == State::kNumber) return StepNumber(piece);
  const char character = piece.front();
  piece.remove_prefix(1);
  if (state_ == State::kLiteral) return StepLiteral(character);
  if (!IsSpace(character)) StepBetween(character);
}

void Reemitter::StepBetween(char character) {
  switch (state_) {
    case State::kFirstKey:
      if (character == '}') return Close();
      [[fallthrough]];
    case State::kKey:
      if (character != '"') return Fail(Code::kBadMessage, "a key was expected");
      return BeginString(/*is_key=*/true);
    case State::kColon:
      if (character != ':') return Fail(Code::kBadMessage, "':' was expected");
      buffer_ += ": ";
      state_ = State::kValue;
      return;
    case State::kSeparator:
      return StepSeparator(character);
    case State::kFirstElement:
      if (character == ']') return Close();
      [[fallthrough]];
    case State::kValue:
      return StepValue(character);
    default:
      return Fail(Code::kBadMessage, "something follows the value");
  }
}

void Reemitter::StepValue(char character) {
  text_ = character;
  switch (character) {
    case '{':
    case '[':
      return Open(character == '{');
    case '"':
      return BeginString(/*is_key=*/false);
    case 't':
      literal_ = "true";
      break;
    case 'f':
      literal_ = "false";
      break;
    case 'n':
      literal_ = "null";
      break;
    default:
      if (!IsInNumber(character)) return Fail(Code::kBadMessage, "a value was expected");
      state_ = State::kNumber;
      return;
  }
  state_ = State::kLiteral;
}

void Reemitter::StepSeparator(char character) {
  const bool is_object = is_object_.back();
  if (character == (is_object ? '}' : ']')) return Close();
  if (character != ',') return Fail(Code::kBadMessage, "',' or a closing bracket was expected");
  buffer_ += ", ";
  state_ = is_object ? State::kKey : State::kValue;
}

void Reemitter::Open(bool is_object) {
  if (is_object_.size() == kMaxDepth) return Fail(Code::kTooLarge, "it is nested too deep");
  is_object_.push_back(is_object);
  buffer_ += is_object ? '{' : '[';
  state_ = is_object ? State::kFirstKey : State::kFirstElement;
}

void Reemitter::Close() {
  buffer_ += is_object_.back() ? '}' : ']';
  is_object_.pop_back();
  EndValue();
}

void Reemitter::EndValue() {
  state_ = is_object_.empty() ? State::kDone : State::kSeparator;
}

// --- numbers and literals ---

void Reemitter::StepNumber(std::string_view& piece) {
  size_t length = 0;
  while (length < piece.size() && IsInNumber(piece[length])) ++length;
  if (length > kMaxReplyNumberBytes - text_.size()) return Fail(Code::kTooLarge, "a number is too long");
  text_ += piece.substr(0, length);
  piece.remove_prefix(length);
  if (!piece.empty()) EndNumber();
}

void Reemitter::EndNumber() {
  if (!IsNumber(text_)) return Fail(Code::kBadMessage, "a number is malformed");
  const std::optional<Value> number = ParseNumber(text_);
  if (!number) return Fail(Code::kBadMessage, "a number is out of range");
  if (const double* real = number->As<double>()) {
    AppendDouble(buffer_, *real);
  } else if (const int64_t* integer = number->As<int64_t>()) {
    AppendInteger(buffer_, *integer);
  } else {
    AppendInteger(buffer_, *number->As<uint64_t>());
  }
  EndValue();
}

void Reemitter::StepLiteral(char character) {
  text_ += character;
  if (!literal_.starts_with(text_)) return Fail(Code::kBadMessage, "a value was expected");
  if (text_ != literal_) return;
  buffer_ += literal_;
  EndValue();
}

// --- strings ---

void Reemitter::BeginString(bool is_key) {
  is_key_ = is_key;
  text_.clear();
  buffer_ += '"';
  state_ = State::kString;
}

void Reemitter::EndString() {
  if (high_surrogate_ != 0 || utf8_.is_pending()) return Fail(Code::kBadMessage, "a string is no text");
  buffer_ += '"';
  if (is_key_) {
    state_ = State::kColon;
  } else {
    EndValue();
  }
}

void Reemitter::StepString(std::string_view& piece, ByteQueue& out) {
  if (text_.empty() && high_surrogate_ == 0 && !utf8_.is_pending()) {
    const size_t length = PlainRunLength(piece, '"');
    if (length >= kWholeFrom) {
      Flush(out);
      out.Append(piece.substr(0, length));
    } else {
      buffer_ += piece.substr(0, length);
    }
    piece.remove_prefix(length);
    if (piece.empty()) return;
  }
  StepStringByte(piece);
}

void Reemitter::StepStringByte(std::string_view& piece) {
  const char character = piece.front();
  piece.remove_prefix(1);
  if (!text_.empty()) return StepEscape(character);
  const auto byte = static_cast<uint8_t>(character);
  if (byte < 0x20) return Fail(Code::kBadMessage, "a control byte stands in a string");
  if (character == '\\' && !utf8_.is_pending()) {
    text_ = character;
    return;
  }
  if (high_surrogate_ != 0) return Fail(Code::kBadMessage, "a string holds half a surrogate pair");
  if (character == '"' && !utf8_.is_pending()) return EndString();
  switch (utf8_.Push(byte)) {
    case Utf8Decoder::Step::kMore:
      return;
    case Utf8Decoder::Step::kValid:
      // What the decoder takes for NUL is C0 80, which is no UTF-8.
      if (utf8_.code_point() != 0) return AppendEscaped(buffer_, utf8_.code_point());
      [[fallthrough]];
    default:
      return Fail(Code::kBadMessage, "a string is not valid UTF-8");
  }
}

void Reemitter::StepEscape(char character) {
  text_ += character;
  if (text_[1] == 'u') {
    if (text_.size() == 6) StepUnicodeEscape();
    return;
  }
  static constexpr std::string_view kLetters = "\"\\/bfnrt";
  static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const size_t index = kLetters.find(character);
  if (index == std::string_view::npos || high_surrogate_ != 0)
    return Fail(Code::kBadMessage, "a string holds a wrong escape sequence");
  AppendEscaped(buffer_, static_cast<uint8_t>(kMeanings[index]));
  text_.clear();
}

void Reemitter::StepUnicodeEscape() {
  const std::optional<uint32_t> unit = ParseHex4(std::string_view(text_).substr(2));
  text_.clear();
  if (!unit) return Fail(Code::kBadMessage, "a string holds a wrong escape sequence");
  const bool is_low = *unit >= 0xDC00 && *unit <= 0xDFFF;
  if (is_low != (high_surrogate_ != 0)) return Fail(Code::kBadMessage, "a string holds half a surrogate pair");
  if (is_low) {
    AppendEscaped(buffer_, 0x10000 + ((high_surrogate_ - 0xD800) << 10) + (*unit - 0xDC00));
    high_surrogate_ = 0;
  } else if (IsSurrogate(*unit)) {
    high_surrogate_ = *unit;
  } else {
    AppendEscaped(buffer_, *unit);
  }
}

}  // namespace reeve::json
