#include "tools/reevectl/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <sstream>

#include "base/json_parser.h"
#include "base/testing.h"

namespace reeve::reevectl {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kGood = R"({
  "version": "0.1.0", "state": "running", "problems": [], "started-at": 1790000000,
  "policy": {"profile": "standard", "file": "/etc/reeve/policy.yaml", "generation": 1, "is-as-written": true,
             "warnings": []},
  "freeze": {"is-frozen": false},
  "channels": [{"name": "default", "protocol": "qga", "transport": "virtio-serial",
                "path": "/dev/virtio-ports/org.qemu.guest_agent.0", "state": "open", "clients": 1}],
  "processes": [{"name": "reeved", "pid": 812, "uid": 0}, {"name": "reeve-worker exec", "pid": 4711, "uid": 78002}],
  "core": {"starts": 1},
  "sandbox": {"is-privileged": true, "seccomp": true, "landlock": 7, "control-groups": true,
              "controllers": ["memory", "pids"], "missing": []},
  "plugins": [{"name": "exec", "version": "0.1.0", "state": "serving", "uid": 78002, "held": 2, "in-flight": 1,
               "starts": 3, "crashes": 0, "refused-requests": 0}]})";

json::Value Parsed(std::string_view text) {
  const auto value = json::Parse(text);
  EXPECT_THAT(value, IsOk());
  return value.value_or(json::Value());
}

// `key` at the top gets another value.
json::Value With(std::string_view key, std::string_view text) {
  json::Value status = Parsed(kGood);
  *const_cast<json::Value*>(status.Find(key)) = Parsed(text);
  return status;
}

std::string Text(const json::Value& status) {
  return StatusText(status, {.now_s = 1790000300, .memory_kib = [](uint32_t pid) {
                               return std::optional<uint64_t>(pid == 812 ? 900 : 20480);
                             }});
}

void ExpectNarrow(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

class StatusTextTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

TEST_F(StatusTextTest, SaysAllThatIsToldInAlignedColumns) {
  const std::string text = Text(Parsed(kGood));
  EXPECT_EQ(text, R"(* Reeve 0.1.0, running
     Since: Mon 2026-09-21 14:13:20 UTC; 5min
    Policy: profile standard, /etc/reeve/policy.yaml, generation 1
    Frozen: no
   Sandbox: seccomp, Landlock 7, namespaces, a uid for each process, control
            groups (memory, pids)

CHANNEL  PROTOCOL  TRANSPORT      STATE  CLIENTS  PATH
default  qga       virtio-serial  open         1
    /dev/virtio-ports/org.qemu.guest_agent.0

PROCESS             PID    UID  MEMORY
reeved              812      0   900 K
reeve-worker exec  4711  78002    20 M

PLUGIN  VERSION  STATE    HELD  BUSY  STARTS  CRASHES
exec    0.1.0    serving     2     1       3        0
)");
  ExpectNarrow(text);
}

TEST_F(StatusTextTest, TellsACrashItsSystemCallAndTheWayOutOfQuarantine) {
  const std::string text = Text(With("plugins", R"json([{"name": "exec", "state": "quarantined", "crashes": 5,
      "note": "it crashed 5 times within 10 minutes and is not started any more; restart the service to release it",
      "refused-requests": 2,
      "last-crash": {"text": "killed by its seccomp filter", "seconds-ago": 7500, "system-call": "101 (ptrace)"}
      }])json"));
  EXPECT_THAT(text, HasSubstr("crash 2h 5min ago: killed by its seccomp filter, at system call 101\n    (ptrace)\n"));
  EXPECT_THAT(text, HasSubstr("the service to release it"));
  EXPECT_THAT(text, HasSubstr("because they crashed it: 2"));
  ExpectNarrow(text);
}

TEST_F(StatusTextTest, SaysThatFileSystemsAreFrozenInTheFirstLine) {
  const std::string text = Text(With("freeze", R"({"is-frozen": true, "seconds": 61})"));
  EXPECT_TRUE(text.starts_with("* Reeve 0.1.0, running, file systems frozen\n"));
  EXPECT_THAT(text, HasSubstr("Frozen: yes, for 1min, until the host thaws\n"));
}

TEST_F(StatusTextTest, SaysHowLongAFreezeLastsYetAndHowTheLastOneEnded) {
  EXPECT_THAT(Text(With("freeze", R"({"is-frozen": true, "seconds": 61, "seconds-left": 539})")),
              HasSubstr("Frozen: yes, for 1min; thawed by itself in 8min\n"));
  EXPECT_THAT(
      Text(With("freeze",
                R"({"is-frozen": false, "last": {"why": "guest-fsfreeze-thaw", "seconds": 3, "seconds-ago": 61}})")),
      HasSubstr("Frozen: no; the last time for 3s, until 1min ago: guest-fsfreeze-thaw\n"));
}

TEST_F(StatusTextTest, TellsEachProblemAndWhatIsMissing) {
  const std::string text = Text(With("problems", R"(["one", "two"])"));
  EXPECT_THAT(text, HasSubstr("  Problems: one\n            two\n"));
  EXPECT_THAT(Text(With("sandbox", R"({"missing": ["Landlock: files are open"]})")),
              HasSubstr("   Missing: Landlock: files are open\n"));
}

TEST_F(StatusTextTest, LetsNoTextSpeakToTheTerminal) {
  const std::string text =
      Text(With("plugins", R"([{"name": "e\u001b[2Jx", "note": "a\nb\u009b31m\u202Ec\u0007", "state": "serving"}])"));
  EXPECT_THAT(text, HasSubstr("e?[2Jx"));
  EXPECT_THAT(text, HasSubstr("a?b?31m?c?"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
}

TEST_F(StatusTextTest, TakesAReplyOfAnyShape) {
  for (const char* odd : {"{}", "[]", "null", "7", R"({"plugins": {}, "channels": [1, "x", null], "policy": []})"})
    EXPECT_TRUE(Text(Parsed(odd)).starts_with("* Reeve ")) << odd;
}

TEST(HarmlessTest, KeepsLettersOfAllLanguagesAndReplacesTheRest) {
  EXPECT_EQ(Harmless("größe 日本 \u25CF"), "größe 日本 \u25CF");
  EXPECT_EQ(Harmless("a\x1b\x7f\tb"), "a???b");
  EXPECT_EQ(Harmless("\xff\xc3"), "??");
  EXPECT_EQ(Harmless("\u2066x\u200b"), "?x?");
}

TEST(AgoTextTest, NamesTheTwoLargestUnits) {
  EXPECT_EQ(AgoText(-5), "now");
  EXPECT_EQ(AgoText(59), "59s");
  EXPECT_EQ(AgoText(3599), "59min");
  EXPECT_EQ(AgoText(7500), "2h 5min");
  EXPECT_EQ(AgoText(90000), "1d 1h");
}

}  // namespace
}  // namespace reeve::reevectl
