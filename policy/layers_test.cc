#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys.h"
#include "base/testing.h"
#include "policy/decide.h"
#include "policy/parse.h"

namespace reeve::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr size_t kMaxProfileBytes = 1 << 20;

ProfileTexts Profiles() {
  ProfileTexts texts;
  for (size_t i = 0; i < texts.size(); i++) {
    const std::string path = std::string(REEVE_SOURCE_DIR "/policy/profiles/") + ProfileNames()[i] + ".yaml";
    texts[i] = {ProfileNames()[i] + ".yaml", *sys::ReadFile(path, kMaxProfileBytes)};
  }
  return texts;
}

// Layers "1.yaml", "2.yaml", ..., from the lowest; each text begins on line 2.
std::vector<PolicyText> Layers(const std::vector<std::string>& texts) {
  std::vector<PolicyText> layers;
  for (const std::string& text : texts) {
    layers.push_back({std::to_string(layers.size() + 1) + ".yaml", "schema: 1\n" + text});
  }
  return layers;
}

struct Read {
  Policy policy;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

Read ReadLayers(const std::vector<std::string>& texts) {
  Read read;
  Diagnostics warnings;
  auto policy = ParseLayers(Layers(texts), Profiles(), warnings);
  for (const Diagnostic& warning : warnings) read.warnings.push_back(warning.ToString());
  if (policy) {
    read.policy = std::move(*policy);
  } else {
    for (const Diagnostic& error : policy.error()) read.errors.push_back(error.ToString());
  }
  return read;
}

Policy MustRead(const std::vector<std::string>& texts) {
  Read read = ReadLayers(texts);
  EXPECT_THAT(read.errors, IsEmpty());
  return std::move(read.policy);
}

TEST(PolicyLayersTest, RulesOfPluginsMergeByNameAndAreSwitchedOff) {
  const std::string below =
      "plugins: {s: {programs: {a: {run: /bin/a, as: daemon}, b: {run: helper-b, as: daemon}}, "
      "directories: [{id: x, path: /x, access: [read]}, {id: y, path: /y, access: [read]}]}}\n";
  const Policy policy =
      MustRead({below, "plugins: {s: {programs: {a: {timeout: 5s}, b: {enable: false}}, -directories: [{id: x}]}}\n"});
  ASSERT_EQ(policy.plugins.front().programs.size(), 1u);
  const ProgramRule& rule = policy.plugins.front().programs[0];
  EXPECT_EQ(rule.name, "a");
  EXPECT_EQ(rule.run, "/bin/a");
  EXPECT_EQ(rule.timeout_ms, 5000u);
  EXPECT_EQ(rule.origin.ToString(), "1.yaml:2");
  ASSERT_EQ(policy.plugins.front().directories.size(), 1u);
  EXPECT_EQ(policy.plugins.front().directories[0].id, "y");
  EXPECT_TRUE(policy.programs.empty() && policy.directories.empty());
}

std::string CommandAnswer(const Policy& policy, std::string_view command) {
  const Decision decision = Decider::Create(policy)->Command({.channel = "c"}, {command, false});
  return (decision.is_allowed() ? "allow " : "deny ") + decision.rule + " " + decision.origin.ToString();
}

TEST(PolicyLayersTest, WithoutAnyItIsStandard) {
  const Policy policy = MustRead({});
  EXPECT_EQ(policy.profile, BaseProfile::kStandard);
  EXPECT_EQ(policy.default_origin.ToString(), "standard.yaml:1");
}

TEST(PolicyLayersTest, TheHighestWordForTheProfileHolds) {
  const Policy policy = MustRead({"profile: open", "profile: minimal", "name: x"});
  EXPECT_EQ(policy.profile, BaseProfile::kMinimal);
  EXPECT_EQ(policy.default_origin.ToString(), "2.yaml:2");
  EXPECT_TRUE(policy.programs.empty());
  EXPECT_EQ(MustRead({"name: a", "name: b"}).default_origin.ToString(), "2.yaml:1");
}

TEST(PolicyLayersTest, ADenyOfALowerLayerHoldsUnlessAHigherReplacesTheList) {
  const std::string low = "commands: {deny: [guest-shutdown]}";
  EXPECT_EQ(CommandAnswer(MustRead({low, "commands: {allow: [x]}"}), "guest-shutdown"), "deny commands.deny 1.yaml:2");
  EXPECT_EQ(CommandAnswer(MustRead({low, "commands: {+deny: [x]}"}), "guest-shutdown"), "deny commands.deny 1.yaml:2");
  EXPECT_EQ(CommandAnswer(MustRead({low, "commands: {+deny: [x]}"}), "x"), "deny commands.deny 2.yaml:2");
  EXPECT_EQ(CommandAnswer(MustRead({low, "commands: {deny: [x]}"}), "guest-shutdown"),
            "allow profile.allow standard.yaml:38");
  EXPECT_EQ(CommandAnswer(MustRead({low, "commands: {-deny: [guest-shutdown]}"}), "guest-shutdown"),
            "allow profile.allow standard.yaml:38");
}

TEST(PolicyLayersTest, ARuleMayBeWrittenInTwoFiles) {
  const std::string low = "exec:\n  rules:\n    r:\n      run: /bin/r\n      args: [[{literal: a}]]\n      as: nobody";
  const Policy policy = MustRead({low, "exec: {rules: {r: {timeout: 5s}, s: {run: /bin/s, as: nobody}}}"});
  ASSERT_EQ(policy.programs.size(), 2u);
  EXPECT_EQ(policy.programs[0].name, "r");
  EXPECT_EQ(policy.programs[0].timeout_ms, 5000u);
  EXPECT_EQ(policy.programs[0].origin.ToString(), "1.yaml:6");
  EXPECT_EQ(policy.programs[1].origin.ToString(), "2.yaml:2");
  const Policy other = MustRead({low, "exec: {rules: {r: {+args: [[{literal: b}]]}}}"});
  EXPECT_EQ(other.programs[0].args.size(), 2u);
}

TEST(PolicyLayersTest, WhatAllLayersTogetherLackIsAMistake) {
  const std::string part = "exec: {rules: {r: {confine: unconfined, timeout: 5s}}}";
  EXPECT_THAT(ReadLayers({"name: x", part}).errors,
              ElementsAre("2.yaml:2:16: confine: unconfined needs a 'reason'", "2.yaml:2:19: a rule needs 'run'"));
  EXPECT_THAT(ReadLayers({"exec: {rules: {r: {run: /bin/r, reason: x}}}", part}).errors, IsEmpty());
}

TEST(PolicyLayersTest, AMistakeCountsAlsoWhereAHigherLayerReplacesIt) {
  const Read read = ReadLayers({"name: [x]\nprofile: opne\ncommands: {allow: guest-info}", "name: y\nprofile: open",
                                "commands: {allow: []}\nbad: 1"});
  EXPECT_THAT(read.errors, ElementsAre("1.yaml:2:7: name must be a word, not a list",
                                       HasSubstr("1.yaml:3:10: profile must be one of"),
                                       "1.yaml:4:19: commands.allow must be a list, not a word",
                                       HasSubstr("3.yaml:3:1: unknown key 'bad'")));
}

TEST(PolicyLayersTest, MistakesInFormsAreFoundInEachLayer) {
  const Read read = ReadLayers({"commands: {+allow: ['a b']}", "commands: {-deny: [guest-ping]}"});
  EXPECT_THAT(read.errors, ElementsAre("1.yaml:2:21: 'a b' is no command's name or pattern with '*'",
                                       "2.yaml:2:20: 'guest-ping' can never be denied"));
}

TEST(PolicyLayersTest, EveryLayerSaysItsSchema) {
  Diagnostics warnings;
  const auto policy =
      ParseLayers({{"a", "schema: 1\n"}, {"b", "name: x\n"}, {"c", "schema: 2\n"}}, Profiles(), warnings);
  ASSERT_FALSE(policy.has_value());
  ASSERT_EQ(policy.error().size(), 2u);
  EXPECT_EQ(policy.error()[0].ToString(), "b:1:1: a policy needs 'schema'");
  EXPECT_EQ(policy.error()[1].ToString(), "c:1:9: schema must be 1");
}

TEST(PolicyLayersTest, GrantsAddToThoseOfTheProfile) {
  const auto exec_of = [](const Policy& policy) {
    return *std::ranges::find(policy.plugins, std::string("exec"), &PluginRules::name);
  };
  const PluginRules alone = exec_of(MustRead({}));
  EXPECT_TRUE(alone.is_of_profile);
  const PluginRules more = exec_of(MustRead({"plugins: {exec: {sandbox: {+promises: [rpath], tasks: 3}}}"}));
  EXPECT_FALSE(more.is_of_profile);
  EXPECT_EQ(more.memory_bytes, alone.memory_bytes);
  EXPECT_EQ(more.tasks, 3u);
  EXPECT_THAT(more.promises, ElementsAre("rpath"));
  EXPECT_EQ(exec_of(MustRead({"plugins:\n  exec:\n    enable: false"})).origin.ToString(), "1.yaml:4");
}

TEST(PolicyLayersTest, SettingsMergeTheirLists) {
  const Policy policy = MustRead({"plugins: {x: {settings: {exclude: [tmpfs], a: {b: 1}}}}",
                                  "plugins: {x: {settings: {+exclude: [nfs], a: {c: true}}}}"});
  const auto x = std::ranges::find(policy.plugins, std::string("x"), &PluginRules::name);
  EXPECT_EQ(x->settings_json, R"({"exclude": ["tmpfs", "nfs"], "a": {"c": true, "b": 1}})");
}

TEST(PolicyLayersTest, ChannelsOfTwoFilesAreOne) {
  const Policy policy = MustRead({"channels: {c: {commands: {deny: [guest-info]}}}",
                                  "channels: {c: {match: {unix-uid: 7}, commands: {+deny: [guest-shutdown]}}}"});
  ASSERT_EQ(policy.channels.size(), 1u);
  EXPECT_EQ(policy.channels[0].match_unix_uid, 7u);
  EXPECT_EQ(policy.channels[0].commands.deny.size(), 2u);
}

TEST(PolicyLayersTest, AMinusThatTakesNothingIsWarnedOf) {
  const Read read = ReadLayers({"commands: {-allow: [guest-shutdown]}"});
  EXPECT_THAT(read.errors, IsEmpty());
  EXPECT_THAT(read.warnings, ElementsAre("1.yaml:2:21: '-allow' takes nothing off: no file below this one has "
                                         "'guest-shutdown' in the list"));
}

}  // namespace
}  // namespace reeve::policy
