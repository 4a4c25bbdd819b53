#include "base/base64.h"

#include <modp_b64.h>
#include <string.h>

#include <algorithm>

namespace reeve {

namespace {

constexpr size_t kGroupBytes = 3;
constexpr size_t kGroupChars = 4;
constexpr size_t kDecodeFailed = static_cast<size_t>(-1);

const char* AsChars(Bytes bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}

}  // namespace

// modp_b64_encode ends what it writes with NUL: hence the one character more in Room.
size_t Base64Encoder::Encode(Bytes piece, char* place) {
  size_t written = 0;
  if (waiting_count_ > 0) {
    const size_t taken = std::min(kGroupBytes - waiting_count_, piece.size());
    std::copy_n(piece.begin(), taken, waiting_ + waiting_count_);
    waiting_count_ += taken;
    piece = piece.subspan(taken);
    if (waiting_count_ < kGroupBytes) return 0;
    written = modp_b64_encode(place, AsChars(waiting_), kGroupBytes);
  }
  const size_t whole = piece.size() - piece.size() % kGroupBytes;
  written += modp_b64_encode(place + written, AsChars(piece), whole);
  waiting_count_ = piece.size() - whole;
  std::copy_n(piece.begin() + static_cast<std::ptrdiff_t>(whole), waiting_count_, waiting_);
  return written;
}

size_t Base64Encoder::Finish(char* place) {
  const size_t written = modp_b64_encode(place, AsChars(waiting_), waiting_count_);
  waiting_count_ = 0;
  return written;
}

Result<Bytes> Base64Decoder::Decode(std::string_view piece) {
  std::string_view rest = WithoutLineEnds(piece);
  const size_t room = (waiting_count_ + rest.size()) / kGroupChars * kGroupBytes + 2;  // modp_b64_decode_len
  if (bytes_.size() < room) bytes_.resize(room);
  byte_count_ = 0;
  if (!CompleteWaiting(rest)) return Fail(Code::kInvalidArgument, std::string(kInvalid));
  const size_t whole = rest.size() - rest.size() % kGroupChars;
  if (!DecodeGroups(rest.substr(0, whole))) return Fail(Code::kInvalidArgument, std::string(kInvalid));
  rest.remove_prefix(whole);
  std::copy(rest.begin(), rest.end(), waiting_ + waiting_count_);
  waiting_count_ += rest.size();
  return Bytes(reinterpret_cast<const uint8_t*>(bytes_.data()), byte_count_);
}

void Base64Decoder::Reset() {
  waiting_count_ = 0;
  is_ended_ = false;
}

void Base64Decoder::Wipe() {
  Reset();
  ::explicit_bzero(waiting_, sizeof waiting_);
  for (std::string* const buffer : {&stripped_, &bytes_}) {
    buffer->resize(buffer->capacity());
    ::explicit_bzero(buffer->data(), buffer->size());
    buffer->clear();
  }
}

Status Base64Decoder::Finish() {
  const bool is_whole = waiting_count_ == 0;
  Reset();
  if (!is_whole) return Fail(Code::kInvalidArgument, std::string(kInvalid));
  return {};
}

// Most values have no line ends: then nothing is copied. Else whole lines are, not characters.
std::string_view Base64Decoder::WithoutLineEnds(std::string_view piece) {
  if (!piece.contains('\n') && !piece.contains('\r')) return piece;
  stripped_.clear();
  stripped_.reserve(piece.size());
  while (!piece.empty()) {
    const std::string_view line = piece.substr(0, piece.find('\n'));
    piece.remove_prefix(std::min(line.size() + 1, piece.size()));
    stripped_ += line;
  }
  std::erase(stripped_, '\r');
  return stripped_;
}

bool Base64Decoder::CompleteWaiting(std::string_view& rest) {
  if (waiting_count_ == 0) return true;
  const size_t taken = std::min(kGroupChars - waiting_count_, rest.size());
  std::copy_n(rest.begin(), taken, waiting_ + waiting_count_);
  waiting_count_ += taken;
  rest.remove_prefix(taken);
  if (waiting_count_ < kGroupChars) return true;
  waiting_count_ = 0;
  return DecodeGroups({waiting_, kGroupChars});
}

// `groups` is whole groups. What follows a padded group was not part of the value: refused, not appended.
bool Base64Decoder::DecodeGroups(std::string_view groups) {
  if (groups.empty()) return true;
  if (is_ended_) return false;
  const size_t count = modp_b64_decode(bytes_.data() + byte_count_, groups.data(), groups.size());
  if (count == kDecodeFailed) return false;
  is_ended_ = groups.back() == '=';
  byte_count_ += count;
  return true;
}

std::string Base64Encode(Bytes bytes) {
  Base64Encoder encoder;
  std::string text(Base64Encoder::Room(bytes.size()) + Base64Encoder::Room(0), '\0');
  const size_t whole = encoder.Encode(bytes, text.data());
  text.resize(whole + encoder.Finish(text.data() + whole));
  return text;
}

Result<std::string> Base64Decode(std::string_view text) {
  Base64Decoder decoder;
  std::string bytes(AsText(REEVE_TRY(decoder.Decode(text))));
  REEVE_TRY(decoder.Finish());
  return bytes;
}

}  // namespace reeve
