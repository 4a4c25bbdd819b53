#include "agent/core/command_table.h"

#include "base/testing.h"

namespace reeve::core {
namespace {

config::CommandSpec Spec(const std::string& name, uint32_t deadline_ms = 0, uint32_t flags = 0) {
  config::CommandSpec spec;
  spec.name = name;
  spec.deadline_ms = deadline_ms;
  spec.flags = flags;
  return spec;
}

config::Config TwoPlugins() {
  config::Config config;
  config.plugins.resize(2);
  config.plugins[0].name = "core";
  config.plugins[0].commands = {Spec("guest-ping"), Spec("guest-info")};
  config.plugins[1].name = "exec";
  config.plugins[1].commands = {Spec("guest-exec", 5000), Spec("guest-ping", 1)};
  return config;
}

TEST(CommandTableTest, FindsACommandWithItsPluginAndPlace) {
  const config::Config config = TwoPlugins();
  const CommandTable table(config);
  const Command* command = table.Find("guest-exec");
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->plugin->name, "exec");
  EXPECT_EQ(command->plugin_index, 1u);
  EXPECT_EQ(command->command_index, 0u);
  EXPECT_FALSE(command->is_own());
  EXPECT_TRUE(table.Find("guest-ping")->is_own());
}

TEST(CommandTableTest, KnowsNoOtherSpelling) {
  const config::Config config = TwoPlugins();
  const CommandTable table(config);
  EXPECT_EQ(table.Find("Guest-Ping"), nullptr);
  EXPECT_EQ(table.Find(""), nullptr);
  EXPECT_EQ(table.Find("guest-pin"), nullptr);
}

TEST(CommandTableTest, LaterPluginCannotTakeOverACommand) {
  const config::Config config = TwoPlugins();
  const CommandTable table(config);
  EXPECT_EQ(table.Find("guest-ping")->plugin_index, kOwnPlugin);
  EXPECT_EQ(table.all().size(), 3u);
}

TEST(EffectiveDeadlineTest, PolicyLowersAndNeverLengthens) {
  policy::Policy policy;
  EXPECT_EQ(EffectiveDeadlineMs(Spec("a", 5000), policy), 5000u);
  policy.command_deadline_ms["a"] = 9000;
  EXPECT_EQ(EffectiveDeadlineMs(Spec("a", 5000), policy), 5000u);
  policy.command_deadline_ms["a"] = 3000;
  EXPECT_EQ(EffectiveDeadlineMs(Spec("a", 5000), policy), 3000u);
  policy.max_deadline_ms = 2000;
  EXPECT_EQ(EffectiveDeadlineMs(Spec("a", 5000), policy), 2000u);
  EXPECT_EQ(EffectiveDeadlineMs(Spec("b", 0), policy), 2000u);
}

TEST(EffectiveDeadlineTest, ThawKeepsNone) {
  policy::Policy policy;
  policy.max_deadline_ms = 1000;
  EXPECT_EQ(EffectiveDeadlineMs(Spec("guest-fsfreeze-thaw", 0, config::kNeverDeniable), policy), 0u);
}

}  // namespace
}  // namespace reeve::core
