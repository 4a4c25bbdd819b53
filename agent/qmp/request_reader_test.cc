#include "agent/qmp/request_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/json_lexer.h"
#include "base/json_parser.h"
#include "base/json_writer.h"

namespace reeve::qmp {
namespace {

using namespace std::string_view_literals;

// An item as one line: `run COMMAND ARGUMENTS [ID]`, or the description, with ` id ID` when it is echoed.
std::string Line(const Item& item) {
  if (const Request* request = std::get_if<Request>(&item))
    return "run " + request->command + " " + json::Write(request->arguments) +
           (request->id ? " " + json::Write(*request->id) : "");
  const auto& error = std::get<InputError>(item);
  return error.description + (error.id ? " id " + json::Write(*error.id) : "");
}

std::vector<std::string> Feed(RequestReader& reader, std::string_view input, size_t portion = SIZE_MAX) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < input.size();) {
    const std::string_view part = input.substr(at, portion);
    at += part.size();
    Bytes bytes = AsBytes(part);
    while (std::optional<Item> item = reader.Next(bytes)) lines.push_back(Line(*item));
    EXPECT_TRUE(bytes.empty());
  }
  return lines;
}

std::vector<std::string> Read(std::string_view input) {
  RequestReader reader;
  return Feed(reader, input);
}

struct Row {
  std::string_view claim;
  std::string_view input;
  std::vector<std::string_view> lines;
};

class AnswerTest : public testing::TestWithParam<Row> {};

TEST_P(AnswerTest, IsExact) {
  std::vector<std::string> expected(GetParam().lines.begin(), GetParam().lines.end());
  EXPECT_EQ(Read(GetParam().input), expected);
  for (const size_t portion : {1, 2, 5}) {
    RequestReader reader;
    EXPECT_EQ(Feed(reader, GetParam().input, portion), expected) << "in portions of " << portion;
  }
}

std::string RowName(const testing::TestParamInfo<Row>& row) {
  return std::string(row.param.claim);
}

const Row kEnvelope[] = {
    {"RequestRunsAtItsClosingBrace", R"({"execute":"guest-ping"})", {"run guest-ping {}"}},
    {"IdIsEchoed", R"({"execute":"guest-ping","id":{"a":[1,null]}})", {R"(run guest-ping {} {"a": [1, null]})"}},
    {"ArgumentsAreGiven", R"({"execute":"guest-sync","arguments":{"id":5}})", {R"(run guest-sync {"id": 5})"}},
    {"EmptyNameIsAName", R"({"execute":""})", {"run  {}"}},
    {"EmptyObjectLacksExecute", "{}", {"QMP input lacks member 'execute'"}},
    {"OnlyIdLacksExecute", R"({"id":1})", {"QMP input lacks member 'execute' id 1"}},
    {"OnlyArgumentsLackExecute", R"({"arguments":{}})", {"QMP input lacks member 'execute'"}},
    {"ExecuteMustBeAString", R"({"execute":1,"id":"x"})", {R"(QMP input member 'execute' must be a string id "x")"}},
    {"ExecOobIsUnexpected", R"({"exec-oob":"a"})", {"QMP input member 'exec-oob' is unexpected"}},
    {"ExecOobBesideExecute", R"({"execute":"a","exec-oob":1})", {"QMP input member 'exec-oob' is unexpected"}},
    {"ExtraMemberIsUnexpected", R"({"execute":"a","foo":1,"id":2})", {"QMP input member 'foo' is unexpected id 2"}},
    {"ArgumentsMustBeAnObject",
     R"({"execute":"a","arguments":[]})",
     {"QMP input member 'arguments' must be an object"}},
    {"NullArgumentsAreNoObject",
     R"({"execute":"a","arguments":null})",
     {"QMP input member 'arguments' must be an object"}},
    {"ListIsNoObject", "[]", {"QMP input must be a JSON object"}},
    {"StringIsNoObject", R"("x")", {"QMP input must be a JSON object"}},
    {"NumberIsNoObject", "1 ", {"QMP input must be a JSON object"}},
    {"TrueIsNoObject", "true ", {"QMP input must be a JSON object"}},
    {"NullIsNoObject", "null ", {"QMP input must be a JSON object"}},
    {"TruncatedWaitsForEver", R"({"execute":"guest-ping")", {}},
    {"ScalarWaitsForItsEnd", "12", {}},
    {"SpaceBetweenIsFree", " \t\r\n{\"execute\":\r\n\"a\"}\r\n\n", {"run a {}"}},
    {"TwoInOneWrite", R"({"execute":"a"}{"execute":"b"})", {"run a {}", "run b {}"}},
};
INSTANTIATE_TEST_SUITE_P(Envelope, AnswerTest, testing::ValuesIn(kEnvelope), RowName);

const Row kLexical[] = {
    {"SentinelIsAnswered", "\xFF{\"execute\":\"a\"}\n"sv, {"1:1: JSON parse error, stray '\xFF'", "run a {}"}},
    {"HighByteIsStray", "\x80{\"execute\":\"a\"}"sv, {"1:1: JSON parse error, stray '\x80'", "run a {}"}},
    {"ByteOrderMarkIsOneError",
     "\xEF\xBB\xBF{\"execute\":\"a\"}"sv,
     {"1:1: JSON parse error, stray '\xEF'", "run a {}"}},
    {"NulIsStray", "\0"sv, {"1:1: JSON parse error, stray ''"}},
    {"EscIsStray", "\x1B"sv, {"1:1: JSON parse error, stray '\x1B'"}},
    {"At", "@", {"1:1: JSON parse error, stray '@'"}},
    {"Percent", "%", {"1:1: JSON parse error, stray '%'"}},
    {"LeadingZero", "01", {"1:1: JSON parse error, stray '01'"}},
    {"LineFeedInAString", "{\"execute\":\"guest-pi\n", {"1:12: JSON parse error, stray '\"guest-pi\n'"}},
    {"SentinelInAStringDropsTheRequest",
     "{\"execute\":\"guest-pi\xFF{\"execute\":\"a\"}"sv,
     {"1:12: JSON parse error, stray '\"guest-pi\xFF'", "run a {}"}},
    {"StrayThenOrphanCloser",
     R"({"execute":@})",
     {"1:12: JSON parse error, stray '@'", "1:14: JSON parse error, expecting value"}},
    {"RecoverySkipsToALineFeed", "@ true 1\n{\"execute\":\"a\"}", {"1:1: JSON parse error, stray '@'", "run a {}"}},
    {"RecoverySkipsATab", "@\t1\n", {"1:1: JSON parse error, stray '@'"}},
    {"RecoveryEndsAtAControlByteThatIsStrayItself",
     "@\x01\n",
     {"1:1: JSON parse error, stray '@'", "1:3: JSON parse error, stray '\x01'"}},
    {"RecoveryEndsAtFeThatIsStrayItself",
     "\"\xFF\xFE\"\n",
     {"1:1: JSON parse error, stray '\"\xFF'", "1:4: JSON parse error, stray '\xFE'"}},
    {"Bareword", "xyz ", {"1:1: JSON parse error, invalid keyword 'xyz'"}},
    {"WordAndStrayAreTwo", "1@", {"QMP input must be a JSON object", "1:2: JSON parse error, stray '@'"}},
    {"LoneSurrogate",
     R"({"execute":"\ud800"})",
     {R"(1:12: JSON parse error, \ud800 is not a valid Unicode character)"}},
    {"BadEscape", R"({"execute":"\q"})", {"1:12: JSON parse error, invalid escape sequence in string"}},
    {"BadUtf8", "{\"execute\":\"\xC1\x81\"}", {"1:12: JSON parse error, invalid UTF-8 sequence in string"}},
    {"PositionsCountPerConnection",
     "@\n@\n  @",
     {"1:1: JSON parse error, stray '@'", "2:1: JSON parse error, stray '@'", "3:3: JSON parse error, stray '@'"}},
};
INSTANTIATE_TEST_SUITE_P(Lexical, AnswerTest, testing::ValuesIn(kLexical), RowName);

const Row kGrammar[] = {
    {"ColonMissing", R"({"a" 1})", {"1:6: JSON parse error, expecting ':'"}},
    {"KeyIsNoString", "{1:2}", {"1:2: JSON parse error, expecting key"}},
    {"CommaBeforeBrace", R"({"a":1,})", {"1:8: JSON parse error, expecting key"}},
    {"BracketClosesBrace", "{]}", {"1:2: JSON parse error, expecting key"}},
    {"ValueMissing", R"({"a":})", {"1:6: JSON parse error, expecting value"}},
    {"CommaBeforeBracket", "[1,]", {"1:4: JSON parse error, expecting value"}},
    {"OrphanBracket", "]", {"1:1: JSON parse error, expecting value"}},
    {"OrphanBrace", "}", {"1:1: JSON parse error, expecting value"}},
    {"BraceClosesBracket", "[}]", {"1:2: JSON parse error, expecting value"}},
    {"CommaMissingInObject", R"({"a":1 "b":2})", {"1:8: JSON parse error, expected ',' or '}'"}},
    {"CommaMissingInList", "[1 2]", {"1:4: JSON parse error, expected ',' or ']'"}},
    {"DuplicateKey", R"({"execute":"a","execute":"b"})", {"1:16: JSON parse error, duplicate key"}},
    {"DuplicateKeyInArguments",
     R"({"execute":"a","arguments":{"x":1,"x":2}})",
     {"1:35: JSON parse error, duplicate key"}},
    {"InfinityIsRefused", R"({"execute":"a","id":1e999})", {"1:21: JSON parse error, number out of range"}},
};
INSTANTIATE_TEST_SUITE_P(Grammar, AnswerTest, testing::ValuesIn(kGrammar), RowName);

// What follows an error that is not lexical: `[1 2` leaves one bracket open.
const Row kSwallowing[] = {
    {"UntilBracketsBalance",
     R"([1 2, [3], {"]":4}]{"execute":"a"})",
     {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"UntilALineFeed", "[1 2 {{{[\n{\"execute\":\"a\"}", {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"AfterALineFeedEverythingCountsAgain",
     "[1 2 [\ntrue {\"execute\":\"a\"}",
     {"1:4: JSON parse error, expected ',' or ']'", "QMP input must be a JSON object", "run a {}"}},
    {"UntilALineFeedInAString",
     "[1 2 \"abc\n{\"execute\":\"a\"}",
     {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"UntilTheSentinelWithoutAnotherLine",
     "[1 2 {{\xFF{\"execute\":\"a\"}"sv,
     {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"UntilFe", "[1 2 {{\xFE{\"execute\":\"a\"}"sv, {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"UntilAControlByte",
     "[1 2 {{\x01{\"execute\":\"a\"}"sv,
     {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"NotUntilTabOrReturn",
     "[1 2\t\r{\"execute\":\"a\"}]{\"execute\":\"b\"}",
     {"1:4: JSON parse error, expected ',' or ']'", "run b {}"}},
    {"NotByBracketsInStrings",
     R"([1 2 "]" '}' "\"]" ]{"execute":"a"})",
     {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"StrayBytesAreSwallowedToo",
     R"([1 2 @ % ]{"execute":"a"})",
     {"1:4: JSON parse error, expected ',' or ']'", "run a {}"}},
    {"TheOffendingOpenerCounts", R"({"a" [1]}{"execute":"a"})", {"1:6: JSON parse error, expecting ':'", "run a {}"}},
    {"ClosersDoNotGoBelowZero", R"({]]]}{"execute":"a"})", {"1:2: JSON parse error, expecting key", "run a {}"}},
    {"NothingIsSwallowedAtTheTop", R"(}{"execute":"a"})", {"1:1: JSON parse error, expecting value", "run a {}"}},
    {"PositionsGoOnAfterwards",
     "[1 2]\n @",
     {"1:4: JSON parse error, expected ',' or ']'", "2:2: JSON parse error, stray '@'"}},
};
INSTANTIATE_TEST_SUITE_P(Swallowing, AnswerTest, testing::ValuesIn(kSwallowing), RowName);

// --- limits ---

TEST(RequestReaderLimitTest, DepthOf1024IsOneValueAnd1025IsOneError) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(Read(nested(1024)), std::vector<std::string>{"QMP input must be a JSON object"});
  EXPECT_EQ(Read(nested(1025) + R"({"execute":"a"})"),
            (std::vector<std::string>{"JSON nesting depth limit exceeded", "run a {}"}));
}

TEST(RequestReaderLimitTest, TokenCountIsOneErrorAndTheRestIsSwallowed) {
  std::string text = "[0";
  for (size_t i = 0; i < json::kMaxTokens / 2; ++i) text += ",1";
  EXPECT_EQ(Read(text + R"(, {"x": [1]} ]{"execute":"a"})"),
            (std::vector<std::string>{"JSON token count limit exceeded", "run a {}"}));
}

std::string RequestOf(size_t token_bytes) {
  const std::string_view head = R"({"execute":"a","id":")";
  const std::string_view tail = R"("})";
  return std::string(head) + std::string(token_bytes - head.size() - tail.size(), 'A') + std::string(tail);
}

TEST(RequestReaderLimitTest, TokenBytesOf64MiBAreARequest) {
  RequestReader reader;
  const std::string text = RequestOf(json::kMaxTokenBytes);
  Bytes bytes = AsBytes(text);
  std::optional<Item> item = reader.Next(bytes);
  ASSERT_TRUE(item.has_value());
  EXPECT_TRUE(std::holds_alternative<Request>(*item));
}

TEST(RequestReaderLimitTest, OneTokenByteMoreIsOneErrorWhereverItFalls) {
  for (const size_t excess : {1, 2, 3, 100}) {
    EXPECT_EQ(Read(RequestOf(json::kMaxTokenBytes + excess) + R"({"execute":"b"})"),
              (std::vector<std::string>{"JSON token size limit exceeded", "run b {}"}))
        << excess;
  }
}

TEST(RequestReaderLimitTest, BracketsInTheRestOfALongStringDoNotCount) {
  std::string text = RequestOf(json::kMaxTokenBytes + 100);
  text.replace(text.size() - 50, 10, "}}]]\\\"}}]]");
  EXPECT_EQ(Read(text + R"({"execute":"b"})"),
            (std::vector<std::string>{"JSON token size limit exceeded", "run b {}"}));
}

TEST(RequestReaderLimitTest, AnEscapeAtTheLimitStillEscapes) {
  std::string text = RequestOf(json::kMaxTokenBytes + 100);
  text.replace(json::kMaxTokenBytes - 1, 19, R"(\"}{"execute":"x"})");
  EXPECT_EQ(Read(text.substr(0, json::kMaxTokenBytes + 18) + "\n{\"execute\":\"b\"}").back(), "run b {}");
  EXPECT_EQ(Read(text.substr(0, json::kMaxTokenBytes + 18) + "\n{\"execute\":\"b\"}").size(), 2u);
}

TEST(RequestReaderLimitTest, ALongWordIsOneErrorAndItsRestIsNoValue) {
  EXPECT_EQ(Read(std::string(json::kMaxTokenBytes + 10, '1') + "\n{\"execute\":\"b\"}"),
            (std::vector<std::string>{"JSON token size limit exceeded", "run b {}"}));
}

TEST(RequestReaderLimitTest, EachValueHasItsOwnBudget) {
  RequestReader reader;
  const std::string text = RequestOf(40 * 1024 * 1024);
  EXPECT_EQ(Feed(reader, text).size(), 1u);
  EXPECT_TRUE(Feed(reader, text)[0].starts_with("run a {} "));
}

TEST(RequestReaderLimitTest, AnErrorRepeatsLittleOfALongToken) {
  const std::vector<std::string> lines = Read("\"" + std::string(1'000'000, 'A') + "\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LT(lines[0].size(), json::kMaxEchoBytes + 100);
}

// --- half requests ---

TEST(RequestReaderPartialTest, KnowsWhetherSomethingHasBegun) {
  RequestReader reader;
  EXPECT_FALSE(reader.HasPartial());
  Feed(reader, "\n");
  EXPECT_FALSE(reader.HasPartial());
  Feed(reader, "{");
  EXPECT_TRUE(reader.HasPartial());
  Feed(reader, R"("execute":"a"})");
  EXPECT_FALSE(reader.HasPartial());
  Feed(reader, "\"");
  EXPECT_TRUE(reader.HasPartial());
  Feed(reader, "\" [1 2 {");
  EXPECT_TRUE(reader.HasPartial()) << "bytes are being swallowed";
}

TEST(RequestReaderPartialTest, DroppedHalfLeavesNoTraceButThePositions) {
  for (const std::string_view half : {R"({"execute":"gue)", R"({"execute":)", "[1 2 {", "12", "tru", R"("\u00)"}) {
    RequestReader reader;
    Feed(reader, half);
    reader.DropPartial();
    EXPECT_FALSE(reader.HasPartial());
    EXPECT_EQ(Feed(reader, R"({"execute":"a"})"), std::vector<std::string>{"run a {}"}) << half;
  }
  RequestReader reader;
  Feed(reader, "{{");
  reader.DropPartial();
  EXPECT_EQ(Feed(reader, "@"), std::vector<std::string>{"1:3: JSON parse error, stray '@'"});
}

TEST(RequestReaderPartialTest, DoubtfulHalfDiesAtALineFeedBetweenTokens) {
  RequestReader reader;
  Feed(reader, R"({"execute":)");
  reader.DropPartialAtLineFeed();
  EXPECT_EQ(Feed(reader, "\n{\"execute\":\n\"a\"}"), std::vector<std::string>{"run a {}"});
}

TEST(RequestReaderPartialTest, DoubtfulHalfMayStillComplete) {
  RequestReader reader;
  Feed(reader, R"({"execute":)");
  reader.DropPartialAtLineFeed();
  EXPECT_EQ(Feed(reader, "\"a\"}\n{\n\"execute\":\"b\"}"), (std::vector<std::string>{"run a {}", "run b {}"}));
}

TEST(RequestReaderPartialTest, WhenNothingIsPartialLineFeedsStayFree) {
  RequestReader reader;
  reader.DropPartialAtLineFeed();
  EXPECT_EQ(Feed(reader, "{\n\"execute\":\"b\"}"), std::vector<std::string>{"run b {}"});
}

TEST(RequestReaderPartialTest, WhatIsRefusedAmidAStringIsSkippedToItsEndAndHoldsNothing) {
  RequestReader reader;
  Feed(reader, R"({"execute":"a","id":"xxx)");
  EXPECT_GT(reader.partial_bytes(), 10u);
  EXPECT_EQ(reader.RefusePartial("too much").description, "too much");
  EXPECT_EQ(reader.partial_bytes(), 0u);
  EXPECT_EQ(Feed(reader, R"(}{"} {"execute":"b"})"), std::vector<std::string>{"run b {}"});
}

}  // namespace
}  // namespace reeve::qmp
