#include "base/json_writer.h"

#include <gtest/gtest.h>

#include "base/json_parser.h"
#include "base/testing.h"

namespace reeve::json {
namespace {

std::string Rewritten(std::string_view text) {
  Result<Value> value = Parse(text);
  return value ? Write(*value) : value.error().message();
}

TEST(JsonWriterTest, SpacesAsQemuDoes) {
  EXPECT_EQ(Rewritten(R"({"a":1,"b":[1,2,{"c":null}],"d":{},"e":[],"f":true,"g":false})"),
            R"({"a": 1, "b": [1, 2, {"c": null}], "d": {}, "e": [], "f": true, "g": false})");
}

TEST(JsonWriterTest, PrintsNumbersInWireForm) {
  EXPECT_EQ(Rewritten("[0.1, 1e3, 18446744073709551615, -5, -0]"),
            "[0.10000000000000001, 1000, 18446744073709551615, -5, 0]");
}

TEST(JsonWriterTest, WritesPureAscii) {
  EXPECT_EQ(Rewritten("\"\xC3\xA9\xF0\x9F\x98\x80\\u0000\\/\""), "\"\\u00E9\\uD83D\\uDE00\\u0000/\"");
  EXPECT_EQ(Write(Value(std::string("a\xFFz\x80\xE2\x82"))), "\"a\\uFFFDz\\uFFFD\\uFFFD\"");
}

TEST(JsonWriterTest, EscapesKeysToo) {
  EXPECT_EQ(Rewritten("{'a\"\\n': 1}"), R"({"a\"\n": 1})");
}

TEST(JsonWriterTest, DeepValuesNeedNoStack) {
  const std::string text = std::string(1024, '[') + std::string(1024, ']');
  EXPECT_EQ(Rewritten(text), text);
}

TEST(PieceWriterTest, PiecesMakeTheWholeAndLongRunsAreNotCopied) {
  std::string content(1'000'000, 'A');
  content[500'000] = '\n';
  Object object;
  object.push_back({"buf-b64", Value(content)});
  object.push_back({"n", Value(int64_t{7})});
  const Value value{std::move(object)};
  const std::string& stored = *value.Find("buf-b64")->As<std::string>();

  PieceWriter writer(value);
  std::string whole;
  size_t viewed = 0;
  for (std::string_view piece = writer.Next(); !piece.empty(); piece = writer.Next()) {
    EXPECT_LE(piece.size(), PieceWriter::kMaxPieceBytes);
    if (piece.data() >= stored.data() && piece.data() < stored.data() + stored.size()) viewed += piece.size();
    whole += piece;
  }
  EXPECT_EQ(viewed, 999'999u);
  content.replace(500'000, 1, "\\n");
  EXPECT_EQ(whole, "{\"buf-b64\": \"" + content + "\", \"n\": 7}");
  EXPECT_EQ(writer.Next(), "");
}

TEST(PieceWriterTest, ScalarsAreOnePiece) {
  const Value value(int64_t{5});
  PieceWriter writer(value);
  EXPECT_EQ(writer.Next(), "5");
  EXPECT_EQ(writer.Next(), "");
}

}  // namespace
}  // namespace reeve::json
