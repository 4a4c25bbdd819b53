#include "base/json_parser.h"

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "base/testing.h"

namespace reeve::json {
namespace {

struct Case {
  std::string_view claim;
  std::string_view input;
  std::string_view outcome;  // wire form, or the error
};

std::string Outcome(std::string_view input) {
  Result<Value> value = Parse(input);
  return value ? Write(*value) : value.error().message();
}

class DialectTest : public testing::TestWithParam<Case> {};

TEST_P(DialectTest, Holds) {
  EXPECT_EQ(Outcome(GetParam().input), GetParam().outcome);
}

// Decision C1's rows: what qemu-ga answers.
constexpr Case kDialect[] = {
    {"DuplicateKeysAreRefused", R"({"execute":"a","execute":"b"})", "1:16: JSON parse error, duplicate key"},
    {"KeysAreComparedDecoded", R"({"a":1,"\u0061":2})", "1:8: JSON parse error, duplicate key"},
    {"SingleQuotesDelimit", "{'execute':'guest-ping'}", R"({"execute": "guest-ping"})"},
    {"ApostropheMayBeEscaped", R"("it\'s")", R"("it's")"},
    {"DoubleQuotesMayStandInSingle", R"('a"b')", R"("a\"b")"},
    {"StrayInAValueNobodyLooksAt", R"({"id":@})", "1:7: JSON parse error, stray '@'"},
    {"LeadingZeroIsStray", R"({"x":01})", "1:6: JSON parse error, stray '01'"},
    {"NoncharacterIsRefused", "\"\xEF\xBF\xBF\"", "1:1: JSON parse error, invalid UTF-8 sequence in string"},
    {"C080IsNul", "\"\xC0\x80\"", R"("\u0000")"},
    {"EscapedNulIsNul", R"("\u0000")", R"("\u0000")"},
    {"C181IsRefused", "\"\xC1\x81\"", "1:1: JSON parse error, invalid UTF-8 sequence in string"},
    {"OverlongIsRefused", "\"\xE0\x80\x80\"", "1:1: JSON parse error, invalid UTF-8 sequence in string"},
    {"RawSurrogateIsRefused", "\"\xED\xA0\x80\"", "1:1: JSON parse error, invalid UTF-8 sequence in string"},
    {"TruncatedUtf8IsRefused", "\"\xE2\x82\"", "1:1: JSON parse error, invalid UTF-8 sequence in string"},
    {"TooLargeForADoubleIsRefused", R"({"id":1e999})", "1:7: JSON parse error, number out of range"},
    {"SurrogatePairIsOneCharacter", R"("\ud83d\ude00")", R"("\uD83D\uDE00")"},
    {"HighSurrogateAlone", R"("\ud800")", R"(1:1: JSON parse error, \ud800 is not a valid Unicode character)"},
    {"HighSurrogateWithText", R"("\ud800x")", R"(1:1: JSON parse error, \ud800 is not a valid Unicode character)"},
    {"TwoHighSurrogates", R"("\ud800\ud800")", R"(1:1: JSON parse error, \ud800 is not a valid Unicode character)"},
    {"LowSurrogateAlone", R"("\uDC00")", R"(1:1: JSON parse error, \uDC00 is not a valid Unicode character)"},
    {"EscapedNoncharacter", R"("\ufffe")", R"(1:1: JSON parse error, \ufffe is not a valid Unicode character)"},
    {"NoHexDigits", R"("\uzz12")", R"(1:1: JSON parse error, \uzz12 is not a valid Unicode character)"},
    {"TooFewHexDigits", R"("\u12")", R"(1:1: JSON parse error, \u12" is not a valid Unicode character)"},
    {"UnknownEscape", R"("\x41")", "1:1: JSON parse error, invalid escape sequence in string"},
    {"AllEscapes", R"("\"\'\\\/\b\f\n\r\t")", R"("\"'\\/\b\f\n\r\t")"},
    {"DelMayStandRaw", "\"\x7F\"", R"("\u007F")"},
    {"TabInAStringIsStray", "\"a\tb\"", "1:1: JSON parse error, stray '\"a\t'"},
    {"CommentIsStray", "/* */ 1", "1:1: JSON parse error, stray '/'"},
    {"PlusIsStray", "+1", "1:1: JSON parse error, stray '+'"},
    {"PointFirstIsStray", ".5", "1:1: JSON parse error, stray '.'"},
    {"PointLastIsStray", "[1.]", "1:2: JSON parse error, stray '1.]'"},
    {"MinusAloneIsStray", "-a", "1:1: JSON parse error, stray '-a'"},
    {"NaNIsStray", "NaN", "1:1: JSON parse error, stray 'N'"},
    {"CapitalsAreStray", "True", "1:1: JSON parse error, stray 'T'"},
    {"BarewordIsNamed", "xyz", "1:1: JSON parse error, invalid keyword 'xyz'"},
    {"TrailingComma", R"({"a":1,})", "1:8: JSON parse error, expecting key"},
    {"TrailingCommaInList", "[1,]", "1:4: JSON parse error, expecting value"},
    {"PositionsCountLines", "{\n \"a\":\n  ]", "3:3: JSON parse error, expecting value"},
    {"EmptyContainers", "[{}, [], '']", R"([{}, [], ""])"},
};

INSTANTIATE_TEST_SUITE_P(Rows, DialectTest, testing::ValuesIn(kDialect),
                         [](const auto& row) { return std::string(row.param.claim); });

TEST(JsonParserTest, DepthOf1024IsReadAnd1025IsRefused) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(Outcome(nested(1024)), nested(1024));
  EXPECT_EQ(Outcome(nested(1025)), "JSON nesting depth limit exceeded");
}

TEST(JsonParserTest, TokenCountOf2097152IsReadAndOneMoreIsRefused) {
  // Brackets, and numbers with a comma before all but the first: an odd count, so one `[]` evens it out.
  const auto list = [](size_t tokens) {
    std::string text = "[";
    if (tokens % 2 == 0) text += "[],";
    const size_t numbers = (tokens - (tokens % 2 == 0 ? 5 : 2) + 1) / 2;
    for (size_t i = 0; i < numbers; ++i) text += i == 0 ? "1" : ",1";
    return text + "]";
  };
  EXPECT_THAT(Parse(list(kMaxTokens - 1)), IsOk());
  EXPECT_THAT(Parse(list(kMaxTokens)), IsOk());
  EXPECT_THAT(Parse(list(kMaxTokens + 1)), FailsSaying("JSON token count limit exceeded"));
}

TEST(JsonParserTest, TokenBytesOf64MiBAreReadAndOneMoreIsRefused) {
  const auto string_of = [](size_t token_bytes) { return '"' + std::string(token_bytes - 2, 'A') + '"'; };
  EXPECT_THAT(Parse(string_of(kMaxTokenBytes)), IsOk());
  EXPECT_THAT(Parse(string_of(kMaxTokenBytes + 1)), FailsSaying("JSON token size limit exceeded"));
  EXPECT_THAT(Parse("[" + string_of(kMaxTokenBytes - 2) + "   ]"), IsOk());
  EXPECT_THAT(Parse("[" + string_of(kMaxTokenBytes - 1) + "]"), FailsSaying("JSON token size limit exceeded"));
}

TEST(JsonParserTest, DuplicateKeysAreFoundInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  EXPECT_THAT(Parse(text + "\"last\":0}"), IsOk());
  EXPECT_THAT(Parse(text + "\"key20\":0}"), FailsSaying("duplicate key"));
  EXPECT_THAT(Parse(text + "\"key999\":0}"), FailsSaying("duplicate key"));
}

TEST(JsonParserTest, RefusesMoreOrLessThanOneValue) {
  EXPECT_THAT(Parse(""), FailsWith(Code::kBadMessage));
  EXPECT_THAT(Parse("{"), FailsWith(Code::kBadMessage));
  EXPECT_THAT(Parse("1 2"), FailsSaying("more than one value"));
}

}  // namespace
}  // namespace reeve::json
