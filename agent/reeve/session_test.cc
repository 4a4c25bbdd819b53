#include "agent/reeve/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace reeve::native {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// The core's part: keeps what it was given until the test answers it; "now" is answered at once.
class NativeSessionTest : public testing::Test, public ProtocolSession::Executor {
 protected:
  void Execute(uint64_t token, Request request, RunningTime) override {
    if (request.command == "now") return session_.Answer(token, Reply::Return(value_), now_);
    tokens_.push_back(token);
    commands_.push_back(request.command);
  }
  void Say(std::string_view text) { session_.TakeInput(AsBytes(text), now_); }
  std::string Hear() {
    const std::string heard = session_.output().ToString();
    session_.ConsumeOutput(heard.size(), now_);
    return heard;
  }
  void Answer(size_t index, std::string_view json) { session_.Answer(tokens_[index], Reply::Return(json), now_); }

  RunningTime now_{0};
  std::string value_ = "{}";
  std::vector<uint64_t> tokens_;
  std::vector<std::string> commands_;
  Session session_{{}, *this};
};

TEST_F(NativeSessionTest, RepliesLeaveAsTheyAreReadyAndCarryTheirIds) {
  Say("{\"execute\":\"a\",\"id\":1}{\"execute\":\"b\",\"id\":2}");
  ASSERT_EQ(tokens_.size(), 2u);
  Answer(1, "\"second\"");
  EXPECT_EQ(Hear(), "{\"return\": \"second\", \"id\": 2}\n");
  Answer(0, "\"first\"");
  EXPECT_EQ(Hear(), "{\"return\": \"first\", \"id\": 1}\n");
  EXPECT_TRUE(session_.is_idle());
}

TEST_F(NativeSessionTest, SyncIsACommandAsAnyOther) {
  Say("{\"execute\":\"a\",\"id\":1}{\"execute\":\"guest-sync\",\"arguments\":{\"id\":5},\"id\":2}");
  EXPECT_THAT(commands_, testing::ElementsAre("a", "guest-sync"));
  EXPECT_FALSE(session_.NextWake());
  Answer(0, "{}");
  EXPECT_EQ(Hear(), "{\"return\": {}, \"id\": 1}\n");
}

TEST_F(NativeSessionTest, RefusesWhatIsNoRequestAndGoesOn) {
  Say("{\"execute\":@}\n{\"execute\":\"now\",\"more\":1,\"id\":3}{\"execute\":\"now\"}");
  const std::string heard = Hear();
  EXPECT_THAT(heard, HasSubstr("JSON parse error"));
  EXPECT_THAT(heard,
              HasSubstr("{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'more'"));
  EXPECT_TRUE(heard.ends_with("\n{\"return\": {}}\n"));
}

TEST_F(NativeSessionTest, RefusesMoreRequestsThanMayRun) {
  for (size_t i = 0; i <= kMaxRunning; ++i) Say("{\"execute\":\"slow\",\"id\":" + std::to_string(i) + "}");
  EXPECT_EQ(tokens_.size(), kMaxRunning);
  EXPECT_THAT(Hear(), HasSubstr("{\"id\": 32, \"error\""));
  Answer(0, "{}");
  Say("{\"execute\":\"slow\"}");
  EXPECT_EQ(tokens_.size(), kMaxRunning + 1);
}

TEST_F(NativeSessionTest, RefusesARequestWithoutEndAndServesTheNextLine) {
  const std::string piece(16 * 1024, 'x');
  Say("{\"execute\":\"");
  for (int i = 0; i < 4096; ++i) {
    Say(piece);
    ASSERT_LE(session_.partial_bytes(), 128u * 1024);
  }
  EXPECT_THAT(Hear(), HasSubstr("a request is longer than 65536 bytes"));
  Say("\n{\"execute\":\"now\"}");
  EXPECT_TRUE(Hear().ends_with("{\"return\": {}}\n"));
}

TEST_F(NativeSessionTest, StartsNothingForAClientThatDoesNotRead) {
  value_ = "\"" + std::string(kMaxQueuedOutputBytes / 2, 'x') + "\"";
  Say("{\"execute\":\"now\"}{\"execute\":\"now\"}{\"execute\":\"now\"}{\"execute\":\"now\"}");
  EXPECT_FALSE(session_.wants_input());
  const size_t queued = session_.output().size();
  EXPECT_LT(queued, 2 * kMaxQueuedOutputBytes);
  Say("{\"execute\":\"now\"}");
  EXPECT_EQ(session_.output().size(), queued);
  size_t lines = 0;
  while (!session_.output().is_empty()) lines += static_cast<size_t>(std::ranges::count(Hear(), '\n'));
  EXPECT_EQ(lines, 5u);
  EXPECT_TRUE(session_.wants_input());
}

TEST_F(NativeSessionTest, ClosesAClientThatTakesNothing) {
  value_ = "\"" + std::string(kMaxQueuedOutputBytes, 'x') + "\"";
  Say("{\"execute\":\"now\"}");
  ASSERT_EQ(session_.NextWake(), milliseconds(30'000));
  EXPECT_FALSE(session_.ShouldClose(milliseconds(29'999)));
  EXPECT_TRUE(session_.ShouldClose(milliseconds(30'000)));
}

TEST_F(NativeSessionTest, DropsRepliesAfterItsConnectionClosed) {
  Say("{\"execute\":\"slow\"}");
  session_.Close();
  EXPECT_FALSE(session_.is_idle());
  Answer(0, "{}");
  EXPECT_TRUE(session_.is_idle());
  EXPECT_TRUE(session_.output().is_empty());
  Say("{\"execute\":\"slow\"}");
  EXPECT_EQ(tokens_.size(), 1u);
}

TEST_F(NativeSessionTest, TellsSuccessWithoutAValueToo) {
  Say("{\"execute\":\"a\",\"id\":9}");
  session_.Answer(tokens_[0], Reply::Nothing(), now_);
  EXPECT_EQ(Hear(), "{\"return\": {}, \"id\": 9}\n");
}

}  // namespace
}  // namespace reeve::native
