#include "agent/core/dispatcher.h"

#include "agent/core/testing.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class FakeWorkers final : public WorkerCalls {
 public:
  void Call(WorkerCall call) override { calls.push_back(std::move(call)); }
  void Abandon(const CallOrigin& origin) override { abandoned.push_back(origin); }
  std::vector<WorkerCall> calls;
  std::vector<CallOrigin> abandoned;
};

class MemorySink final : public AuditSink {
 public:
  void Write(std::string_view json_line) override { lines.emplace_back(json_line); }
  std::vector<std::string> lines;
};

class DispatcherTest : public testing::Test {
 protected:
  // Everything is put together late, so that a test can change the configuration first.
  void Send(const std::string& command, json::Object arguments = {}) {
    if (!dispatcher_) Wire();
    Request request;
    request.command = command;
    request.arguments = json::Value(std::move(arguments));
    request.token = ++last_token_;
    dispatcher_->Dispatch(*asker_, std::move(request), clock_.Now(), [this](Reply reply) {
      replies_.push_back(std::move(reply));
      return true;
    });
  }
  void Wire() {
    table_.emplace(config_);
    freeze_.emplace(config_);
    decider_.emplace(std::move(*policy::Decider::Create(config_.policy)));
    access_.emplace(*table_, *decider_, *freeze_);
    own_.emplace(config_, *table_, *access_);
    audit_.emplace(config_.policy.audit.decisions, std::vector<AuditSink*>{&sink_});
    asker_.emplace(0, "host", Peer{Peer::Kind::kUnix, 1000, 0});
    dispatcher_.emplace(Dispatcher::Parts{config_, *table_, *decider_, *access_, *own_, workers_, *audit_, clock_});
  }
  std::string Error() const { return replies_.empty() ? "(no reply)" : replies_.back().description; }
  ErrorClass Class() const { return replies_.back().error_class; }
  static json::Object Members(std::initializer_list<std::pair<const char*, json::Value>> members) {
    json::Object object;
    for (const auto& [key, value] : members) object.push_back({key, value});
    return object;
  }
  static json::Value Text(const std::string& text) { return json::Value(text); }

  uint64_t last_token_ = 0;
  FakeClock clock_;
  config::Config config_ = testing_config::Open();
  FakeWorkers workers_;
  MemorySink sink_;
  std::optional<CommandTable> table_;
  std::optional<FreezeState> freeze_;
  std::optional<policy::Decider> decider_;
  std::optional<CommandAccess> access_;
  std::optional<OwnCommands> own_;
  std::optional<Audit> audit_;
  std::optional<Asker> asker_;
  std::optional<Dispatcher> dispatcher_;
  std::vector<Reply> replies_;
};

TEST_F(DispatcherTest, PingNeedsNoWorkerAndLeavesNoRecord) {
  Send("guest-ping");
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_EQ(replies_[0].value.ToString(), "{}");
  EXPECT_THAT(workers_.calls, IsEmpty());
  EXPECT_THAT(sink_.lines, IsEmpty());
}

TEST_F(DispatcherTest, SyncReturnsItsNumberWhole) {
  Send("guest-sync", Members({{"id", json::Value(int64_t{1732147200123456})}}));
  Send("guest-sync-delimited", Members({{"id", json::Value(int64_t{-5})}}));
  EXPECT_EQ(replies_[0].value.ToString(), "1732147200123456");
  EXPECT_EQ(replies_[1].value.ToString(), "-5");
}

TEST_F(DispatcherTest, UnknownCommandHasQemuGasText) {
  Send("nope");
  EXPECT_EQ(Error(), "The command nope has not been found");
  EXPECT_EQ(Class(), ErrorClass::kCommandNotFound);
}

TEST_F(DispatcherTest, ArgumentsAreCheckedBeforeTheWorkerSeesThem) {
  Send("guest-sync");
  EXPECT_EQ(Error(), "Parameter 'id' is missing");
  Send("guest-get-osinfo", Members({{"foo", json::Value(true)}}));
  EXPECT_EQ(Error(), "Parameter 'foo' is unexpected");
  EXPECT_EQ(Class(), ErrorClass::kGenericError);
  EXPECT_THAT(workers_.calls, IsEmpty());
}

TEST_F(DispatcherTest, WorkerGetsCanonicalArgumentsAndTheRuleThatAllowed) {
  Send("guest-exec", Members({{"path", Text("/bin/echo")}, {"arg", json::Value(json::List{Text("a\"b")})}}));
  ASSERT_EQ(workers_.calls.size(), 1u);
  EXPECT_EQ(workers_.calls[0].arguments.ToString(), R"({"path": "/bin/echo", "arg": ["a\"b"]})");
  EXPECT_EQ(workers_.calls[0].rule, 0u);
  EXPECT_EQ(workers_.calls[0].peer_number, 1000u);
  EXPECT_EQ(workers_.calls[0].command->command_index, 0u);
}

TEST_F(DispatcherTest, AbandonsTheCallOfThatRequest) {
  Send("guest-get-osinfo");
  Send("guest-get-osinfo");
  dispatcher_->Abandon(*asker_, last_token_);
  ASSERT_EQ(workers_.abandoned.size(), 1u);
  EXPECT_TRUE(workers_.abandoned[0] == workers_.calls[1].origin);
  EXPECT_FALSE(workers_.abandoned[0] == workers_.calls[0].origin);
}

TEST_F(DispatcherTest, RefusedCommandNamesRuleFileAndLineInQemuGasClass) {
  config_.policy.commands.deny = {{"guest-get-*", {"/etc/reeve/policy.yaml", 3}}};
  Send("guest-get-osinfo");
  EXPECT_EQ(Error(),
            "Command guest-get-osinfo has been disabled: policy rule 'commands.deny' in /etc/reeve/policy.yaml:3");
  EXPECT_EQ(Class(), ErrorClass::kCommandNotFound);
  EXPECT_THAT(workers_.calls, IsEmpty());
}

TEST_F(DispatcherTest, RefusalComesBeforeTheCheckOfArguments) {
  config_.policy.commands.deny = {{"guest-exec", {"/etc/reeve/policy.yaml", 3}}};
  Send("guest-exec", Members({{"foo", json::Value(true)}}));
  EXPECT_THAT(Error(), HasSubstr("has been disabled"));
}

TEST_F(DispatcherTest, RefusedProgramIsAGenericErrorThatNamesIt) {
  Send("guest-exec", Members({{"path", Text("/usr/bin/foo")}}));
  EXPECT_THAT(Error(), HasSubstr("guest-exec refused: /usr/bin/foo is not allowed by policy rule 'default'"));
  EXPECT_EQ(Class(), ErrorClass::kGenericError);
  EXPECT_THAT(workers_.calls, IsEmpty());
}

TEST_F(DispatcherTest, RefusedFileKeepsQemuGasFrame) {
  Send("guest-file-open", Members({{"path", Text("/etc/shadow")}, {"mode", Text("w")}}));
  EXPECT_THAT(Error(), HasSubstr("failed to open file '/etc/shadow' (mode: 'w'): Permission denied (policy rule "));
  Send("guest-file-open", Members({{"path", Text("/var/log/x")}, {"mode", Text("r+")}}));
  EXPECT_THAT(Error(), HasSubstr("Permission denied (policy rule 'logs' in /etc/reeve/policy.yaml:20)"));
  Send("guest-file-open", Members({{"path", Text("/var/log/x")}}));
  EXPECT_EQ(workers_.calls.size(), 1u);
}

TEST_F(DispatcherTest, WrongFileModeHasQemuGasText) {
  Send("guest-file-open", Members({{"path", Text("/var/log/x")}, {"mode", Text("rw")}}));
  EXPECT_EQ(Error(), "invalid file open mode 'rw'");
}

TEST_F(DispatcherTest, NeverDeniableCommandsStayWhateverThePolicySays) {
  config_.policy.commands.deny = {{"*", {"/etc/reeve/policy.yaml", 3}}};
  Send("guest-ping");
  EXPECT_EQ(replies_.back().kind, Reply::Kind::kReturn);
  Send("guest-info");
  EXPECT_EQ(replies_.back().kind, Reply::Kind::kError);
}

TEST_F(DispatcherTest, SwitchedOffPluginSaysWhy) {
  config_.plugins[1].is_enabled = false;
  config_.plugins[1].disabled_reason = "policy says enable: false";
  Send("guest-exec");
  EXPECT_EQ(Error(), "Command guest-exec has been disabled: plugin 'exec' is switched off: policy says enable: false");
  EXPECT_EQ(Class(), ErrorClass::kCommandNotFound);
}

TEST_F(DispatcherTest, WhileFrozenOnlySafeCommandsPass) {
  Wire();
  freeze_->NoteHeld(testing_config::kFreezePlugin, 2, RunningTime(0));
  Send("guest-get-osinfo");
  EXPECT_EQ(Error(), "Command guest-get-osinfo has been disabled: the agent is in frozen state");
  Send("guest-ping");
  EXPECT_EQ(replies_.back().kind, Reply::Kind::kReturn);
  Send("guest-fsfreeze-status");
  EXPECT_EQ(workers_.calls.size(), 1u);
}

TEST_F(DispatcherTest, InfoEntriesHaveExactlyThreeMembers) {
  config_.policy.commands.deny = {{"guest-get-osinfo", {"/etc/reeve/policy.yaml", 3}}};
  Send("guest-info");
  EXPECT_EQ(replies_[0].value.ToString(),
            "{\"version\": \"0.1.0\", \"supported_commands\": ["
            "{\"enabled\": true, \"name\": \"guest-fsfreeze-thaw\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-fsfreeze-status\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-fsfreeze-freeze\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"exec-run\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-set-user-password\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-shutdown\", \"success-response\": false}, "
            "{\"enabled\": false, \"name\": \"guest-get-osinfo\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-file-open\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-exec\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-info\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-ping\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-sync\", \"success-response\": true}, "
            "{\"enabled\": true, \"name\": \"guest-sync-delimited\", \"success-response\": true}]}");
}

TEST_F(DispatcherTest, InfoSaysDisabledWhereNoArgumentCouldPass) {
  config_.policy.programs.clear();
  Send("guest-info");
  EXPECT_THAT(replies_[0].value.ToString(), HasSubstr("{\"enabled\": false, \"name\": \"guest-exec\""));
}

// ---- audit ----

TEST_F(DispatcherTest, PrivilegedCommandIsRecordedWithRuleObjectAndDuration) {
  Send("guest-exec", Members({{"path", Text("/bin/echo")}, {"arg", json::Value(json::List{Text("secret")})}}));
  EXPECT_THAT(sink_.lines, IsEmpty());
  clock_.Advance(std::chrono::microseconds(1500));
  EXPECT_TRUE(workers_.calls[0].on_reply(Reply::Return("{\"pid\": 1}")));
  ASSERT_EQ(sink_.lines.size(), 1u);
  EXPECT_THAT(sink_.lines[0], HasSubstr("\"event\": \"command\", \"channel\": \"host\", \"peer\": \"unix uid 1000\", "
                                        "\"command\": \"guest-exec\", \"outcome\": \"returned\", \"rule\": \"echo\", "
                                        "\"origin\": \"/etc/reeve/policy.yaml:12\", \"object\": \"/bin/echo\", "
                                        "\"duration_us\": 1500}"));
  EXPECT_THAT(sink_.lines[0], Not(HasSubstr("secret")));
  EXPECT_EQ(replies_.size(), 1u);
}

TEST_F(DispatcherTest, ArgumentThatTheManifestNamesIsTheObject) {
  config::CommandSpec& command = config_.plugins[testing_config::kExecPlugin].commands.back();
  command.check = config::ArgumentCheck::kNone;
  command.object = "path";
  Send(command.name, Members({{"path", Text("alice")}, {"arg", json::Value(json::List{Text("secret")})}}));
  workers_.calls[0].on_reply(Reply::Return("{}"));
  ASSERT_EQ(sink_.lines.size(), 1u);
  EXPECT_THAT(sink_.lines[0], HasSubstr("\"object\": \"alice\", \"duration_us\""));
  EXPECT_THAT(sink_.lines[0], Not(HasSubstr("secret")));
}

TEST_F(DispatcherTest, RefusalIsRecordedAndSecretsAreNot) {
  config_.policy.commands.deny = {{"guest-set-user-password", {"/etc/reeve/policy.yaml", 3}}};
  Send("guest-set-user-password", Members({{"password", Text("c2VjcmV0")}}));
  ASSERT_EQ(sink_.lines.size(), 1u);
  EXPECT_THAT(sink_.lines[0], HasSubstr("\"outcome\": \"refused\", \"rule\": \"commands.deny\""));
  EXPECT_THAT(sink_.lines[0], Not(HasSubstr("c2VjcmV0")));
}

TEST_F(DispatcherTest, PolicyChoosesWhatIsRecorded) {
  config_.policy.audit.decisions = policy::AuditRules::Decisions::kAll;
  Send("guest-ping");
  EXPECT_EQ(sink_.lines.size(), 1u);
  dispatcher_.reset();
  config_.policy.audit.decisions = policy::AuditRules::Decisions::kDenied;
  Send("guest-shutdown");
  workers_.calls.back().on_reply(Reply::Nothing());
  EXPECT_EQ(sink_.lines.size(), 1u);
}

TEST(AuditLineTest, EscapesWhatTheHostSays) {
  AuditRecord record;
  record.command = "guest-exec";
  record.object = "/bin/x\"\n{\"event\": \"forged\"}";
  const std::string line = AuditLine(record, 0);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_THAT(line, HasSubstr("\\n{\\\"event\\\""));
}

TEST(AuditLineTest, IsNoLongerBecauseTheHostSaysMuch) {
  AuditRecord record;
  const std::string object(1 << 20, 'x');
  record.object = object;
  EXPECT_LT(AuditLine(record, 0).size(), 5000u);
}

TEST(UtcTextTest, IsTheTimeInUtc) {
  EXPECT_EQ(UtcText(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(UtcText(1'732'147'274'123'456), "2024-11-21T00:01:14.123456Z");
}

TEST(AccessOfModeTest, KnowsQemuGasModesAndNoOther) {
  using policy::FileAccess;
  const auto mask = [](auto... access) {
    return static_cast<policy::FileAccessMask>((0u | ... | static_cast<unsigned>(access)));
  };
  EXPECT_EQ(AccessOfMode("r"), mask(FileAccess::kRead));
  EXPECT_EQ(AccessOfMode("rb"), mask(FileAccess::kRead));
  EXPECT_EQ(AccessOfMode("r+b"), mask(FileAccess::kRead, FileAccess::kWrite));
  EXPECT_EQ(AccessOfMode("w"), mask(FileAccess::kWrite, FileAccess::kCreate));
  EXPECT_EQ(AccessOfMode("wb+"), mask(FileAccess::kRead, FileAccess::kWrite, FileAccess::kCreate));
  EXPECT_EQ(AccessOfMode("a"), mask(FileAccess::kWrite, FileAccess::kCreate));
  for (const char* mode : {"", "x", "rw", "r++", "rbb", "+r", "br", "r+b+", "rx"})
    EXPECT_EQ(AccessOfMode(mode), std::nullopt) << mode;
}

}  // namespace
}  // namespace reeve::core
