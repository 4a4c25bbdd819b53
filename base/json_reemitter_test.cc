#include "base/json_reemitter.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace reeve::json {
namespace {

std::string Reemit(std::string_view text, size_t portion) {
  Reemitter reemitter;
  ByteQueue out;
  for (size_t at = 0; at < text.size(); at += portion) {
    if (Status status = reemitter.Feed(text.substr(at, portion), out); !status) return status.error().message();
  }
  if (Status status = reemitter.Finish(out); !status) return status.error().message();
  return out.ToString();
}

std::string Reemit(std::string_view text) {
  const std::string whole = Reemit(text, text.size() + 1);
  for (const size_t portion : {1, 2, 3, 7}) EXPECT_EQ(Reemit(text, portion), whole);
  return whole;
}

TEST(ReemitterTest, BringsAnySpacingIntoWireForm) {
  EXPECT_EQ(Reemit(" {\"a\":1 ,\n\"b\" : [ 1,2.5,{ } , [ ] ],\t\"c\":null,\"d\":true,\"e\":false}\n"),
            R"({"a": 1, "b": [1, 2.5, {}, []], "c": null, "d": true, "e": false})");
  EXPECT_EQ(Reemit("12"), "12");
  EXPECT_EQ(Reemit("\"\""), "\"\"");
}

TEST(ReemitterTest, LeavesNoByteButPrintableAscii) {
  EXPECT_EQ(Reemit("\"\xC3\xA9 \\u00e9 \\u0041 \\/ \x7F \xF0\x9F\x98\x80 \\ud83d\\ude00 \\n \\u000a \\u0000\""),
            "\"\\u00E9 \\u00E9 A / \\u007F \\uD83D\\uDE00 \\uD83D\\uDE00 \\n \\n \\u0000\"");
}

TEST(ReemitterTest, NoncharactersBecomeReplacements) {
  EXPECT_EQ(Reemit("\"\xEF\xBF\xBE \\uffff\""), "\"\\uFFFD \\uFFFD\"");
}

TEST(ReemitterTest, NumbersComeInWireForm) {
  EXPECT_EQ(Reemit("[0.1,1e3,1000.0,-0,18446744073709551615,123456789012345678901]"),
            "[0.10000000000000001, 1000, 1000, 0, 18446744073709551615, 1.2345678901234568e+20]");
}

TEST(ReemitterTest, LongRunsPassWhole) {
  const std::string run(1'000'000, 'Q');
  EXPECT_EQ(Reemit("{\"buf-b64\":\"" + run + "\",\"eof\":true}", 65'536),
            "{\"buf-b64\": \"" + run + "\", \"eof\": true}");
}

TEST(ReemitterTest, RefusesWhatRfc8259DoesNotHave) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "'a'",
                                      "\"\\'\"",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "-",
                                      "1e",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "NaN",
                                      "Infinity",
                                      "1 2",
                                      "{} {}",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "{\"a\":}",
                                      "{1:2}",
                                      "]",
                                      "[}",
                                      "\"a\nb\"",
                                      "\"\\x41\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"abc",
                                      "// x",
                                      "\xEF\xBB\xBF{}",
                                      "{\"a\":1}\xFF",
                                      "\"\\ud800\"",
                                      "\"\\ud800x\"",
                                      "\"\\ud800\\n\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"",
                                      "\"\x80\"",
                                      "\"\xC0\x80\"",
                                      "\"\xE2\x82\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xFF\"",
                                      "1e999",
                                      "[1e999]"})
    EXPECT_TRUE(Reemit(text).starts_with("check JSON of a reply: ")) << text << " became " << Reemit(text);
}

TEST(ReemitterTest, RefusesANulByte) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(Reemit("\"a\0\""sv).starts_with("check JSON")) << "in a string";
  EXPECT_TRUE(Reemit("1\0"sv).starts_with("check JSON")) << "after the value";
}

TEST(ReemitterTest, DepthOf1024PassesAnd1025IsRefused) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(Reemit(nested(1024)), nested(1024));
  EXPECT_EQ(Reemit(nested(1025)), "check JSON of a reply: it is nested too deep");
}

TEST(ReemitterTest, NumberOf512BytesPassesAnd513IsRefused) {
  EXPECT_EQ(Reemit("0." + std::string(510, '0')), "0");
  EXPECT_EQ(Reemit("0." + std::string(511, '0')), "check JSON of a reply: a number is too long");
}

TEST(ReemitterTest, AFailureIsForGood) {
  Reemitter reemitter;
  ByteQueue out;
  EXPECT_THAT(reemitter.Feed("[1,,", out), FailsWith(Code::kBadMessage));
  EXPECT_THAT(reemitter.Feed("2]", out), FailsWith(Code::kBadMessage));
  EXPECT_THAT(reemitter.Finish(out), FailsWith(Code::kBadMessage));
}

}  // namespace
}  // namespace reeve::json
