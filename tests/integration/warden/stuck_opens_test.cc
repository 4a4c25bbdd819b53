#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "agent/warden/worker_asks.h"
#include "base/sys.h"
#include "base/testing.h"

// A file system that never answers, under a granted directory: opens in it hang, everything else goes on.

namespace reeve::warden {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kPlugin = 1;
constexpr uint32_t kWorker = 4;
constexpr int kStuck = 20;
constexpr uint32_t kOwnCommand = 3;
constexpr auto kRead = static_cast<policy::FileAccessMask>(policy::FileAccess::kRead);

config::Config Configuration(const std::string& granted) {
  config::Config config;
  config.channels.push_back({.name = "main", .path = ""});
  config.plugins.resize(2);
  config::CommandSpec open{
      .name = "guest-file-open", .check = config::ArgumentCheck::kFile, .flags = config::kAsksWarden};
  config::CommandSpec run{.name = "guest-exec", .check = config::ArgumentCheck::kProgram, .flags = config::kAsksWarden};
  config::CommandSpec close{.name = "guest-file-close"};
  config::CommandSpec own{.name = "guest-set-vcpus", .flags = config::kAsksWarden};
  own.asks = 3;
  config.plugins[kPlugin].name = "system";
  config.plugins[kPlugin].commands = {open, run, close, own};
  config.policy.commands.allow.push_back({.pattern = "*", .origin = {"policy.yaml", 1}});
  policy::FileDirectory directory;
  directory.id = "granted";
  directory.origin = {"policy.yaml", 2};
  directory.path = granted;
  directory.access = kRead;
  config.policy.directories.push_back(directory);
  policy::ProgramRule rule;
  rule.name = "any";
  rule.run = "*";
  rule.allows_any_args = true;
  rule.inherits_environment = true;
  rule.confine = policy::Confinement::kUnconfined;
  config.policy.programs.push_back(rule);
  policy::PluginRules plugin;
  plugin.name = "system";
  directory.id = "own";
  directory.path = granted + "/own";
  plugin.directories.push_back(directory);
  rule.name = "true";
  rule.run = "/bin/true";
  plugin.programs.push_back(rule);
  rule.name = "told";
  rule.is_standing = true;
  plugin.programs.push_back(rule);
  for (policy::ProgramRule& one : plugin.programs) {
    struct stat status;
    one.program.resolved_path = fs::canonical(one.run).string();
    if (::stat(one.program.resolved_path.c_str(), &status) == 0) {
      one.program.device = status.st_dev;
      one.program.inode = status.st_ino;
    }
  }
  config.policy.plugins.push_back(plugin);
  return config;
}

class WorkerAsksTest : public testing::Test {
 protected:
  WorkerAsksTest() : loop_(*EventLoop::Create(clock_)), reaper_(loop_) {
    ::signal(SIGPIPE, SIG_IGN);  // as the warden does: who started a program may be gone when it ends
    std::string pattern = (fs::temp_directory_path() / "reeve-asks-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
    fs::create_directory(top_ / "dead");
    std::ofstream(top_ / "file") << "text";
    fs::create_directory(top_ / "own");
    std::ofstream(top_ / "own/file") << "own";
    config_ = Configuration(top_.string());
    MakeAsks();
  }
  ~WorkerAsksTest() override {
    ::umount2((top_ / "dead").c_str(), MNT_DETACH);
    fs::remove_all(top_);
    ::signal(SIGPIPE, SIG_DFL);
  }

  void MakeAsks() {
    decider_ = std::make_unique<policy::Decider>(*policy::Decider::Create(config_.policy));
    asks_ = std::make_unique<WorkerAsks>(
        config_, *decider_, loop_, reaper_,
        WorkerAsks::Surroundings{
            .settings = *sandbox::InitialSettings::Take(), .environment = {}, .groups = std::nullopt},
        [this](const wire::StandingRun& run, std::string_view words) { told_.push_back({run, std::string(words)}); });
  }

  template <typename Claim>
  bool TurnUntil(Claim claim, seconds at_most = seconds(30)) {
    const auto end = std::chrono::steady_clock::now() + at_most;
    while (!claim() && std::chrono::steady_clock::now() < end)
      if (!loop_.RunOnce(milliseconds(10))) return false;
    return claim();
  }
  void Announce(uint64_t request_id, uint32_t command = 0, uint32_t rule = policy::Decision::kNoIndex,
                uint32_t deadline_ms = 0) {
    wire::Announce what{.worker = kWorker, .channel = 0, .command = command, .rule = rule};
    REEVE_ASSERT_OK(asks_->Announce(kPlugin, request_id, deadline_ms, what));
  }
  // Answers go to answers_[request_id].
  void Open(uint64_t request_id, const std::string& name) {
    asks_->OpenPath(kPlugin, kWorker, request_id, {.path = (top_ / name).string(), .access = kRead},
                    [this, request_id](Granted<OpenedPath> opened) { answers_[request_id] = std::move(opened); });
  }
  const Granted<OpenedPath>& AnswerOf(uint64_t request_id) {
    EXPECT_TRUE(TurnUntil([&] { return answers_.contains(request_id); }));
    return answers_.at(request_id);
  }
  Granted<StartedProgram> Run(uint64_t request_id, std::vector<std::string> argv) {
    std::optional<Granted<StartedProgram>> answer;
    ProgramAsk ask;
    ask.argv = std::move(argv);
    asks_->RunProgram(kPlugin, kWorker, request_id, std::move(ask),
                      [&](Granted<StartedProgram> started) { answer = std::move(started); });
    EXPECT_TRUE(TurnUntil([&] { return answer.has_value(); }));
    return std::move(*answer);
  }

  // Mounts a FUSE file system whose daemon never reads a request.
  UniqueFd MountDead() {
    UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!device) return {};
    const std::string options = "fd=" + std::to_string(device.get()) + ",rootmode=40000,user_id=0,group_id=0";
    if (::mount("reeve-test", (top_ / "dead").c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) return {};
    return device;
  }

  MonotonicClock clock_;
  EventLoop loop_;
  Reaper reaper_;
  fs::path top_;
  config::Config config_;
  std::unique_ptr<policy::Decider> decider_;
  std::unique_ptr<WorkerAsks> asks_;
  std::map<uint64_t, Granted<OpenedPath>> answers_;
  std::vector<std::pair<wire::StandingRun, std::string>> told_;
};

TEST_F(WorkerAsksTest, OpensWhatWasAnnouncedAndRefusesWhatWasNot) {
  Announce(1);
  Open(1, "file");
  const auto& opened = AnswerOf(1);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(*sys::ReadToEnd(opened->fd.get(), 100), "text");
  Open(2, "file");
  EXPECT_THAT(AnswerOf(2).error().text, testing::HasSubstr("was not announced"));
  asks_->Retract(kWorker, 1);
  answers_.clear();
  Open(1, "file");
  EXPECT_FALSE(AnswerOf(1));
}

TEST_F(WorkerAsksTest, OneAnnouncementIsOneAskWhateverBecameOfIt) {
  Announce(1);
  Open(1, "missing");
  EXPECT_EQ(AnswerOf(1).error().error_number, ENOENT);
  answers_.clear();
  Open(1, "file");
  EXPECT_THAT(AnswerOf(1).error().text, testing::HasSubstr("was not announced, has asked"));
}

TEST_F(WorkerAsksTest, RootWritesNoSecondNameInADirectoryOfAnother) {
  fs::create_directory(top_ / "theirs");
  fs::create_hard_link(top_ / "file", top_ / "theirs/name");
  ASSERT_EQ(::chown((top_ / "theirs").c_str(), 65534, 65534), 0);
  const PermittedOpen request{.path = (top_ / "theirs/name").string(),
                              .directory = config_.policy.directories[0],
                              .access = static_cast<policy::FileAccessMask>(policy::FileAccess::kWrite)};
  const auto opened = OpenPermitted(request);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().system_errno(), EPERM);
}

TEST_F(WorkerAsksTest, DecidesAgainAndNamesTheRuleOfARefusal) {
  Announce(1);
  asks_->OpenPath(kPlugin, kWorker, 1, {.path = "/etc/shadow", .access = kRead},
                  [this](Granted<OpenedPath> opened) { answers_[1] = std::move(opened); });
  EXPECT_THAT(AnswerOf(1).error().text, testing::HasSubstr("policy rule"));
  answers_.clear();
  Announce(1);
  asks_->OpenPath(kPlugin, kWorker, 1, {.path = (top_ / "file").string(), .access = kRead | 2},
                  [this](Granted<OpenedPath> opened) { answers_[1] = std::move(opened); });
  EXPECT_FALSE(AnswerOf(1));
}

TEST_F(WorkerAsksTest, AnotherRuleThanTheCoresIsRefused) {
  Announce(1, 0, /*rule=*/7);
  Open(1, "file");
  EXPECT_THAT(AnswerOf(1).error().text, testing::HasSubstr("another than the request was allowed by"));
}

TEST_F(WorkerAsksTest, AFileCommandRunsNoProgramAndAProgramCommandOpensNoFile) {
  Announce(1, 0);
  Announce(2, 1);
  EXPECT_THAT(Run(1, {"/bin/true"}).error().text, testing::HasSubstr("may not ask for this"));
  Open(2, "file");
  EXPECT_THAT(AnswerOf(2).error().text, testing::HasSubstr("may not ask for this"));
  Announce(2, 1);
  EXPECT_TRUE(Run(2, {"/bin/true"}).has_value());
}

TEST_F(WorkerAsksTest, ACommandWithoutCheckHasItsPluginsRulesAndNotTheHosts) {
  Announce(1, kOwnCommand);
  Open(1, "own/file");
  ASSERT_TRUE(AnswerOf(1)) << AnswerOf(1).error().text;
  answers_.clear();
  EXPECT_TRUE(Run(1, {"true"}).has_value());
  Open(1, "file");
  EXPECT_THAT(AnswerOf(1).error().text, testing::HasSubstr("guest-set-vcpus refused: "));
  Announce(2, kOwnCommand);
  EXPECT_THAT(Run(2, {"/bin/echo"}).error().text, testing::HasSubstr("is not allowed by policy rule 'default'"));
}

TEST_F(WorkerAsksTest, ARequestAsksAsOftenAsItsCommandSays) {
  Announce(1, kOwnCommand);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Run(1, {"true"}).has_value()) << i;
  EXPECT_THAT(Run(1, {"true"}).error().text, testing::HasSubstr("has asked as often as it may"));
}

TEST_F(WorkerAsksTest, WithoutARequestOnlyStandingProgramsRun) {
  EXPECT_TRUE(Run(0, {"told"}).has_value());
  const Granted<StartedProgram> refused = Run(0, {"true"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text,
              testing::HasSubstr("plugin system refused: true is not allowed by policy rule 'true'"));
  Open(0, "own/file");
  EXPECT_THAT(AnswerOf(0).error().text, testing::HasSubstr("was not announced"));
}

TEST_F(WorkerAsksTest, WhatRunsWithoutARequestIsToldAtItsStartAndItsEnd) {
  const Granted<StartedProgram> started = Run(0, {"told"});
  ASSERT_TRUE(started) << started.error().text;
  ASSERT_TRUE(TurnUntil([&] { return told_.size() == 2; }));
  for (const auto& [run, words] : told_) {
    EXPECT_EQ(words, std::string("told\0", 5));
    EXPECT_EQ(run.text_bytes, words.size());
    EXPECT_EQ(run.plugin, kPlugin);
    EXPECT_EQ(run.rule, 1u);
    EXPECT_EQ(run.program, started->program);
  }
  EXPECT_EQ(static_cast<wire::RunKind>(told_[0].first.kind), wire::RunKind::kStarted);
  EXPECT_EQ(static_cast<wire::RunKind>(told_[1].first.kind), wire::RunKind::kExited);
  EXPECT_EQ(told_[1].first.value, 0);
}

TEST_F(WorkerAsksTest, WhatIsRefusedWithoutARequestIsToldAndWhatIsAskedForOneIsNot) {
  EXPECT_FALSE(Run(0, {"true", std::string(wire::kMaxTextBytes, 'x')}));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(static_cast<wire::RunKind>(told_[0].first.kind), wire::RunKind::kRefused);
  EXPECT_EQ(told_[0].first.rule, policy::Decision::kNoIndex);
  EXPECT_EQ(told_[0].second, std::string("true\0", 5)) << "what does not fit is left out";
  Announce(1, kOwnCommand);
  EXPECT_TRUE(Run(1, {"true"}).has_value());
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(WorkerAsksTest, AProgramThatWasReplacedByNobodyKnowsWhomIsToldAsFailed) {
  config_.policy.plugins[0].programs[1].program.resolved_path = "/nonexistent/program";
  EXPECT_FALSE(Run(0, {"told"}));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(static_cast<wire::RunKind>(told_[0].first.kind), wire::RunKind::kFailed);
  EXPECT_EQ(told_[0].first.program, 0u);
}

// Each run is told to the core, whose socket and trail have their bounds.
TEST_F(WorkerAsksTest, APluginThatAsksWithoutPauseForNoRequestIsRefusedAndAnotherIsNot) {
  config_.plugins[0].name = "another";
  Granted<StartedProgram> refused = Run(0, {"true"});
  for (int i = 0; i < 10'000 && !refused.error().text.ends_with("too often"); ++i) refused = Run(0, {"true"});
  EXPECT_EQ(refused.error().text, "plugin system asks for programs without a request too often");
  EXPECT_EQ(refused.error().error_number, EAGAIN);
  EXPECT_LT(told_.size(), 1000u);
  std::string text;
  ProgramAsk ask;
  ask.argv = {"true"};
  asks_->RunProgram(0, kWorker + 1, 0, std::move(ask),
                    [&](const Granted<StartedProgram>& answer) { text = answer.error().text; });
  EXPECT_THAT(text, testing::HasSubstr("plugin another refused: true"));
  Announce(1, kOwnCommand);
  EXPECT_TRUE(Run(1, {"true"}).has_value());
}

TEST_F(WorkerAsksTest, OfOnePluginsOwnProgramsSoManyRunAtOneTimeAndTheHostHasItsRoom) {
  config_.policy.plugins[0].programs[1].run = "*";
  config_.policy.plugins[0].programs[1].program = {};
  std::vector<StartedProgram> running;
  for (size_t i = 0; i < kMaxProgramsOfPlugin; ++i) {
    Granted<StartedProgram> started = Run(0, {"/bin/sleep", "60"});
    ASSERT_TRUE(started) << started.error().text;
    running.push_back(std::move(*started));
  }
  EXPECT_THAT(Run(0, {"/bin/sleep", "60"}).error().text, testing::HasSubstr("32 earlier ones have not ended"));
  Announce(1, 1);
  EXPECT_TRUE(Run(1, {"/bin/true"}).has_value());
  asks_->programs().SignalAll(SIGKILL);
}

TEST_F(WorkerAsksTest, AnAnnouncementThatMakesNoSenseIsTheCoresMistake) {
  const wire::Announce channel{.worker = kWorker, .channel = 1};
  const wire::Announce peer{.worker = kWorker, .peer_kind = 9};
  const wire::Announce command{.worker = kWorker, .command = 4};
  const wire::Announce never_asks{.worker = kWorker, .command = 2};
  for (const wire::Announce& what : {channel, peer, command, never_asks})
    EXPECT_THAT(asks_->Announce(kPlugin, 1, 0, what), FailsWith(Code::kBadMessage));
}

TEST_F(WorkerAsksTest, WhatPolicyDeniesIsNotEntered) {
  config_.policy.commands.deny.push_back({.pattern = "guest-file-open", .origin = {"policy.yaml", 9}});
  MakeAsks();
  REEVE_ASSERT_OK(asks_->Announce(kPlugin, 1, 0, {.worker = kWorker}));
  bool is_refused = false;
  asks_->OpenPath(kPlugin, kWorker, 1, {.path = (top_ / "file").string(), .access = kRead},
                  [&](Granted<OpenedPath> opened) { is_refused = !opened; });
  EXPECT_TRUE(is_refused);
}

TEST_F(WorkerAsksTest, TwentyStuckOpensHoldNobodyElse) {
  const UniqueFd device = MountDead();
  if (!device) GTEST_SKIP() << "no FUSE here: " << ErrnoText(errno);
  for (uint64_t id = 1; id <= kStuck; ++id) {
    Announce(id, 0, policy::Decision::kNoIndex);
    Open(id, "dead/file");
  }
  std::vector<double> times_ms;
  for (uint64_t id = 101; id <= 130; ++id) {
    const auto begin = std::chrono::steady_clock::now();
    Announce(id % 12 + 100);
    answers_.erase(id % 12 + 100);
    Open(id % 12 + 100, "file");
    ASSERT_TRUE(AnswerOf(id % 12 + 100)) << answers_.at(id % 12 + 100).error().text;
    asks_->Retract(kWorker, id % 12 + 100);
    times_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  // All of them were answered while all of those were stuck.
  for (uint64_t id = 1; id <= kStuck; ++id) EXPECT_FALSE(answers_.contains(id));
  std::ranges::sort(times_ms);
  std::printf("an open while %d are stuck: median %.2f ms, longest %.2f ms\n", kStuck, times_ms[times_ms.size() / 2],
              times_ms.back());

  // Their askers are told, and the children are forgotten.
  for (uint64_t id = 1; id <= kStuck; ++id)
    EXPECT_THAT(AnswerOf(id).error().text, testing::HasSubstr("no answer from the file system")) << id;
}

TEST_F(WorkerAsksTest, StuckOpensAreBoundedAndTakeNoOtherDirectorysRoom) {
  const UniqueFd device = MountDead();
  if (!device) GTEST_SKIP() << "no FUSE here: " << ErrnoText(errno);
  policy::FileDirectory dead = config_.policy.directories[0];
  dead.id = "dead";
  dead.path += "/dead";
  config_.policy.directories.push_back(dead);
  MakeAsks();
  for (uint64_t id = 1; id <= kMaxOpensPerDirectory + 1; ++id) {
    asks_->ForgetWorker(kWorker);
    Announce(id);
    Open(id, "dead/file");
  }
  EXPECT_THAT(AnswerOf(kMaxOpensPerDirectory + 1).error().text, testing::HasSubstr("64 earlier ones have not ended"));
  Announce(1000);
  Open(1000, "file");
  EXPECT_TRUE(AnswerOf(1000)) << AnswerOf(1000).error().text;
}

}  // namespace
}  // namespace reeve::warden
