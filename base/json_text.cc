#include "base/json_text.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/check.h"

namespace reeve::json {

namespace {

bool IsPlain(char character, char quote) {
  return character >= 0x20 && character < 0x7F && character != '\\' && character != quote;
}

#ifdef __SSE2__
// 0xFFFF when all sixteen bytes are plain, else a zero bit for each that is not.
unsigned PlainMask(const char* text, char quote) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  // Compared as signed: what is above 0x7F is below 0x20, too.
  const __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
  const __m128i del = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7F));
  const __m128i escape = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  const __m128i end = _mm_cmpeq_epi8(block, _mm_set1_epi8(quote));
  const __m128i special = _mm_or_si128(_mm_or_si128(low, del), _mm_or_si128(escape, end));
  return ~static_cast<unsigned>(_mm_movemask_epi8(special)) & 0xFFFFu;
}
#endif

void AppendHex(std::string& out, uint32_t unit) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const char escape[] = {
      '\\', 'u', kDigits[unit >> 12 & 15], kDigits[unit >> 8 & 15], kDigits[unit >> 4 & 15], kDigits[unit & 15]};
  out.append(escape, sizeof escape);
}

char ShortEscape(uint32_t code_point) {
  switch (code_point) {
    case '"':
    case '\\':
      return static_cast<char>(code_point);
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

// The smallest code point that needs a sequence of that many bytes.
constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};

}  // namespace

size_t PlainRunLength(std::string_view text, char quote) {
  size_t length = 0;
#ifdef __SSE2__
  for (; length + 16 <= text.size(); length += 16) {
    const unsigned plain = PlainMask(text.data() + length, quote);
    if (plain != 0xFFFFu) return length + static_cast<size_t>(std::countr_one(plain));
  }
#endif
  while (length < text.size() && IsPlain(text[length], quote)) ++length;
  return length;
}

Utf8Decoder::Step Utf8Decoder::Push(uint8_t byte) {
  if (missing_ == 0) {
    const int ones = std::countl_one(byte);
    if (ones == 1 || ones > 4) return Step::kInvalid;
    length_ = static_cast<uint8_t>(ones == 0 ? 1 : ones);
    missing_ = static_cast<uint8_t>(length_ - 1);
    code_point_ = ones == 0 ? byte : byte & (0x7Fu >> ones);
    return missing_ == 0 ? Step::kValid : Step::kMore;
  }
  if ((byte & 0xC0) != 0x80) {
    missing_ = 0;
    return Step::kTruncated;
  }
  code_point_ = code_point_ << 6 | (byte & 0x3Fu);
  if (--missing_ > 0) return Step::kMore;
  const bool is_nul = length_ == 2 && code_point_ == 0;
  const bool is_overlong = code_point_ < kSmallest[length_] && !is_nul;
  return is_overlong || IsSurrogate(code_point_) || code_point_ > 0x10FFFF ? Step::kInvalid : Step::kValid;
}

bool IsNoncharacter(uint32_t code_point) {
  return (code_point >= 0xFDD0 && code_point <= 0xFDEF) || (code_point & 0xFFFE) == 0xFFFE;
}

bool IsSurrogate(uint32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

void AppendUtf8(std::string& out, uint32_t code_point) {
  const auto continuation = [&](unsigned shift) { out += static_cast<char>(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    continuation(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    continuation(6);
    continuation(0);
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

void AppendEscaped(std::string& out, uint32_t code_point) {
  if (const char letter = ShortEscape(code_point); letter != 0) {
    out += '\\';
    out += letter;
  } else if (code_point >= 0x20 && code_point < 0x7F) {
    out += static_cast<char>(code_point);
  } else if (IsNoncharacter(code_point) || IsSurrogate(code_point)) {
    AppendHex(out, 0xFFFD);
  } else if (code_point < 0x10000) {
    AppendHex(out, code_point);
  } else {
    AppendHex(out, 0xD800 + ((code_point - 0x10000) >> 10));
    AppendHex(out, 0xDC00 + ((code_point - 0x10000) & 0x3FF));
  }
}

std::optional<uint32_t> ParseHex4(std::string_view digits) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4) return std::nullopt;
  return value;
}

bool IsNumber(std::string_view text) {
  const auto take_digits = [&] {
    size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count > 0;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.starts_with('0')) {
    text.remove_prefix(1);
  } else if (!take_digits()) {
    return false;
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!take_digits()) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (!take_digits()) return false;
  }
  return text.empty();
}

std::optional<Value> ParseNumber(std::string_view text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (text.find_first_of(".eE") == std::string_view::npos) {
    int64_t number = 0;
    if (std::from_chars(begin, end, number).ec == std::errc()) return Value(number);
    uint64_t unsigned_number = 0;
    if (text[0] != '-' && std::from_chars(begin, end, unsigned_number).ec == std::errc()) return Value(unsigned_number);
  }
  double number = 0;
  if (std::from_chars(begin, end, number).ec == std::errc()) return Value(number);
  // from_chars does not tell too large from too small; strtod does.
  number = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isfinite(number)) return std::nullopt;
  return Value(number);
}

namespace {

template <typename... Arguments>
void AppendChars(std::string& out, Arguments... arguments) {
  std::array<char, 32> digits;  // %.17g needs 24, a 64 bit integer 20
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), arguments...);
  REEVE_CHECK(error == std::errc());
  out.append(digits.data(), end);
}

}  // namespace

void AppendInteger(std::string& out, int64_t number) {
  AppendChars(out, number);
}
void AppendInteger(std::string& out, uint64_t number) {
  AppendChars(out, number);
}

void AppendDouble(std::string& out, double number) {
  REEVE_CHECK(std::isfinite(number));
  AppendChars(out, number, std::chars_format::general, 17);
}

}  // namespace reeve::json
