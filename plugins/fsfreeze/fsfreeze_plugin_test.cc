#include "plugins/fsfreeze/fsfreeze_plugin.h"

#include <signal.h>

#include <future>
#include <thread>

#include "base/testing.h"
#include "plugins/fsfreeze/testing.h"
#include "tests/support/fake_agent.h"

namespace reeve::fsfreeze {
namespace {

using ::reeve::test::Answer;
using ::reeve::test::FakeAgent;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class FakeMounts final : public MountSource {
 public:
  Result<Listing> List() override { return listing; }
  Result<std::vector<Target>> OnDisks(const std::vector<std::string>& serials) override {
    if (serials != std::vector<std::string>{"vol-1"}) return Fail(Code::kNotFound, "no disk has the serial number 'x'");
    return std::vector<Target>{listing.targets[1]};
  }
  Listing listing = {{{{8, 1}, "/", "ext4"}, {{8, 2}, "/var", "xfs"}}, {{"/mnt/nfs", "nfs4", "network"}}};
};

// What the plugin of one test acts on.
struct Stage {
  test::FakeFileSystems* file_systems = nullptr;  // owned by the plugin's World, as is the next
  FakeMounts* mounts = nullptr;
  test::HeldWork freezing, thawing, trimming;
  UniqueFd list = test::ListFile();
  std::vector<std::string> hooks;
  std::string settings = "{}";
  std::vector<storage::FreezeEntry> listed_thaws;
};
Stage* stage = nullptr;

class StagedPlugin final : public FsfreezePlugin {
 public:
  using FsfreezePlugin::FsfreezePlugin;
  void Configure(const plugin::Arguments&) override { FsfreezePlugin::Configure(plugin::Arguments(stage->settings)); }

 protected:
  Result<World> MakeWorld() override {
    World world;
    auto file_systems = std::make_unique<test::FakeFileSystems>();
    auto mounts = std::make_unique<FakeMounts>();
    stage->file_systems = file_systems.get();
    stage->mounts = mounts.get();
    world.file_systems = std::move(file_systems);
    world.mounts = std::move(mounts);
    world.freezing = &stage->freezing;
    world.thawing = &stage->thawing;
    world.trimming = &stage->trimming;
    world.list_fd = stage->list.get();
    world.now_ms = [] { return 0; };
    world.thaw_listed = [](std::span<const storage::FreezeEntry> entries) {
      stage->listed_thaws.assign(entries.begin(), entries.end());
      storage::ThawReport report;
      for (const storage::FreezeEntry& entry : entries) report.thawed.push_back(entry.mount_point);
      return report;
    };
    return world;
  }
};

}  // namespace
}  // namespace reeve::fsfreeze

using reeve::fsfreeze::FsfreezePlugin;

REEVE_PLUGIN(reeve::fsfreeze::StagedPlugin, fsfreeze_manifest::Manifest, &FsfreezePlugin::Status,
             &FsfreezePlugin::Freeze, &FsfreezePlugin::FreezeList, &FsfreezePlugin::FreezeDisks, &FsfreezePlugin::Thaw,
             &FsfreezePlugin::Trim, &FsfreezePlugin::Report, &FsfreezePlugin::Renew)

namespace reeve::fsfreeze {
namespace {

class FsfreezePluginTest : public testing::Test {
 protected:
  FsfreezePluginTest() { stage = &stage_; }
  ~FsfreezePluginTest() override { stage = nullptr; }

  void Load(const std::string& settings = "{}") {
    stage_.settings = settings;
    ASSERT_EQ(agent_.Load(), REEVE_OK);
    Turns();
  }
  void Turns() {
    for (int i = 0; i < 8; ++i) agent_.Turn();
  }
  Answer Call(const std::string& command, const std::string& arguments = "{}") {
    return agent_.Call(command, arguments);
  }
  std::string Freeze() {
    const Answer answer = Call("guest-fsfreeze-freeze");
    return answer.status == REEVE_OK ? answer.value : answer.text;
  }
  std::string Thaw() {
    const Answer answer = Call("guest-fsfreeze-thaw");
    return answer.status == REEVE_OK ? answer.value : answer.text;
  }
  std::string Status() { return Call("guest-fsfreeze-status").value; }
  std::string Report() { return Call("fsfreeze-report").value; }
  // The hook that runs now ends so.
  void EndHook(int32_t code, std::string_view output = "") {
    Turns();
    auto& program = agent_.program();
    program.Say(program.out, output);
    program.CloseOutput();
    program.End(REEVE_PROGRAM_EXITED, code);
    Turns();
  }
  storage::FreezeList List() { return *storage::FreezeListFile(stage_.list.get()).Read(); }
  test::FakeFileSystems& calls() { return *stage_.file_systems; }
  std::string HookWords() {
    std::string words;
    for (const std::string& word : agent_.program().arguments) words += (words.empty() ? "" : " ") + word;
    return words;
  }

  Stage stage_;
  FakeAgent agent_;
};

// ---- without hooks

TEST_F(FsfreezePluginTest, FreezesAllAndThawsAll) {
  Load();
  EXPECT_EQ(Status(), "\"thawed\"");
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_EQ(Freeze(), "2");
  EXPECT_EQ(Status(), "\"frozen\"");
  EXPECT_EQ(agent_.held(), 2u);
  EXPECT_EQ(List().state, storage::FreezeListState::kFrozen);
  EXPECT_EQ(Thaw(), "2");
  EXPECT_EQ(Status(), "\"thawed\"");
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_TRUE(List().entries.empty());
}

TEST_F(FsfreezePluginTest, SecondFreezeIsRefused) {
  Load();
  Freeze();
  EXPECT_EQ(Freeze(), "the agent is in frozen state");
  EXPECT_EQ(Call("guest-fstrim").text, "the agent is in frozen state");
  EXPECT_EQ(Status(), "\"frozen\"");
}

TEST_F(FsfreezePluginTest, ListNamesMountPointsExactlyAndUnknownOnesAreIgnored) {
  Load();
  EXPECT_EQ(Call("guest-fsfreeze-freeze-list", R"({"mountpoints": ["/var", "/va", "/none"]})").value, "1");
  EXPECT_EQ(calls().frozen["/var"], 1);
  EXPECT_EQ(Thaw(), "1");
  EXPECT_EQ(Call("guest-fsfreeze-freeze-list", R"({"mountpoints": []})").value, "0");
  EXPECT_EQ(Status(), "\"thawed\"");
  EXPECT_EQ(Call("guest-fsfreeze-freeze-list").value, "2");
}

TEST_F(FsfreezePluginTest, FreezesByDiskAndRefusesADiskThatIsNotThere) {
  Load();
  const Answer refused = Call("fsfreeze-freeze-disks", R"({"serials": ["x"]})");
  EXPECT_EQ(refused.text, "no disk has the serial number 'x'");
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_EQ(Call("fsfreeze-freeze-disks", R"({"serials": ["vol-1"]})").value, "1");
  EXPECT_EQ(calls().frozen["/var"], 1);
}

TEST_F(FsfreezePluginTest, ExcludedFileSystemsAreNotFrozen) {
  Load(R"({"exclude": ["xfs"]})");
  EXPECT_EQ(Freeze(), "1");
  EXPECT_EQ(calls().frozen["/var"], 0);
}

TEST_F(FsfreezePluginTest, FailedFreezeThawsWhatItFroze) {
  Load();
  calls().freeze_errors["/"] = EIO;
  EXPECT_EQ(Freeze(), "failed to freeze /: Input/output error");
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_TRUE(List().entries.empty());
  EXPECT_THAT(Report(), HasSubstr(R"("ended": "failed", "error": "failed to freeze /: Input/output error")"));
}

TEST_F(FsfreezePluginTest, ThawOfNothingAnswersNothingAndThawsWhatOthersFroze) {
  Load();
  EXPECT_EQ(Thaw(), "0");
  calls().frozen["/var"] = 2;
  EXPECT_EQ(Thaw(), "1");
  EXPECT_EQ(calls().frozen_count(), 0u);
}

TEST_F(FsfreezePluginTest, ThawThatFailsIsSaidAndTriedAgain) {
  Load();
  Freeze();
  calls().thaw_error = EIO;
  EXPECT_EQ(Thaw(), "failed to thaw /: Input/output error");
  EXPECT_EQ(Status(), "\"frozen\"");
  EXPECT_FALSE(List().entries.empty());
  calls().thaw_error = 0;
  for (int i = 0; i < 11; ++i) agent_.Advance(seconds(1));
  Turns();
  EXPECT_EQ(Status(), "\"thawed\"");
  EXPECT_EQ(calls().frozen_count(), 0u);
}

// ---- the thaw timeout

TEST_F(FsfreezePluginTest, NobodyWhoThawsIsWaitedForLongerThanTheTimeout) {
  Load(R"({"thaw-timeout": "5s"})");
  Freeze();
  EXPECT_EQ(agent_.freeze_time_left_ms(), 5000u);
  for (int i = 0; i < 4; ++i) agent_.Advance(seconds(1));
  EXPECT_EQ(Status(), "\"frozen\"");
  EXPECT_EQ(List().time_left->count(), 1000);
  agent_.Advance(seconds(1));
  Turns();
  EXPECT_EQ(Status(), "\"thawed\"");
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_THAT(Report(), HasSubstr("\"ended\": \"timeout\""));
  EXPECT_THAT(agent_.log(), testing::Contains(HasSubstr("thaw timeout")));
  EXPECT_THAT(agent_.freeze_end(), HasSubstr("thaw timeout"));
  EXPECT_EQ(Thaw(), "0");
  EXPECT_THAT(Report(), HasSubstr("\"ended\": \"timeout\""));
}

TEST_F(FsfreezePluginTest, RenewingPutsTheTimeoutOff) {
  Load(R"({"thaw-timeout": "5s"})");
  EXPECT_EQ(Call("fsfreeze-renew").text, "nothing is frozen");
  Freeze();
  for (int i = 0; i < 4; ++i) agent_.Advance(seconds(1));
  EXPECT_EQ(Call("fsfreeze-renew").value, "{\"time-left-ms\": 5000}");
  for (int i = 0; i < 4; ++i) agent_.Advance(seconds(1));
  EXPECT_EQ(Status(), "\"frozen\"");
  EXPECT_EQ(Call("fsfreeze-renew", R"({"timeout": 60})").value, "{\"time-left-ms\": 5000}");
  EXPECT_EQ(Call("fsfreeze-renew", R"({"timeout": 0.5})").value, "{\"time-left-ms\": 500}");
  EXPECT_EQ(Call("fsfreeze-renew", R"({"timeout": 0})").status, REEVE_ERROR_ARGUMENT);
  agent_.Advance(seconds(1));
  Turns();
  EXPECT_EQ(Status(), "\"thawed\"");
}

TEST_F(FsfreezePluginTest, WithoutATimeoutItStaysFrozen) {
  Load(R"({"thaw-timeout": 0})");
  Freeze();
  for (int i = 0; i < 3; ++i) agent_.Advance(std::chrono::hours(24));
  EXPECT_EQ(Status(), "\"frozen\"");
  EXPECT_FALSE(List().time_left);
  EXPECT_EQ(Call("fsfreeze-renew", R"({"timeout": 2})").value, "{\"time-left-ms\": 2000}");
  EXPECT_EQ(Call("fsfreeze-renew").value, "{}");
}

// ---- a quiet agent

TEST_F(FsfreezePluginTest, NothingIsFrozenBeforeTheAgentIsQuiet) {
  Load();
  agent_.HoldQuiet();
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  EXPECT_TRUE(agent_.is_quiet_wanted());
  EXPECT_GT(agent_.held(), 0u);
  EXPECT_THAT(calls().log, testing::IsEmpty());
  EXPECT_TRUE(List().entries.empty());
  agent_.AnswerQuiet(REEVE_OK);
  Turns();
  EXPECT_EQ(freeze->value, "2");
}

TEST_F(FsfreezePluginTest, HooksHaveRunBeforeTheAgentIsToBeQuietAndThawWhenItIsNot) {
  Load(R"({"hooks": ["/etc/hook"]})");
  agent_.HoldQuiet();
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  EXPECT_FALSE(agent_.is_quiet_wanted());
  EndHook(0);
  ASSERT_TRUE(agent_.is_quiet_wanted());
  agent_.AnswerQuiet(REEVE_ERROR_BUSY);
  Turns();
  EXPECT_EQ(HookWords(), "/etc/hook thaw");
  EndHook(0);
  EXPECT_THAT(freeze->text, HasSubstr("writes no log while file systems are frozen"));
  EXPECT_THAT(calls().log, testing::IsEmpty());
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_THAT(Report(), HasSubstr(R"("ended": "failed")"));
}

TEST_F(FsfreezePluginTest, ThawEndsTheWaitForQuietAndALaterAnswerFreezesNothing) {
  Load();
  agent_.HoldQuiet();
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  Turns();
  EXPECT_THAT(freeze->text, HasSubstr("cancelled"));
  EXPECT_EQ(thaw->value, "0");
  agent_.AnswerQuiet(REEVE_OK);
  Turns();
  EXPECT_THAT(calls().log, testing::Not(testing::Contains(testing::StartsWith("freeze"))));
  EXPECT_EQ(Status(), "\"thawed\"");
}

// ---- a freeze that takes long

TEST_F(FsfreezePluginTest, StatusWaitsForTheFreezeThatIsUnderWay) {
  Load();
  stage_.freezing.is_immediate = false;
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  const auto status = agent_.Begin("guest-fsfreeze-status", "{}");
  Turns();
  EXPECT_FALSE(freeze->is_finished || status->is_finished);
  EXPECT_GT(agent_.held(), 0u);
  stage_.freezing.DoOne();
  Turns();
  EXPECT_EQ(freeze->value, "2");
  EXPECT_EQ(status->value, "\"frozen\"");
}

TEST_F(FsfreezePluginTest, ThawCancelsTheFreezeThatIsUnderWay) {
  Load();
  stage_.freezing.is_immediate = false;
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  Turns();
  EXPECT_FALSE(freeze->is_finished || thaw->is_finished);
  stage_.freezing.DoOne();
  Turns();
  EXPECT_EQ(freeze->text, "the freeze was cancelled by guest-fsfreeze-thaw");
  EXPECT_EQ(thaw->value, "0");
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_THAT(Report(), HasSubstr("\"ended\": \"cancelled\""));
  stage_.freezing.is_immediate = true;
  EXPECT_EQ(Freeze(), "2");
}

TEST_F(FsfreezePluginTest, WhatHangsForWhatIsFrozenIsSetFreeByAThaw) {
  Load();
  std::shared_ptr<Answer> thaw;
  calls().on_freeze = [&](const std::string& path) {
    if (path != "/" || thaw) return;
    thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
    EXPECT_EQ(calls().frozen["/var"], 0);
  };
  const Answer freeze = Call("guest-fsfreeze-freeze");
  EXPECT_EQ(freeze.status, REEVE_ERROR_FAILED);
  Turns();
  EXPECT_EQ(thaw->value, "2");
  EXPECT_EQ(calls().frozen_count(), 0u);
}

// Thawing writes: that of a loop device waits for the file system below, whose freeze is under way.
TEST_F(FsfreezePluginTest, WhatIsFrozenLastIsThawedThoughAThawBeforeItHangs) {
  Load();
  stage_.thawing.is_immediate = false;
  std::shared_ptr<Answer> thaw;
  calls().on_freeze = [&](const std::string& path) {
    if (path == "/" && !thaw) thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  };
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  ASSERT_TRUE(thaw);
  EXPECT_EQ(calls().frozen_count(), 0u);
  while (!stage_.thawing.waiting.empty()) stage_.thawing.DoOne(), Turns();
  EXPECT_EQ(thaw->value, "2");
}

TEST_F(FsfreezePluginTest, WhatHangsForWhatOthersFrozeIsSetFreeByAHostsThaw) {
  Load();
  stage_.mounts->listing.targets.push_back({{8, 3}, "/backup", "ext4"});
  calls().frozen["/backup"] = 1;
  std::shared_ptr<Answer> thaw;
  calls().on_freeze = [&](const std::string&) {
    if (thaw) return;
    thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
    EXPECT_EQ(calls().frozen["/backup"], 0);
  };
  Call("guest-fsfreeze-freeze-list", R"({"mountpoints": ["/"]})");
  Turns();
  EXPECT_EQ(thaw->value, "2");
  EXPECT_EQ(calls().frozen_count(), 0u);
}

// Thawed early it would hang for "/", which is being frozen; see above.
TEST_F(FsfreezePluginTest, WhatOthersFrozeAboveTheOneThatIsBeingFrozenIsThawedAfterIt) {
  Load();
  stage_.mounts->listing.targets.push_back({{7, 3}, "/image", "ext4", {{8, 1}}});
  calls().frozen["/image"] = 1;
  std::shared_ptr<Answer> thaw;
  calls().on_freeze = [&](const std::string&) {
    if (thaw) return;
    thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
    EXPECT_EQ(calls().frozen["/image"], 1);
  };
  Call("guest-fsfreeze-freeze-list", R"({"mountpoints": ["/"]})");
  Turns();
  EXPECT_EQ(thaw->value, "2");
  EXPECT_EQ(calls().frozen_count(), 0u);
}

TEST_F(FsfreezePluginTest, ThawWhileHooksAreToldOfAFreezeThawsWhatOthersFrozeAndTellsOnlyThose) {
  Load(R"({"hooks": ["/etc/a", "/etc/b"]})");
  calls().frozen["/var"] = 1;
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  Turns();
  EndHook(0);
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_EQ(HookWords(), "/etc/a thaw");
  EndHook(0);
  EXPECT_EQ(thaw->value, "1");
}

// At its end as at a cancel: what stands on the one that is being frozen is thawed only after that.
TEST_F(FsfreezePluginTest, EndOfTheProcessWhileItFreezesThawsWhatStandsOnThatLast) {
  Load();
  stage_.mounts->listing.targets.push_back({{7, 3}, "/image", "ext4", {{8, 1}}});
  stage_.freezing.is_immediate = false;
  agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  std::promise<void> is_under_way, may_go_on;
  calls().on_freeze = [&](const std::string& path) {
    if (path != "/") return;
    calls().log.clear();
    is_under_way.set_value();
    may_go_on.get_future().wait();
  };
  std::thread freezing([&] {
    stage_.freezing.DoOne();
    stage_.freezing.DoOne();
  });
  is_under_way.get_future().wait();
  stage_.freezing.on_held = [&] {
    EXPECT_THAT(calls().log, ElementsAre("thaw /var"));
    may_go_on.set_value();
  };
  EXPECT_EQ(agent_.plugin().deactivate(agent_.plugin().self), REEVE_OK);
  freezing.join();
  EXPECT_THAT(calls().log, ElementsAre("thaw /var", "thaw /", "thaw /image"));
  Turns();  // what was posted is freed
}

TEST_F(FsfreezePluginTest, TimeoutCancelsAFreezeThatTakesLonger) {
  Load(R"({"thaw-timeout": "2s"})");
  stage_.freezing.is_immediate = false;
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  for (int i = 0; i < 2; ++i) agent_.Advance(seconds(1));
  stage_.freezing.DoOne();
  Turns();
  EXPECT_THAT(freeze->text, HasSubstr("longer than the thaw timeout"));
  EXPECT_EQ(calls().frozen_count(), 0u);
}

TEST_F(FsfreezePluginTest, FreezeAtItsDeadlineIsAnsweredAtOnceAndThawed) {
  Load();
  stage_.freezing.is_immediate = false;
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(freeze->text, "the freeze did not finish in time");
  stage_.freezing.DoOne();
  Turns();
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_EQ(Status(), "\"thawed\"");
}

TEST_F(FsfreezePluginTest, EndOfTheProcessThaws) {
  Load();
  Freeze();
  EXPECT_EQ(agent_.plugin().deactivate(agent_.plugin().self), REEVE_OK);
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_TRUE(List().entries.empty());
}

// ---- after an earlier process

TEST_F(FsfreezePluginTest, NewProcessKeepsTheFreezeAndTheTimeThatIsLeft) {
  storage::FreezeListFile list(stage_.list.get());
  REEVE_ASSERT_OK(list.Begin(std::chrono::milliseconds(5000)));
  REEVE_ASSERT_OK(list.Add({{8, 1}, "/"}));
  REEVE_ASSERT_OK(list.SetFrozen());
  Load();
  EXPECT_EQ(agent_.held(), 1u);
  EXPECT_EQ(Status(), "\"frozen\"");
  agent_.Advance(seconds(1));
  EXPECT_EQ(List().entries.size(), 1u);
  EXPECT_EQ(Status(), "\"frozen\"");
  for (int i = 0; i < 4; ++i) agent_.Advance(seconds(1));
  Turns();
  EXPECT_EQ(Status(), "\"thawed\"");
  ASSERT_EQ(stage_.listed_thaws.size(), 1u);
  EXPECT_EQ(stage_.listed_thaws[0].mount_point, "/");
  EXPECT_TRUE(List().entries.empty());
}

TEST_F(FsfreezePluginTest, HostThawsWhatAnEarlierProcessFroze) {
  storage::FreezeListFile list(stage_.list.get());
  REEVE_ASSERT_OK(list.Begin(std::nullopt));
  REEVE_ASSERT_OK(list.Add({{8, 1}, "/"}));
  REEVE_ASSERT_OK(list.SetFrozen());
  Load();
  EXPECT_EQ(Thaw(), "1");
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(FsfreezePluginTest, NewProcessThawsAtOnceWhatWasHalfFrozen) {
  storage::FreezeListFile list(stage_.list.get());
  REEVE_ASSERT_OK(list.Begin(std::nullopt));
  REEVE_ASSERT_OK(list.Add({{8, 2}, "/var"}));
  Load();
  EXPECT_EQ(stage_.listed_thaws.size(), 1u);
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_EQ(Status(), "\"thawed\"");
  EXPECT_THAT(Report(), HasSubstr("\"ended\": \"worker-restarted\""));
}

TEST_F(FsfreezePluginTest, NewProcessTellsTheHooksThatWereBeingTold) {
  Load(R"({"hooks": ["/a"]})");
  agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  const storage::FreezeList died_before = List();
  EXPECT_EQ(died_before.state, storage::FreezeListState::kFreezing);
  EndHook(0);
  agent_.Begin("guest-fsfreeze-thaw", "{}");
  Turns();
  EXPECT_EQ(calls().frozen_count(), 0u);
  const storage::FreezeList died_after = List();
  EXPECT_EQ(died_after.state, storage::FreezeListState::kFreezing);
  EXPECT_TRUE(died_after.entries.empty());
  EndHook(0);
  EXPECT_EQ(List().state, storage::FreezeListState::kNothing);
}

TEST_F(FsfreezePluginTest, HooksHearOfAThawFromTheProcessAfterOneThatDiedAmongThem) {
  storage::FreezeListFile list(stage_.list.get());
  REEVE_ASSERT_OK(list.Begin(std::nullopt));
  Load(R"({"hooks": ["/a"]})");
  EXPECT_GT(agent_.held(), 0u);
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_EQ(List().state, storage::FreezeListState::kNothing);
}

// ---- hooks

TEST_F(FsfreezePluginTest, HooksRunInOrderBeforeAndInReverseOrderAfterwards) {
  Load(R"({"fsfreeze-hook": "/first", "hooks": ["/second"]})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  EXPECT_EQ(HookWords(), "/first freeze");
  EndHook(0, "flushed\n");
  EXPECT_EQ(HookWords(), "/second freeze");
  EXPECT_EQ(calls().frozen_count(), 0u);
  EndHook(0);
  EXPECT_EQ(freeze->value, "2");
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  Turns();
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_EQ(HookWords(), "/second thaw");
  EXPECT_FALSE(thaw->is_finished);
  EXPECT_EQ(Status(), "\"thawed\"");
  EndHook(0);
  EXPECT_EQ(HookWords(), "/first thaw");
  EndHook(0);
  EXPECT_EQ(thaw->value, "2");
  EXPECT_THAT(Report(), HasSubstr(R"({"path": "/first", "action": "freeze", "exit-code": 0, "timed-out": false, )"
                                  R"("duration-ms": 0, "output": "flushed\u000A"})"));
}

TEST_F(FsfreezePluginTest, FailedHookAbortsAndTheHooksThatRanAreToldToThaw) {
  Load(R"({"hooks": ["/a", "/b", "/c"]})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  EndHook(0);
  EndHook(3, "no room");
  EXPECT_EQ(HookWords(), "/b thaw");
  EndHook(0);
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_EQ(freeze->text, "child process has failed to execute fsfreeze hook: no room");
  EXPECT_EQ(agent_.program_count(), 4u);
  EXPECT_THAT(calls().log, Not(testing::Contains(HasSubstr("freeze"))));
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(FsfreezePluginTest, FailuresOfHooksHaveQemuGasTexts) {
  Load(R"({"hooks": ["/a"]})");
  auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  EndHook(3);
  EndHook(0);
  EXPECT_EQ(freeze->text, "child process has failed to execute fsfreeze hook: exit status 3");
  freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  agent_.program().End(REEVE_PROGRAM_KILLED, SIGSEGV);
  Turns();
  EndHook(0);
  EXPECT_EQ(freeze->text, "child process has terminated abnormally");
  agent_.RefusePrograms(ENOENT, "exec /a: No such file or directory");
  EXPECT_EQ(Freeze(), "can't access fsfreeze hook '/a': No such file or directory");
}

TEST_F(FsfreezePluginTest, PolicyMayGoOnAfterAFailedHook) {
  Load(R"({"hooks": ["/a"], "hook-failure": "continue"})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  EndHook(1);
  EXPECT_EQ(freeze->value, "2");
}

TEST_F(FsfreezePluginTest, HookThatHangsIsKilledAtItsTimeout) {
  Load(R"({"hooks": ["/a"], "hook-timeout": "2s"})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  agent_.Advance(seconds(2));
  ASSERT_EQ(agent_.signals().size(), 1u);
  EXPECT_EQ(agent_.signals()[0].second, SIGKILL);
  agent_.program().End(REEVE_PROGRAM_KILLED, SIGKILL);
  Turns();
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_EQ(freeze->text, "fsfreeze hook '/a' did not end in time");
}

TEST_F(FsfreezePluginTest, HookThatCannotBeKilledIsNotWaitedFor) {
  Load(R"({"hooks": ["/a"], "hook-timeout": "2s"})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  for (int i = 0; i < 3; ++i) agent_.Advance(seconds(1));
  Turns();
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_TRUE(freeze->is_finished);
}

TEST_F(FsfreezePluginTest, FailedThawHookIsAnErrorThoughAllIsThawed) {
  Load(R"({"hooks": ["/a"]})");
  agent_.Begin("guest-fsfreeze-freeze", "{}");
  EndHook(0);
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  EndHook(1, "still locked\n");
  EXPECT_EQ(thaw->text, "child process has failed to execute fsfreeze hook: still locked\n");
  EXPECT_EQ(calls().frozen_count(), 0u);
  EXPECT_EQ(Status(), "\"thawed\"");
}

TEST_F(FsfreezePluginTest, FreezeOfNothingTellsTheHooksToThaw) {
  Load(R"({"hooks": ["/a"]})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze-list", R"({"mountpoints": []})");
  Turns();
  EndHook(0);
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_EQ(freeze->value, "0");
}

TEST_F(FsfreezePluginTest, HooksAreToldOfAThawOfNothing) {
  Load(R"({"hooks": ["/a"]})");
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  Turns();
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_EQ(thaw->value, "0");
}

TEST_F(FsfreezePluginTest, ReportDoesNotGrowWithThawsOfNothing) {
  Load(R"({"hooks": ["/a"]})");
  for (int i = 0; i < 3; ++i) {
    agent_.Begin("guest-fsfreeze-thaw", "{}");
    EndHook(0);
  }
  const std::string report = Report();
  EXPECT_EQ(report.find("\"path\""), report.rfind("\"path\""));
}

TEST_F(FsfreezePluginTest, ThawEndsTheHookThatRuns) {
  Load(R"({"hooks": ["/a", "/b"]})");
  const auto freeze = agent_.Begin("guest-fsfreeze-freeze", "{}");
  Turns();
  const auto thaw = agent_.Begin("guest-fsfreeze-thaw", "{}");
  ASSERT_EQ(agent_.signals().size(), 1u);
  agent_.program().End(REEVE_PROGRAM_KILLED, SIGKILL);
  Turns();
  EXPECT_EQ(HookWords(), "/a thaw");
  EndHook(0);
  EXPECT_EQ(freeze->text, "the freeze was cancelled by guest-fsfreeze-thaw");
  EXPECT_EQ(thaw->value, "0");
}

TEST_F(FsfreezePluginTest, OutputOfAHookIsKeptOnlySoFar) {
  Load(R"({"hooks": ["/a"]})");
  agent_.Begin("guest-fsfreeze-freeze", "{}");
  EndHook(0, std::string(3 * kMaxHookOutputBytes, 'x'));
  const std::string report = Report();
  EXPECT_THAT(report, HasSubstr(std::string(kMaxHookOutputBytes, 'x') + "\""));
}

TEST_F(FsfreezePluginTest, TimeoutTellsTheHooks) {
  Load(R"({"hooks": ["/a"], "thaw-timeout": "1s"})");
  agent_.Begin("guest-fsfreeze-freeze", "{}");
  EndHook(0);
  agent_.Advance(seconds(1));
  Turns();
  EXPECT_EQ(HookWords(), "/a thaw");
}

// ---- report

TEST_F(FsfreezePluginTest, ReportSaysWhatBecameOfEachMountAndWhatIsLeftOut) {
  Load();
  EXPECT_EQ(Report(), R"({"state": "thawed", "frozen": 0, "thaw-timeout-ms": 600000, "mounts": [], )"
                      R"("left-out": [{"mountpoint": "/mnt/nfs", "type": "nfs4", "reason": "network"}], "hooks": []})");
  calls().freeze_errors["/"] = EOPNOTSUPP;
  Freeze();
  agent_.Advance(std::chrono::milliseconds(250));
  EXPECT_EQ(Report(), R"({"state": "frozen", "frozen": 1, "time-left-ms": 599750, "thaw-timeout-ms": 600000, )"
                      R"("frozen-ms": 250, "mounts": [)"
                      R"({"mountpoint": "/var", "type": "xfs", "result": "frozen", "duration-ms": 0}, )"
                      R"({"mountpoint": "/", "type": "ext4", "result": "unsupported", "duration-ms": 0}], )"
                      R"("left-out": [{"mountpoint": "/mnt/nfs", "type": "nfs4", "reason": "network"}], "hooks": []})");
  Thaw();
  EXPECT_THAT(Report(), HasSubstr(R"("state": "thawed", "frozen": 0, "thaw-timeout-ms": 600000, "frozen-ms": 250, )"
                                  R"("ended": "thawed")"));
}

// ---- trim

TEST_F(FsfreezePluginTest, TrimAnswersTheLastFirst) {
  Load();
  EXPECT_EQ(Call("guest-fstrim", R"({"minimum": 1024})").value,
            R"({"paths": [{"path": "/var", "trimmed": 4096, "minimum": 1024}, )"
            R"({"path": "/", "trimmed": 4096, "minimum": 1024}]})");
}

TEST_F(FsfreezePluginTest, TrimFailuresStandBesideTheOthers) {
  Load();
  calls().open_errors["/"] = EACCES;
  EXPECT_THAT(Call("guest-fstrim").value, HasSubstr(R"({"path": "/", "error": "failed to open: Permission denied"})"));
}

TEST_F(FsfreezePluginTest, CancelledTrimIsAnsweredAtOnceAndStops) {
  Load();
  stage_.trimming.is_immediate = false;
  const auto trim = agent_.Begin("guest-fstrim", "{}");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(trim->status, REEVE_ERROR_CANCELLED);
  stage_.trimming.DoOne();
  Turns();
  EXPECT_TRUE(calls().trims.empty());
}

TEST_F(FsfreezePluginTest, BadSettingsEndTheProcess) {
  stage_.settings = R"({"thaw-timeout": "soon"})";
  EXPECT_NE(agent_.Load(), REEVE_OK);
}

}  // namespace
}  // namespace reeve::fsfreeze
