#include "agent/qmp/reply_writer.h"

#include <gtest/gtest.h>

namespace reeve::qmp {
namespace {

std::string Line(Reply reply, std::optional<json::Value> id = std::nullopt) {
  ByteQueue out;
  AppendReply(out, std::move(reply), id);
  return out.ToString();
}

TEST(ReplyWriterTest, PutsTheIdBehindAReturnAndBeforeAnError) {
  const json::Value id(std::string("a"));
  EXPECT_EQ(Line(Reply::Return("{}"), id), "{\"return\": {}, \"id\": \"a\"}\n");
  EXPECT_EQ(Line(Reply::Failure(ErrorClass::kCommandNotFound, "no"), id),
            "{\"id\": \"a\", \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n");
}

TEST(ReplyWriterTest, WritesNoIdWhereNoneWasSent) {
  EXPECT_EQ(Line(Reply::Return("1")), "{\"return\": 1}\n");
  EXPECT_EQ(Line(Reply::Failure(ErrorClass::kGenericError, "x")),
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}\n");
}

TEST(ReplyWriterTest, WritesNothingForASuccessWithoutResponse) {
  EXPECT_EQ(Line(Reply::Nothing(), json::Value(int64_t{1})), "");
}

TEST(ReplyWriterTest, CutsAnErrorTextThatRepeatsTheHostsMegabytes) {
  EXPECT_LT(Line(Reply::Failure(ErrorClass::kGenericError, std::string(1 << 20, 'x'))).size(), 70'000u);
}

}  // namespace
}  // namespace reeve::qmp
