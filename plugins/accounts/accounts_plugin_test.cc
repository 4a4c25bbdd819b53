#include "plugins/accounts/accounts_plugin.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/base64.h"
#include "base/testing.h"
#include "helpers/contract.h"
#include "tests/support/fake_agent.h"

namespace reeve::accounts {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kGet = "guest-ssh-get-authorized-keys";
constexpr const char* kAdd = "guest-ssh-add-authorized-keys";
constexpr const char* kRemove = "guest-ssh-remove-authorized-keys";
constexpr const char* kPassword = "guest-set-user-password";
// `secret` in base64.
constexpr const char* kSecret = R"({"username": "alice", "password": "c2VjcmV0", "crypted": false})";
constexpr const char* kAlice = R"({"username": "alice"})";

// Of the needle as it was before each byte was turned by 0x55.
int TimesInMemory(const std::string& turned) {
  const auto is_there = [&](const char* place) {
    for (size_t i = 0; i < turned.size(); ++i)
      if (static_cast<char>(place[i] ^ 0x55) != turned[i]) return false;
    return true;
  };
  std::ifstream maps("/proc/self/maps");
  int times = 0;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) != 3 || std::strncmp(rights, "rw-p", 4) != 0)
      continue;
    const auto* const first = reinterpret_cast<const char*>(begin);
    for (uintptr_t at = 0; at + turned.size() <= end - begin; ++at)
      if (is_there(first + at)) ++times;
  }
  return times;
}

class AccountsPluginTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // as in a worker
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }
  void Turns() {
    for (int i = 0; i < 5; ++i) agent_.Turn();
  }
  std::shared_ptr<Answer> Begin(const char* command, const std::string& arguments) {
    const auto answer = agent_.Begin(command, arguments);
    Turns();
    return answer;
  }
  // What the helper finds in its standard input until it ends.
  std::string Input() {
    std::string input = AllInput();
    if (!input.ends_with(helpers::kEndOfInput)) return input + " and no end mark";
    input.pop_back();
    return input;
  }
  std::string AllInput() {
    std::string input;
    uint8_t piece[4096];
    for (int i = 0; i < 1000; ++i) {
      const Result<size_t> got = sys::Read(agent_.program().in.get(), piece);
      if (got && *got == 0) return input;
      if (got) input += AsText(Bytes(piece).first(*got));
      agent_.Turn();
    }
    return input + " and no end of the stream";
  }
  void EndHelper(const std::string& said, int exit_code) {
    FakeAgent::FakeProgram& program = agent_.program();
    program.Say(program.out, said);
    program.CloseOutput();
    program.End(REEVE_PROGRAM_EXITED, exit_code);
    Turns();
  }
  Answer Run(const char* command, const std::string& arguments, const std::string& said, int exit_code) {
    const auto answer = Begin(command, arguments);
    EXPECT_FALSE(answer->is_finished) << answer->text;
    EndHelper(said, exit_code);
    EXPECT_TRUE(answer->is_finished);
    return *answer;
  }

  FakeAgent agent_;
};

TEST_F(AccountsPluginTest, HasTheFourCommandsOfTheSchema) {
  EXPECT_THAT(agent_.CommandNames(), testing::UnorderedElementsAre(kPassword, kGet, kAdd, kRemove));
}

// ---- guest-set-user-password

TEST_F(AccountsPluginTest, PasswordGoesByStandardInputAndNowhereElse) {
  const auto answer = Begin(kPassword, kSecret);
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-passwd", "alice", "plain"));
  EXPECT_FALSE(agent_.program().environment.has_value());
  EXPECT_EQ(Input(), "secret");
  EndHelper("", 0);
  EXPECT_EQ(answer->value, "{}");
  for (const std::string& line : agent_.log()) EXPECT_THAT(line, testing::Not(testing::HasSubstr("secret")));
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(AccountsPluginTest, CryptedPasswordIsSaidToBe) {
  Begin(kPassword, R"({"username": "root", "password": "JDEk\n", "crypted": true})");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-passwd", "root", "crypted"));
  EXPECT_EQ(Input(), "$1$");
}

TEST_F(AccountsPluginTest, EmptyPasswordIsAnEndMarkAndNothingElse) {
  Begin(kPassword, R"({"username": "alice", "password": "", "crypted": false})");
  EXPECT_EQ(agent_.program().stdin_bytes, 1u);
  EXPECT_EQ(Input(), "");
}

TEST_F(AccountsPluginTest, PasswordThatNoHelperTakesIsRefusedBeforeAnythingRuns) {
  const std::string password = Base64Encode(AsBytes(std::string(helpers::kMaxPasswordBytes + 1, 'x')));
  EXPECT_EQ(agent_.Call(kPassword, R"({"username": "a", "password": ")" + password + R"(", "crypted": false})").text,
            "the password is longer than 4095 bytes");
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(AccountsPluginTest, ReasonOfChpasswdIsNoTranscript) {
  const std::string text = Run(kPassword, kSecret, std::string(5000, 'x'), 1).text;
  EXPECT_EQ(text, "child process has failed to set user password: " + std::string(1024, 'x'));
}

// The arguments hold it in base64 only.
TEST_F(AccountsPluginTest, DecodedPasswordIsNowhereInMemoryOnceItWasHandedOver) {
#ifdef REEVE_SANITIZED
  GTEST_SKIP() << "a sanitizer maps terabytes";
#endif
  for (const size_t size : {size_t{12}, size_t{300}}) {  // within a string, and beside it
    std::string password;
    for (size_t i = 0; i < size; ++i) password += static_cast<char>('!' + (i * 31 + size) % 90);
    const std::string base64 = Base64Encode(AsBytes(password));
    // Of what was freed the allocator itself overwrites the beginning. Turned, so as not to be found itself.
    std::string needle;
    for (const char c : password.substr(size > 100 ? size / 2 : 0)) needle += static_cast<char>(c ^ 0x55);
    ::explicit_bzero(password.data(), password.size());
    Begin(kPassword, R"({"username": "alice", "password": ")" + base64 + R"(", "crypted": false})");
    EXPECT_EQ(TimesInMemory(needle), 0) << size;
    EndHelper("", 0);
  }
}

TEST_F(AccountsPluginTest, UserNameThatWouldEndItsFieldIsRefusedBeforeAnythingRuns) {
  for (const char* user : {"a:b", "a\\nb", "a\\u0000b"}) {
    const std::string arguments =
        R"({"username": ")" + std::string(user) + R"(", "password": "eA==", "crypted": false})";
    EXPECT_EQ(agent_.Call(kPassword, arguments).text, "forbidden characters in username");
  }
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(AccountsPluginTest, BadBase64IsRefused) {
  EXPECT_EQ(agent_.Call(kPassword, R"({"username": "a", "password": "====", "crypted": false})").text,
            "Base64 data contains invalid characters");
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(AccountsPluginTest, WhatChpasswdSaidIsInTheErrorAsQemuGaHasIt) {
  EXPECT_EQ(Run(kPassword, kSecret, "chpasswd: line 1: user 'alice' does not exist\n", 1).text,
            "child process has failed to set user password: chpasswd: line 1: user 'alice' does not exist");
  EXPECT_EQ(Run(kPassword, kSecret, "", 3).text, "child process has failed to set user password: exit status 3");
}

TEST_F(AccountsPluginTest, HelpersOwnRefusalIsTheWholeError) {
  EXPECT_EQ(Run(kPassword, kSecret, "forbidden characters in raw password", helpers::kExitFailed).text,
            "forbidden characters in raw password");
}

TEST_F(AccountsPluginTest, HelperEndedByASignalHasTerminatedAbnormally) {
  const auto answer = Begin(kPassword, kSecret);
  FakeAgent::FakeProgram& program = agent_.program();
  program.Say(program.out, "x\n");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, SIGSEGV);
  Turns();
  EXPECT_EQ(answer->text, "child process has terminated abnormally: x");
}

// ---- guest-ssh-*

TEST_F(AccountsPluginTest, KeysAreThoseThatTheHelperListed) {
  const auto answer = Begin(kGet, kAlice);
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-keys", "get", "alice"));
  EXPECT_EQ(AllInput(), "");
  EndHelper("ssh-rsa B \"q\"\nssh-rsa A \xff\n", 0);
  EXPECT_EQ(answer->value, "{\"keys\": [\"ssh-rsa B \\\"q\\\"\", \"ssh-rsa A \xEF\xBF\xBD\"]}");
}

TEST_F(AccountsPluginTest, NoKeyIsAnEmptyList) {
  EXPECT_EQ(Run(kGet, kAlice, "", 0).value, R"({"keys": []})");
}

TEST_F(AccountsPluginTest, AddedAndResetKeysAreLinesOfInput) {
  const char* const keys = R"({"username": "alice", "keys": ["ssh-rsa A", "ssh-rsa B"])";
  Begin(kAdd, std::string(keys) + "}");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-keys", "add", "alice"));
  EXPECT_EQ(Input(), "ssh-rsa A\nssh-rsa B\n");
  EndHelper("", 0);
  EXPECT_EQ(Run(kAdd, std::string(keys) + R"(, "reset": false})", "", 0).value, "{}");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-keys", "add", "alice"));
  EXPECT_EQ(Run(kAdd, std::string(keys) + R"(, "reset": true})", "", 0).value, "{}");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-keys", "reset", "alice"));
  EXPECT_EQ(Run(kRemove, std::string(keys) + "}", "", 0).value, "{}");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-keys", "remove", "alice"));
}

TEST_F(AccountsPluginTest, BadKeyIsRefusedBeforeAnythingRuns) {
  for (const char* command : {kAdd, kRemove})
    EXPECT_EQ(agent_.Call(command, R"({"username": "alice", "keys": ["ssh-rsa A", "# b"]})").text,
              "invalid OpenSSH public key: '# b'");
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(AccountsPluginTest, KeysAboveAllMeasureAreNotEvenRead) {
  const std::string key(9 * helpers::kMaxKeysBytes, 'a');
  EXPECT_EQ(agent_.Call(kAdd, R"({"username": "alice", "keys": [")" + key + "\"]}").status, REEVE_ERROR_LIMIT);
}

TEST_F(AccountsPluginTest, LongInputArrivesWhole) {
  const std::string key(500'000, 'k');
  Begin(kAdd, R"({"username": "alice", "keys": [")" + key + "\"]}");
  EXPECT_EQ(Input(), key + "\n");
}

TEST_F(AccountsPluginTest, NameThatNoArgumentHoldsIsNobody) {
  for (const char* name : {"", "\\u0000", "a\\nb"})
    EXPECT_EQ(agent_.Call(kGet, R"({"username": ")" + std::string(name) + "\"}").status, REEVE_ERROR_NOT_FOUND);
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(AccountsPluginTest, HelpersErrorIsTheHosts) {
  EXPECT_EQ(Run(kGet, kAlice, "failed to lookup user 'alice': no such user", helpers::kExitFailed).text,
            "failed to lookup user 'alice': no such user");
}

TEST_F(AccountsPluginTest, HelperThatDidNotKeepToItsWordIsAnErrorWithoutItsOutput) {
  EXPECT_EQ(Run(kGet, kAlice, "terminate called", 134).text, "reeve-keys has terminated abnormally");
}

// ---- refusals, ends, cancelling

TEST_F(AccountsPluginTest, RefusalOfPolicyIsToldAndNothingIsHeld) {
  agent_.RefusePrograms(EACCES, "reeve-keys is not allowed by policy rule 'x'");
  const Answer answer = agent_.Call(kGet, kAlice);
  EXPECT_EQ(answer.status, REEVE_ERROR_DENIED);
  EXPECT_EQ(answer.text, "reeve-keys is not allowed by policy rule 'x'");
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(AccountsPluginTest, TimeoutOfTheRuleIsSaid) {
  const auto answer = Begin(kGet, kAlice);
  agent_.program().CloseOutput();
  agent_.program().End(REEVE_PROGRAM_KILLED, SIGKILL, /*was_timed_out=*/1);
  Turns();
  EXPECT_EQ(answer->text, "it did not end in time and was killed");
}

TEST_F(AccountsPluginTest, WhoHoldsTheOutputOfAnEndedHelperIsNotWaitedForLong) {
  const auto answer = Begin(kPassword, kSecret);
  agent_.program().End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_FALSE(answer->is_finished);
  agent_.Advance(std::chrono::milliseconds(1001));
  EXPECT_EQ(answer->value, "{}");
}

TEST_F(AccountsPluginTest, CancelledRequestIsAnsweredAndItsHelperKilled) {
  const auto answer = Begin(kGet, kAlice);
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer->status, REEVE_ERROR_CANCELLED);
  ASSERT_EQ(agent_.signals().size(), 1u);
  EXPECT_EQ(agent_.signals()[0].second, SIGKILL);
  EndHelper("", 0);
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(AccountsPluginTest, HelperThatBeginsAfterItsRequestWasCancelledIsKilled) {
  const auto answer = agent_.Begin(kGet, kAlice);
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_THAT(agent_.signals(), IsEmpty());
  Turns();
  EXPECT_EQ(agent_.signals().size(), 1u);
}

TEST_F(AccountsPluginTest, KeysOfOneUserAreChangedOneAfterTheOther) {
  const std::string add = R"({"username": "alice", "keys": ["ssh-rsa A"]})";
  const auto first = Begin(kAdd, add), second = Begin(kGet, kAlice), third = Begin(kRemove, add);
  EXPECT_EQ(agent_.program_count(), 1u);
  EndHelper("", 0);
  EXPECT_EQ(first->value, "{}");
  EXPECT_EQ(agent_.program_count(), 2u);
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-keys", "get", "alice"));
  EndHelper("ssh-rsa A\n", 0);
  EXPECT_EQ(second->value, R"({"keys": ["ssh-rsa A"]})");
  EndHelper("", 0);
  EXPECT_EQ(third->value, "{}");
}

TEST_F(AccountsPluginTest, UserWhoseHelperIsSlowDelaysNobodyElse) {
  const auto slow = Begin(kGet, kAlice);
  EXPECT_EQ(Run(kGet, R"({"username": "bob"})", "", 0).value, R"({"keys": []})");
  EXPECT_EQ(Run(kPassword, kSecret, "", 0).value, "{}");
  EXPECT_FALSE(slow->is_finished);
}

TEST_F(AccountsPluginTest, PasswordsAreSetOneAfterTheOther) {
  Begin(kPassword, kSecret);
  const auto second = Begin(kPassword, R"({"username": "bob", "password": "eA==", "crypted": false})");
  EXPECT_EQ(agent_.program_count(), 1u);
  EndHelper("", 0);
  EXPECT_THAT(agent_.program().arguments, ElementsAre("reeve-passwd", "bob", "plain"));
  EXPECT_FALSE(second->is_finished);
}

TEST_F(AccountsPluginTest, CancelledRequestThatWaitedIsNeverBegun) {
  Begin(kGet, kAlice);
  const auto waiting = Begin(kAdd, R"({"username": "alice", "keys": ["ssh-rsa A"], "reset": true})");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(waiting->status, REEVE_ERROR_CANCELLED);
  EndHelper("", 0);
  EXPECT_EQ(agent_.program_count(), 1u);
}

TEST_F(AccountsPluginTest, WhoWaitsForAUserWhoseHelperDoesNotDieIsRefusedToo) {
  Begin(kGet, kAlice);
  const uint64_t first = agent_.last_request_id();
  const auto waiting = Begin(kGet, kAlice);
  agent_.CancelRequest(first);
  EXPECT_EQ(waiting->text, "what was done for user 'alice' before has not ended");
}

TEST_F(AccountsPluginTest, HelperThatIsGivenUpGetsNoEndMarkAndHoldsOneDescriptor) {
  const std::string key(500'000, 'k');
  const auto answer = Begin(kAdd, R"({"username": "alice", "keys": [")" + key + R"("], "reset": true})");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(AllInput().find(helpers::kEndOfInput), std::string::npos);
  uint8_t byte = 0;
  EXPECT_EQ(sys::Read(agent_.program().in.get(), {&byte, 1}).value(), 0u);
  EXPECT_THAT(sys::Write(agent_.program().out.get(), {&byte, 1}), FailsSaying("Broken pipe"));
}

TEST_F(AccountsPluginTest, HelperThatBeginsWhenItWasGivenUpGetsNoInput) {
  agent_.Begin(kAdd, R"({"username": "alice", "keys": [], "reset": true})");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(AllInput(), "");
}

TEST_F(AccountsPluginTest, UserWhoseHelperDoesNotDieIsRefusedAndOthersAreNot) {
  Begin(kGet, kAlice);
  FakeAgent::FakeProgram& stuck = agent_.program();
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(agent_.Call(kGet, kAlice).text, "what was done for user 'alice' before has not ended");
  EXPECT_EQ(agent_.Call(kPassword, kSecret).status, REEVE_ERROR_BUSY);
  EXPECT_EQ(Run(kGet, R"({"username": "bob"})", "", 0).status, REEVE_OK);
  EXPECT_EQ(agent_.held(), 1u);
  stuck.CloseOutput();
  stuck.End(REEVE_PROGRAM_KILLED, SIGKILL);
  Turns();
  EXPECT_EQ(Run(kGet, kAlice, "", 0).status, REEVE_OK);
}

}  // namespace
}  // namespace reeve::accounts
