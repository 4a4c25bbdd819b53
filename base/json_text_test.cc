#include "base/json_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace reeve::json {
namespace {

TEST(PlainRunTest, StopsAtEveryByteThatIsNotPlain) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_plain = byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
    for (size_t at = 0; at < 40; ++at) {
      std::string text(40, 'a');
      text[at] = static_cast<char>(byte);
      EXPECT_EQ(PlainRunLength(text, '"'), is_plain ? 40 : at) << byte;
    }
  }
  EXPECT_EQ(PlainRunLength("it's", '\''), 2u);
  EXPECT_EQ(PlainRunLength("a\"b", '\''), 3u);
  EXPECT_EQ(PlainRunLength("", '"'), 0u);
}

std::string Decode(std::string_view bytes) {
  Utf8Decoder decoder;
  std::string seen;
  for (size_t i = 0; i < bytes.size();) {
    switch (decoder.Push(static_cast<uint8_t>(bytes[i]))) {
      case Utf8Decoder::Step::kMore:
        break;
      case Utf8Decoder::Step::kValid:
        AppendUtf8(seen, decoder.code_point());
        break;
      case Utf8Decoder::Step::kInvalid:
        seen += '!';
        break;
      case Utf8Decoder::Step::kTruncated:
        seen += '<';
        continue;
    }
    ++i;
  }
  return seen;
}

TEST(Utf8DecoderTest, TakesWellFormedSequences) {
  for (const std::string_view text : {"a\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xEF\xBF\xBD", "\xED\x9F\xBF",
                                      "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(Decode(text), text);
}

TEST(Utf8DecoderTest, RefusesWhatIsNoCodePoint) {
  EXPECT_EQ(Decode("\x80"), "!");
  EXPECT_EQ(Decode("\xC1\x81"), "!");          // overlong
  EXPECT_EQ(Decode("\xE0\x80\x80"), "!");      // overlong
  EXPECT_EQ(Decode("\xF0\x80\x80\x80"), "!");  // overlong
  EXPECT_EQ(Decode("\xED\xA0\x80"), "!");      // surrogate
  EXPECT_EQ(Decode("\xF4\x90\x80\x80"), "!");  // above U+10FFFF
  EXPECT_EQ(Decode("\xF8"), "!");
  EXPECT_EQ(Decode("\xFF"), "!");
  EXPECT_EQ(Decode("\xE2\x82z"), "<z");
}

TEST(Utf8DecoderTest, TakesC080ForNulAsQemuDoes) {
  EXPECT_EQ(Decode("\xC0\x80"), std::string(1, '\0'));
}

std::string Escaped(uint32_t code_point) {
  std::string out;
  AppendEscaped(out, code_point);
  return out;
}

TEST(EscapeTest, IsUpperCaseAndShortWhereQemuIs) {
  EXPECT_EQ(Escaped('a'), "a");
  EXPECT_EQ(Escaped('/'), "/");
  EXPECT_EQ(Escaped('"'), "\\\"");
  EXPECT_EQ(Escaped('\\'), "\\\\");
  EXPECT_EQ(Escaped('\b') + Escaped('\f') + Escaped('\n') + Escaped('\r') + Escaped('\t'), "\\b\\f\\n\\r\\t");
  EXPECT_EQ(Escaped(0), "\\u0000");
  EXPECT_EQ(Escaped(0x1B), "\\u001B");
  EXPECT_EQ(Escaped(0x7F), "\\u007F");
  EXPECT_EQ(Escaped(0xE9), "\\u00E9");
  EXPECT_EQ(Escaped(0x1F600), "\\uD83D\\uDE00");
  EXPECT_EQ(Escaped(0xFFFE), "\\uFFFD");
  EXPECT_EQ(Escaped(0xFDD0), "\\uFFFD");
}

TEST(NumberTest, KnowsTheGrammar) {
  for (const std::string_view text : {"0", "-0", "10", "1.5", "1e3", "1E+3", "0.1e-2", "-9"})
    EXPECT_TRUE(IsNumber(text)) << text;
  for (const std::string_view text : {"", "-", "01", ".5", "1.", "+1", "1e", "1e+", "0x1", "1 ", "--1", "1.e1"})
    EXPECT_FALSE(IsNumber(text)) << text;
}

TEST(NumberTest, KeepsIntegersExactAndFallsBackAsQemuDoes) {
  EXPECT_EQ(ParseNumber("9223372036854775807"), Value(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(ParseNumber("-9223372036854775808"), Value(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(ParseNumber("9223372036854775808"), Value(uint64_t{1} << 63));
  EXPECT_EQ(ParseNumber("18446744073709551615"), Value(std::numeric_limits<uint64_t>::max()));
  EXPECT_EQ(ParseNumber("18446744073709551616"), Value(18446744073709551616.0));
  EXPECT_EQ(ParseNumber("-9223372036854775809"), Value(-9223372036854775808.0));
  EXPECT_EQ(ParseNumber("1.0"), Value(1.0));
  EXPECT_EQ(ParseNumber("-0"), Value(int64_t{0}));
}

TEST(NumberTest, RefusesWhatIsTooLargeForADoubleButNotWhatIsTooSmall) {
  EXPECT_EQ(ParseNumber("1e999"), std::nullopt);
  EXPECT_EQ(ParseNumber("-1e999"), std::nullopt);
  EXPECT_EQ(ParseNumber(std::string(400, '9')), std::nullopt);
  EXPECT_EQ(ParseNumber("1e-999"), Value(0.0));
}

TEST(NumberTest, PrintsSeventeenDigits) {
  const auto print = [](double number) {
    std::string out;
    AppendDouble(out, number);
    return out;
  };
  EXPECT_EQ(print(0.1), "0.10000000000000001");
  EXPECT_EQ(print(1000.0), "1000");
  EXPECT_EQ(print(1e300), "1.0000000000000001e+300");
  EXPECT_EQ(print(-0.5), "-0.5");
  EXPECT_EQ(print(1e-5), "1.0000000000000001e-05");
}

}  // namespace
}  // namespace reeve::json
