#include "agent/qga/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/json_writer.h"

namespace reeve::qga {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kRefused =
    R"x({"error": {"class": "GenericError", "desc": "too many requests are waiting on this channel (at most 32)"}})x"
    "\n";

const std::string kLarge = "\"" + std::string(kMaxQueuedOutputBytes, 'x') + "\"";

// Plays the core: syncs and pings are answered at once, all else when the test says so.
class FakeCore : public Session::Executor {
 public:
  void Execute(uint64_t token, Request request, RunningTime arrived) override {
    executed.push_back(request.command);
    tokens[request.command] = token;
    arrivals[request.command] = arrived;
    if (request.command == "guest-ping") session->Answer(token, Reply::Return("{}"), now);
    if (request.command == large_command) session->Answer(token, Reply::Return(kLarge), now);
    if (request.command.starts_with("guest-sync")) {
      const json::Value* id = request.arguments.Find("id");
      session->Answer(token,
                      id != nullptr ? Reply::Return(json::Write(*id))
                                    : Reply::Failure(ErrorClass::kGenericError, "Parameter 'id' is missing"),
                      now);
    }
  }

  void Abandon(uint64_t token) override { abandoned.push_back(token); }

  Session* session = nullptr;
  RunningTime now{0};
  std::string large_command;  // is answered at once, too
  std::vector<std::string> executed;
  std::vector<uint64_t> abandoned;
  std::map<std::string, uint64_t> tokens;
  std::map<std::string, RunningTime> arrivals;
};

class SessionTest : public testing::Test {
 protected:
  explicit SessionTest(SessionOptions options = {}) : session_(options, core_) { core_.session = &session_; }

  void Send(std::string_view text) { session_.TakeInput(AsBytes(text), core_.now); }
  void Command(std::string_view name) { Send("{\"execute\":\"" + std::string(name) + "\"}\n"); }
  void Sync(int id) { Send("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":" + std::to_string(id) + "}}\n"); }
  void Answer(const std::string& name, std::string_view json = "{}") {
    session_.Answer(core_.tokens.at(name), Reply::Return(json), core_.now);
  }
  // Lets time go by, and calls OnTime() when the session asked for it.
  void Wait(std::chrono::nanoseconds time) {
    core_.now += time;
    if (session_.NextWake() && *session_.NextWake() <= core_.now) session_.OnTime(core_.now);
  }
  // Reads all, or `count` bytes, as the client does.
  std::string Take(size_t count = SIZE_MAX) {
    const std::string text = session_.output().ToString().substr(0, count);
    session_.ConsumeOutput(text.size(), core_.now);
    return text;
  }

  FakeCore core_;
  Session session_;
};

// --- lines ---

TEST_F(SessionTest, RepliesAreOneLineInWireForm) {
  Send(R"({"execute":"guest-ping"})");
  EXPECT_EQ(Take(), "{\"return\": {}}\n");
  Send(R"({"execute":"guest-ping","id":{"b":[1]}})");
  EXPECT_EQ(Take(), "{\"return\": {}, \"id\": {\"b\": [1]}}\n");
  Send(R"({"execute":"slow","id":"x"})");
  session_.Answer(core_.tokens["slow"], Reply::Failure(ErrorClass::kCommandNotFound, "a \"b\" \xE2\x80\x9C"),
                  core_.now);
  EXPECT_EQ(Take(),
            "{\"id\": \"x\", \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"a \\\"b\\\" \\u201C\"}}\n");
}

TEST_F(SessionTest, SentinelStandsBeforeASuccessfulDelimitedSyncOnly) {
  Send(R"({"execute":"guest-sync-delimited","arguments":{"id":77}})");
  EXPECT_EQ(Take(), "\xFF{\"return\": 77}\n");
  Send(R"({"execute":"guest-sync-delimited"})");
  EXPECT_EQ(Take(), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'id' is missing\"}}\n");
  Sync(5);
  EXPECT_EQ(Take(), "{\"return\": 5}\n");
}

TEST_F(SessionTest, InputErrorsAreAnsweredInTheirPlace) {
  Send("\xFF{\"execute\":\"guest-ping\"}");
  EXPECT_EQ(Take(),
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"1:1: JSON parse error, stray '\\uFFFD'\"}}\n"
            "{\"return\": {}}\n");
  Command("slow");
  Send("@\n");
  Command("guest-ping");
  EXPECT_EQ(Take(), "");
  Answer("slow", "1");
  EXPECT_EQ(Take(),
            "{\"return\": 1}\n"
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"2:1: JSON parse error, stray '@'\"}}\n"
            "{\"return\": {}}\n");
}

TEST_F(SessionTest, SuccessWithoutReplySendsNothing) {
  Command("shutdown");
  session_.Answer(core_.tokens["shutdown"], Reply::Nothing(), core_.now);
  EXPECT_EQ(Take(), "");
  EXPECT_TRUE(session_.is_idle());
}

TEST_F(SessionTest, AVeryLongDescriptionIsCut) {
  Command("slow");
  session_.Answer(core_.tokens["slow"], Reply::Failure(ErrorClass::kGenericError, std::string(1'000'000, 'x')),
                  core_.now);
  EXPECT_LT(Take().size(), 70'000u);
}

// --- order ---

TEST_F(SessionTest, OneRequestRunsAtATimeAndTheNextWaits) {
  Command("first");
  Command("second");
  Command("guest-ping");
  EXPECT_THAT(core_.executed, ElementsAre("first"));
  Answer("first", "1");
  EXPECT_THAT(core_.executed, ElementsAre("first", "second"));
  EXPECT_EQ(Take(), "{\"return\": 1}\n");
  Answer("second", "2");
  EXPECT_EQ(Take(), "{\"return\": 2}\n{\"return\": {}}\n");
  EXPECT_TRUE(session_.is_idle());
}

TEST_F(SessionTest, DeadlinesCountFromArrival) {
  Command("first");
  core_.now = 1s;
  Command("second");
  core_.now = 5s;
  Answer("first");
  EXPECT_EQ(core_.arrivals["second"], 1s);
}

TEST_F(SessionTest, SyncAndCommandInOneWriteComeBackAsTwoLines) {
  Send(
      "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":90210}}\n{\"arguments\":{},\"execute\":"
      "\"get\"}\n");
  Answer("get", "[]");
  EXPECT_EQ(Take(), "\xFF{\"return\": 90210}\n{\"return\": []}\n");
}

TEST_F(SessionTest, ThirtyTwoWaitAndTheNextIsRefusedInItsPlace) {
  for (int i = 0; i <= 32; ++i) Command("c" + std::to_string(i));
  Command("refused");
  Command("refused");
  EXPECT_EQ(Take(), "");
  for (int i = 0; i <= 32; ++i) {
    Answer("c" + std::to_string(i), std::to_string(i));
    const std::string line = "{\"return\": " + std::to_string(i) + "}\n";
    EXPECT_EQ(Take(), i < 32 ? line : line + std::string(kRefused) + std::string(kRefused));
  }
  EXPECT_EQ(core_.executed.size(), 33u);
}

TEST_F(SessionTest, OneHundredPingsInFlightNeverWait) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "{\"execute\":\"guest-ping\"}";
  Send(text);
  EXPECT_EQ(core_.executed.size(), 100u);
}

TEST_F(SessionTest, OfAFloodNoMoreRepliesAreOwedThanTheLimit) {
  Command("slow");
  for (size_t i = 0; i < 2 * kMaxOwed; ++i) Send("@\n");
  Answer("slow");
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(Take(), '\n')), kMaxOwed);
}

TEST_F(SessionTest, AFloodIsBoundedAndASyncStillGetsThrough) {
  Command("slow");
  for (size_t i = 0; i < 2 * kMaxOwed; ++i) Send("@\n");
  Sync(9);
  EXPECT_EQ(Take(), "{\"return\": 9}\n") << "it overtakes at once";
  Answer("slow");
  EXPECT_EQ(Take(), "");
}

// --- syncs that overtake ---

TEST_F(SessionTest, ASyncWaitsForAnEarlierRequestThatEndsInTime) {
  Command("slow");
  Sync(1);
  Wait(499ms);
  EXPECT_EQ(Take(), "");
  Answer("slow");
  EXPECT_EQ(Take(), "{\"return\": {}}\n{\"return\": 1}\n");
  EXPECT_EQ(session_.NextWake(), std::nullopt);
}

TEST_F(SessionTest, ASyncOvertakesAfterItsTimeoutAndTheLateReplyIsDropped) {
  Command("slow");
  core_.now = 10s;
  Sync(1);
  EXPECT_EQ(session_.NextWake(), 10s + 500ms);
  Wait(500ms);
  EXPECT_EQ(Take(), "{\"return\": 1}\n");
  Answer("slow");
  EXPECT_EQ(Take(), "");
  EXPECT_TRUE(session_.is_idle());
}

TEST_F(SessionTest, OvertakenRequestsAreStillCarriedOutInOrderWithoutReplies) {
  Command("slow");
  Command("thaw");
  Send("@\n");
  Sync(1);
  Command("after");
  Wait(500ms);
  EXPECT_EQ(Take(), "{\"return\": 1}\n");
  EXPECT_THAT(core_.executed, ElementsAre("slow", "guest-sync", "after")) << "after runs beside slow";
  Answer("slow", "1");
  EXPECT_THAT(core_.executed, ElementsAre("slow", "guest-sync", "after", "thaw"));
  Answer("thaw", "2");
  Answer("after", "3");
  EXPECT_EQ(Take(), "{\"return\": 3}\n");
  EXPECT_TRUE(session_.is_idle());
}

TEST_F(SessionTest, OvertakenRequestsAreToldToTheExecutorAsEachIsCarriedOut) {
  Command("slow");
  Command("thaw");
  Sync(1);
  Command("after");
  EXPECT_THAT(core_.abandoned, IsEmpty());
  Wait(500ms);
  EXPECT_THAT(core_.abandoned, ElementsAre(core_.tokens.at("slow")));
  Answer("slow");
  EXPECT_THAT(core_.abandoned, ElementsAre(core_.tokens.at("slow"), core_.tokens.at("thaw")));
  Answer("thaw");
  Answer("after");
}

TEST_F(SessionTest, WhatIsAnsweredAtOnceIsNotAbandoned) {
  Command("slow");
  Command("guest-ping");
  session_.Close();
  EXPECT_THAT(core_.abandoned, ElementsAre(core_.tokens.at("slow")));
  Answer("slow");
  EXPECT_EQ(core_.executed.back(), "guest-ping");
  EXPECT_EQ(core_.abandoned.size(), 1u);
}

TEST_F(SessionTest, ASecondSyncOvertakesWhatRanSinceTheFirst) {
  Command("slow");
  Sync(1);
  Wait(500ms);
  Command("slow2");
  Sync(2);
  Wait(500ms);
  Command("guest-ping");
  EXPECT_EQ(Take(), "{\"return\": 1}\n{\"return\": 2}\n{\"return\": {}}\n");
  Answer("slow2");
  Answer("slow");
  EXPECT_EQ(Take(), "");
  EXPECT_TRUE(session_.is_idle());
}

TEST_F(SessionTest, TwoSyncsBehindASlowRequestAreBothAnswered) {
  Command("slow");
  Sync(1);
  Wait(100ms);
  Sync(2);
  Wait(400ms);
  EXPECT_EQ(Take(), "{\"return\": 1}\n{\"return\": 2}\n");
}

TEST_F(SessionTest, ALineAlreadyBegunIsFinishedBeforeTheSync) {
  Command("big");
  Answer("big", "\"" + std::string(100, 'x') + "\"");
  EXPECT_EQ(Take(11), "{\"return\": ");
  Command("slow");
  Sync(1);
  Wait(500ms);
  EXPECT_EQ(Take(), "\"" + std::string(100, 'x') + "\"}\n{\"return\": 1}\n");
}

TEST_F(SessionTest, StuckRequestsCountAmongThoseThatWait) {
  for (int i = 0; i < 32; ++i) {
    Command("stuck" + std::to_string(i));
    Sync(i);
    Wait(500ms);
  }
  Take();
  Command("one-more");
  EXPECT_EQ(Take(), kRefused);
  Answer("stuck7");
  Command("next");
  Answer("next");
  EXPECT_EQ(Take(), "{\"return\": {}}\n");
}

class NeverOvertakingSessionTest : public SessionTest {
 protected:
  NeverOvertakingSessionTest() : SessionTest({.sync_timeout = std::nullopt}) {}
};

TEST_F(NeverOvertakingSessionTest, ASyncWaitsForEver) {
  Command("slow");
  Sync(1);
  EXPECT_EQ(session_.NextWake(), std::nullopt);
  core_.now = 1h;
  session_.OnTime(core_.now);
  EXPECT_EQ(Take(), "");
  Answer("slow");
  EXPECT_EQ(Take(), "{\"return\": {}}\n{\"return\": 1}\n");
}

// --- connections that end ---

TEST_F(SessionTest, PendingRequestsOfAClosedConnectionAreCarriedOutWithoutReplies) {
  Command("slow");
  Command("thaw");
  Sync(1);
  session_.Close();
  EXPECT_FALSE(session_.is_idle());
  EXPECT_FALSE(session_.wants_input());
  Answer("slow");
  EXPECT_THAT(core_.executed, ElementsAre("slow", "thaw"));
  Answer("thaw");
  EXPECT_TRUE(session_.is_idle());
  EXPECT_EQ(Take(), "");
  Command("guest-ping");
  EXPECT_EQ(Take(), "") << "input after the end is nobody's";
}

// --- clients that do not read ---

TEST_F(SessionTest, AnUnreadReplyHoldsInputAndFurtherRequestsUntilItIsRead) {
  Command("large");
  Command("next");
  EXPECT_TRUE(session_.wants_input());
  Answer("large", kLarge);
  EXPECT_FALSE(session_.wants_input());
  EXPECT_THAT(core_.executed, ElementsAre("large"));
  Take(1000);
  EXPECT_TRUE(session_.wants_input());
  EXPECT_THAT(core_.executed, ElementsAre("large", "next"));
}

TEST_F(SessionTest, WhatWasReadBehindALargeReplyIsKeptAndNotRefused) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += R"({"execute":"guest-ping"})";
  core_.large_command = "huge";
  Send(R"({"execute":"huge"})" + text);
  EXPECT_FALSE(session_.wants_input());
  Send(text);
  EXPECT_EQ(core_.executed.size(), 1u);
  Take();
  EXPECT_EQ(core_.executed.size(), 201u);
  EXPECT_EQ(Take().find("error"), std::string::npos);
  EXPECT_TRUE(session_.wants_input());
}

TEST_F(SessionTest, WhatWasKeptIsStillCarriedOutWhenTheConnectionCloses) {
  core_.large_command = "huge";
  Send(R"({"execute":"huge"}{"execute":"huge"}{"execute":"huge"}{"execute":"thaw"}{"execute":)");
  EXPECT_THAT(core_.executed, ElementsAre("huge"));
  session_.Close();
  EXPECT_THAT(core_.executed, ElementsAre("huge", "huge", "huge", "thaw"));
  Answer("thaw");
  EXPECT_TRUE(session_.is_idle());
  EXPECT_EQ(Take(), "");
}

TEST_F(SessionTest, AClientThatReadsNothingIsToBeClosedAfterTheStallTimeout) {
  Command("large");
  Answer("large", kLarge);
  EXPECT_EQ(session_.NextWake(), 30s);
  core_.now = 29s;
  Take(1);
  core_.now = 58s;
  EXPECT_FALSE(session_.ShouldClose(core_.now));
  core_.now = 59s;
  EXPECT_TRUE(session_.ShouldClose(core_.now));
}

TEST_F(SessionTest, ASlowReaderLosesNoReplyToASyncThatWaitsForIt) {
  Command("large");
  Command("next");
  Sync(1);
  Answer("large", kLarge);
  Wait(10s);
  Take();
  Wait(400ms);
  Answer("next", "2");
  EXPECT_EQ(Take(), "{\"return\": 2}\n{\"return\": 1}\n");
}

class SerialSessionTest : public SessionTest {
 protected:
  SerialSessionTest() : SessionTest({.is_serial = true}) {}
};

TEST_F(SerialSessionTest, AStalledClientLosesItsRepliesButItsRequestsAreCarriedOut) {
  Command("large");
  Command("thaw");
  Answer("large", kLarge);
  EXPECT_THAT(core_.executed, ElementsAre("large"));
  Wait(30s);
  EXPECT_FALSE(session_.ShouldClose(core_.now));
  EXPECT_THAT(core_.executed, ElementsAre("large", "thaw"));
  EXPECT_TRUE(session_.wants_input());
  Answer("thaw");
  EXPECT_EQ(Take(), "");
}

TEST_F(SerialSessionTest, ASyncDropsWhatNobodyReadForALongTime) {
  Command("guest-ping");
  Wait(500ms);
  Sync(1);
  EXPECT_EQ(Take(), "{\"return\": 1}\n");
  Command("guest-ping");
  Sync(2);
  EXPECT_EQ(Take(), "{\"return\": {}}\n{\"return\": 2}\n") << "one write, nothing was left unread";
}

TEST_F(SerialSessionTest, AHangUpDropsQueuedLinesButForOneAlreadyBegun) {
  Command("guest-ping");
  Command("guest-ping");
  EXPECT_EQ(Take(5), "{\"ret");
  session_.HangUp(core_.now);
  Command("guest-ping");
  EXPECT_EQ(Take(), "urn\": {}}\n{\"return\": {}}\n");
  Command("guest-ping");
  session_.HangUp(core_.now);
  EXPECT_EQ(Take(), "");
  Command("guest-ping");
  session_.DropQueuedOutput();
  session_.DropQueuedOutput();
  Sync(1);
  EXPECT_EQ(Take(), "{\"return\": 1}\n");
}

TEST_F(SerialSessionTest, AHangUpKeepsRequestsWhoseRepliesAreOwed) {
  Command("slow");
  session_.HangUp(core_.now);
  Answer("slow");
  EXPECT_EQ(Take(), "{\"return\": {}}\n");
}

TEST_F(SerialSessionTest, AHalfRequestDiesOneSecondAfterAHangUpUnlessItGrows) {
  Send(R"({"execute":)");
  session_.HangUp(core_.now);
  EXPECT_EQ(session_.NextWake(), 1s);
  Wait(900ms);
  Send("\"guest-");
  EXPECT_EQ(session_.NextWake(), 1900ms);
  Wait(900ms);
  Send("ping\"}");
  EXPECT_EQ(Take(), "{\"return\": {}}\n") << "it grew in time";
  EXPECT_EQ(session_.NextWake(), std::nullopt);

  Send(R"({"execute":)");
  session_.HangUp(core_.now);
  Wait(1s);
  Sync(3);
  EXPECT_EQ(Take(), "{\"return\": 3}\n") << "the half is forgotten";
}

TEST_F(SerialSessionTest, ALateTimerDoesNotLetAHalfRequestLive) {
  Send(R"({"execute":)");
  session_.HangUp(core_.now);
  core_.now = 2s;  // the loop was busy: bytes come before OnTime()
  Sync(3);
  EXPECT_EQ(Take(), "{\"return\": 3}\n");
}

TEST_F(SerialSessionTest, AHalfRequestDiesAtALineFeedAfterAHangUp) {
  Send(R"({"execute":)");
  session_.HangUp(core_.now);
  Send("\n");
  Sync(3);
  EXPECT_EQ(Take(), "{\"return\": 3}\n");
}

TEST_F(SerialSessionTest, WithoutAHangUpAHalfRequestWaitsForEver) {
  Send(R"({"execute":)");
  EXPECT_EQ(session_.NextWake(), std::nullopt);
  core_.now = 1h;
  session_.OnTime(core_.now);
  Send("\n\"guest-ping\"}");
  EXPECT_EQ(Take(), "{\"return\": {}}\n");
}

}  // namespace
}  // namespace reeve::qga
