#include "reeve/json.hpp"

#include <gtest/gtest.h>

namespace reeve::plugin {
namespace {

TEST(ArgumentsTest, FindsTypedMembers) {
  const Arguments arguments(R"({"handle": 1000, "big": 18446744073709551615, "ok": true, "name": "x", "f": 1.5})");
  EXPECT_EQ(arguments.Int("handle"), 1000);
  EXPECT_EQ(arguments.Uint("big"), 18446744073709551615u);
  EXPECT_TRUE(arguments.Bool("ok"));
  EXPECT_EQ(arguments.String("name"), "x");
  EXPECT_EQ(arguments.Find("f")->AsNumber(), 1.5);
}

TEST(ArgumentsTest, GivesTheFallbackForWhatIsAbsent) {
  const Arguments arguments("{}");
  EXPECT_EQ(arguments.Int("handle", -1), -1);
  EXPECT_EQ(arguments.String("name", "none"), "none");
  EXPECT_FALSE(arguments.Has("name"));
}

TEST(ArgumentsTest, ReadsAStringWithoutEscapesInPlace) {
  const std::string text = R"({"buf-b64": "aGVsbG8="})";
  const Arguments arguments(text);
  const std::string_view value = arguments.String("buf-b64");
  EXPECT_EQ(value, "aGVsbG8=");
  EXPECT_GE(value.data(), text.data());
  EXPECT_LT(value.data(), text.data() + text.size());
}

TEST(ArgumentsTest, UndoesEscapesIntoViewsThatStayGood) {
  const Arguments arguments(R"({"a": "x\"\\\/\n\u00e4\ud83d\ude00", "b": "\u0041\u0000z"})");
  const std::string_view a = arguments.String("a");
  const std::string_view b = arguments.String("b");
  EXPECT_EQ(a, "x\"\\/\n\xC3\xA4\xF0\x9F\x98\x80");
  EXPECT_EQ(b, std::string_view("A\0z", 3));
}

TEST(ArgumentsTest, DoesNotTakeAQuoteBehindABackslashForTheEnd) {
  const Arguments arguments(R"({"a": "\\", "b": "\\\"", "c": "end"})");
  EXPECT_EQ(arguments.String("a"), "\\");
  EXPECT_EQ(arguments.String("b"), "\\\"");
  EXPECT_EQ(arguments.String("c"), "end");
}

TEST(ArgumentsTest, WalksListsAndObjectsInside) {
  const Arguments arguments(R"({"arg": ["-c", "echo, ]}", ""], "o": {"k": [1, 2], "l": {}}, "n": []})");
  EXPECT_EQ(arguments.Strings("arg"), (std::vector<std::string>{"-c", "echo, ]}", ""}));
  const auto members = arguments.Find("o")->Members();
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].second.Elements()[1].AsInt(), 2);
  EXPECT_TRUE(arguments.Find("n")->Elements().empty());
}

TEST(ArgumentsTest, StaysInBoundsWhenTheTextIsCutAnywhere) {
  const std::string whole = R"({"a": "x\"\u00e4", "b": [1, {"c": "\\"}], "d": tru, "e": "\ud83d\ude00"})";
  for (size_t length = 0; length <= whole.size(); ++length) {
    const std::string cut(whole, 0, length);  // its own allocation: a sanitizer sees a read behind it
    const Arguments arguments(cut);
    arguments.String("a");
    arguments.Strings("b");
    arguments.String("e");
  }
}

TEST(ArgumentsTest, RefusesNumbersWithSomethingBehindThem) {
  EXPECT_FALSE(JsonValue("12x").AsInt());
  EXPECT_FALSE(JsonValue("").AsInt());
  EXPECT_FALSE(JsonValue("1.5").AsInt());
}

TEST(JsonWriterTest, SetsCommasAndColonsByItself) {
  JsonWriter json;
  json.BeginObject().Key("a").Int(-1).Key("l").BeginList().Uint(1).String("x").BeginObject().EndObject().EndList();
  json.Key("b").Bool(true).Key("n").Null().EndObject();
  EXPECT_EQ(json.text(), R"({"a": -1, "l": [1, "x", {}], "b": true, "n": null})");
}

TEST(JsonWriterTest, EscapesControlBytesAndReplacesWhatIsNoUtf8) {
  JsonWriter json;
  json.String(std::string("q\"\\\n\x7F\xC3\xA4\xFF\xC0\x80\xED\xA0\x80", 13));
  EXPECT_EQ(json.text(),
            "\"q\\\"\\\\\\u000A\\u007F\xC3\xA4"
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(JsonWriterTest, WritesNoNumberThatJsonHasNot) {
  JsonWriter json;
  json.BeginList().Number(0.5).Number(1.0 / 0.0).EndList();
  EXPECT_EQ(json.text(), "[0.5, null]");
}

}  // namespace
}  // namespace reeve::plugin
