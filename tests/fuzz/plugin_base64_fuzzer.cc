#include <algorithm>
#include <string>

#include "base/base64.h"
#include "base/check.h"

// Base64 of a host, in pieces as the input's first byte cuts it: however it is cut the result is the same,
// and what was decoded encodes to what came, but for line ends and the bits below the padding.

namespace {

using reeve::AsBytes;
using reeve::AsText;
using reeve::Base64Decoder;
using reeve::Base64Encoder;
using reeve::Bytes;
using reeve::Result;

Result<std::string> DecodeInPieces(std::string_view text, size_t piece_chars) {
  Base64Decoder decoder;
  std::string bytes;
  for (size_t at = 0; at < text.size(); at += piece_chars) {
    bytes += AsText(REEVE_TRY(decoder.Decode(text.substr(at, piece_chars))));
  }
  REEVE_TRY(decoder.Finish());
  return bytes;
}

std::string EncodeInPieces(std::string_view bytes, size_t piece_bytes) {
  Base64Encoder encoder;
  std::string place(Base64Encoder::Room(piece_bytes), '\0');
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    text += place.substr(0, encoder.Encode(AsBytes(bytes.substr(at, piece_bytes)), place.data()));
  }
  return text += place.substr(0, encoder.Finish(place.data()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = size_t{data[0]} + 1;
  const std::string_view text = AsText(Bytes(data, size).subspan(1));
  const Result<std::string> bytes = DecodeInPieces(text, piece);
  const Result<std::string> whole = reeve::Base64Decode(text);
  REEVE_CHECK(bytes.has_value() == whole.has_value());
  REEVE_CHECK(EncodeInPieces(text, piece) == reeve::Base64Encode(AsBytes(text)));
  if (!bytes) return 0;
  REEVE_CHECK(*bytes == *whole);
  const std::string again = EncodeInPieces(*bytes, piece);
  REEVE_CHECK(reeve::Base64Decode(again).value() == *bytes);
  const auto lines = std::count_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; });
  REEVE_CHECK(again.size() + static_cast<size_t>(lines) == text.size());
  return 0;
}
