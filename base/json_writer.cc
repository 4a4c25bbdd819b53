#include "base/json_writer.h"

#include <type_traits>
#include <utility>

#include "base/json_text.h"

namespace reeve::json {

namespace {

// From this length on a run is handed out as a view instead of being copied.
constexpr size_t kOwnPieceFrom = 1024;
// Small pieces are gathered up to this.
constexpr size_t kGatherBytes = 16 * 1024;

constexpr uint32_t kReplacement = 0xFFFD;

// Takes one code point, or what stands in for one, off the front of `text`.
uint32_t TakeCodePoint(std::string_view& text) {
  Utf8Decoder decoder;
  size_t taken = 0;
  for (const char character : text) {
    const Utf8Decoder::Step step = decoder.Push(static_cast<uint8_t>(character));
    if (step == Utf8Decoder::Step::kTruncated) break;
    ++taken;
    if (step == Utf8Decoder::Step::kMore) continue;
    text.remove_prefix(taken);
    return step == Utf8Decoder::Step::kValid ? decoder.code_point() : kReplacement;
  }
  text.remove_prefix(taken);
  return kReplacement;
}

}  // namespace

void AppendString(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t run = PlainRunLength(text, '"');
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (!text.empty()) AppendEscaped(out, TakeCodePoint(text));
  }
  out += '"';
}

void Append(std::string& out, const Value& value) {
  PieceWriter writer(value);
  for (std::string_view piece = writer.Next(); !piece.empty(); piece = writer.Next()) out += piece;
}

std::string Write(const Value& value) {
  std::string text;
  Append(text, value);
  return text;
}

void PieceWriter::Begin(const Value& value) {
  const auto write = [&]<typename T>(const T& content) {
    if constexpr (std::is_same_v<T, Null>) {
      buffer_ += "null";
    } else if constexpr (std::is_same_v<T, bool>) {
      buffer_ += content ? "true" : "false";
    } else if constexpr (std::is_same_v<T, double>) {
      AppendDouble(buffer_, content);
    } else if constexpr (std::is_integral_v<T>) {
      AppendInteger(buffer_, content);
    } else if constexpr (std::is_same_v<T, std::string>) {
      buffer_ += '"';
      is_in_string_ = true;
      string_ = content;
    } else {
      buffer_ += std::is_same_v<T, List> ? '[' : '{';
      stack_.push_back({&value, 0});
    }
  };
  std::visit(write, value.variant());
}

// Writes the next element, or the end, of the innermost container.
void PieceWriter::Continue() {
  Frame& frame = stack_.back();
  const List* list = frame.container->As<List>();
  const Object* object = frame.container->As<Object>();
  if (frame.next == (list != nullptr ? list->size() : object->size())) {
    buffer_ += list != nullptr ? ']' : '}';
    stack_.pop_back();
    return;
  }
  const size_t index = frame.next++;
  if (index > 0) buffer_ += ", ";
  if (list != nullptr) return Begin((*list)[index]);
  AppendString(buffer_, (*object)[index].key);
  buffer_ += ": ";
  Begin((*object)[index].value);
}

bool PieceWriter::ContinueString() {
  if (string_.empty()) {
    buffer_ += '"';
    is_in_string_ = false;
    return false;
  }
  const size_t length = PlainRunLength(string_.substr(0, kMaxPieceBytes), '"');
  const std::string_view run = string_.substr(0, length);
  string_.remove_prefix(length);
  if (length >= kOwnPieceFrom) {
    run_ = run;
    return true;
  }
  buffer_ += run;
  if (!string_.empty()) AppendEscaped(buffer_, TakeCodePoint(string_));
  return false;
}

std::string_view PieceWriter::Next() {
  if (!run_.empty()) return std::exchange(run_, {});
  // The buffer was handed out by the call before unless nothing was: then it holds how the value begins.
  if (was_handed_out_) buffer_.clear();
  was_handed_out_ = true;
  while (buffer_.size() < kGatherBytes && (is_in_string_ || !stack_.empty())) {
    if (!is_in_string_) {
      Continue();
    } else if (ContinueString()) {
      break;
    }
  }
  if (buffer_.empty()) return std::exchange(run_, {});
  return buffer_;
}

}  // namespace reeve::json
