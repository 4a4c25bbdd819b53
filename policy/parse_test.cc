#include "policy/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/sys.h"
#include "base/testing.h"
#include "policy/decide.h"

namespace reeve::policy {
namespace {

constexpr size_t kMaxTestFileBytes = 1 << 20;
const std::string kSource = REEVE_SOURCE_DIR;

std::string ReadSource(const std::string& path) {
  const auto text = sys::ReadFile(kSource + "/" + path, kMaxTestFileBytes);
  EXPECT_THAT(text, IsOk());
  return text.value_or("");
}

ProfileTexts Profiles() {
  ProfileTexts texts;
  for (size_t i = 0; i < texts.size(); i++) {
    texts[i] = {ProfileNames()[i] + ".yaml", ReadSource("policy/profiles/" + ProfileNames()[i] + ".yaml")};
  }
  return texts;
}

std::string Lines(const Diagnostics& diagnostics) {
  std::string lines;
  for (const Diagnostic& diagnostic : diagnostics) lines += diagnostic.ToString() + "\n";
  return lines;
}

Policy MustParse(const std::string& text) {
  auto policy = Parse({"p.yaml", text}, Profiles());
  EXPECT_TRUE(policy.has_value()) << Lines(policy.error()) << text;
  return policy ? *policy : Policy();
}

std::vector<std::string> Split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + separator.size()) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

// `standard.yaml:LINE(memory: 320 MiB)` becomes the place of that text, which moves as the profile grows.
std::string WithPlaces(std::string text) {
  const std::string mark = "standard.yaml:LINE(";
  const size_t begin = text.find(mark);
  if (begin == std::string::npos) return text;
  const size_t words = begin + mark.size();
  const size_t end = text.find(')', words);
  const std::string profile = ReadSource("policy/profiles/standard.yaml");
  const size_t place = profile.find(text.substr(words, end - words));
  EXPECT_NE(place, std::string::npos) << text;
  const auto line = 1 + std::count(profile.begin(), profile.begin() + static_cast<ptrdiff_t>(place), '\n');
  return text.replace(begin, end + 1 - begin, "standard.yaml:" + std::to_string(line));
}

// testdata/bad_policies.txt: policies, each followed by what is said of it.
TEST(PolicyParseTest, EachMistakeIsToldWithItsPlace) {
  const std::vector<std::string> cases = Split(ReadSource("policy/testdata/bad_policies.txt"), "====\n");
  EXPECT_GE(cases.size(), 60u);
  for (const std::string& text : cases) {
    const size_t divider = text.rfind("----\n");
    ASSERT_NE(divider, std::string::npos) << text;
    std::string expected;
    for (const std::string& line : Split(text.substr(divider + 5), "\n")) {
      if (!line.empty()) expected += "p.yaml:" + WithPlaces(line) + "\n";
    }
    const auto policy = Parse({"p.yaml", text.substr(0, divider)}, Profiles());
    ASSERT_FALSE(policy.has_value()) << text;
    EXPECT_EQ(Lines(policy.error()), expected) << text;
  }
}

TEST(PolicyParseTest, RefusesAFileAboveTheLimit) {
  const auto policy = Parse({"p.yaml", "schema: 1\n" + std::string(256 << 10, '#')}, Profiles());
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(Lines(policy.error()), "p.yaml:1:1: larger than 256 KiB\n");
}

TEST(PolicyParseTest, ManyBracketsAreRefusedAtOnce) {
  const auto policy = Parse({"p.yaml", "name: " + std::string(200'000, '[')}, Profiles());
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(policy.error().size(), 1u);
  const auto closed = Parse({"p.yaml", "name: " + std::string(50'000, '[') + std::string(50'000, ']')}, Profiles());
  ASSERT_FALSE(closed.has_value());
  EXPECT_EQ(Lines(closed.error()), "p.yaml:1:22: nested deeper than 16 levels\n");
}

TEST(PolicyParseTest, EveryExampleOfThePagesIsAPolicy) {
  size_t examples = 0;
  for (const char* page : {"policy/REFERENCE.md", "README.md"}) {
    for (const std::string& part : Split(ReadSource(page), "```")) {
      if (!part.starts_with("yaml\n")) continue;
      examples++;
      MustParse(part.substr(5));
    }
  }
  EXPECT_GE(examples, 8u);
}

TEST(PolicyParseTest, WhatIsShippedIsAPolicy) {
  for (const char* file : {"packaging/policy.yaml", "examples/run-policy.yaml"}) MustParse(ReadSource(file));
}

TEST(PolicyParseTest, WithoutProfileItIsStandard) {
  const Policy policy = MustParse("schema: 1\n");
  EXPECT_EQ(policy.profile, BaseProfile::kStandard);
  EXPECT_EQ(policy.default_origin.ToString(), "p.yaml:1");
  EXPECT_EQ(MustParse("schema: 1\nname: x\nprofile: minimal\n").default_origin.ToString(), "p.yaml:3");
}

bool Allows(const Policy& policy, std::string_view command) {
  return Decider::Create(policy)->Command({.channel = "c"}, {command, false}).is_allowed();
}

TEST(PolicyParseTest, StandardOpensLifeCycleAndClosesProgramsAndFiles) {
  const Policy policy = MustParse("schema: 1\n");
  for (const char* command : {"guest-info", "guest-fsfreeze-freeze", "guest-shutdown", "guest-set-user-password",
                              "guest-network-get-interfaces", "guest-set-vcpus", "guest-ssh-add-authorized-keys"}) {
    EXPECT_TRUE(Allows(policy, command)) << command;
  }
  for (const char* command : {"guest-exec", "guest-exec-status", "exec-run", "exec-kill", "guest-file-open",
                              "guest-file-read", "session-lock"}) {
    EXPECT_FALSE(Allows(policy, command)) << command;
  }
}

TEST(PolicyParseTest, MinimalRefusesFreezeAndOpenAllowsEverything) {
  EXPECT_FALSE(Allows(MustParse("schema: 1\nprofile: minimal\n"), "guest-fsfreeze-freeze"));
  const Policy open = MustParse("schema: 1\nprofile: open\n");
  EXPECT_TRUE(Allows(open, "anything"));
  const auto decider = Decider::Create(open);
  const std::vector<std::string> args = {"-c", "echo a\necho b"};
  const Decision decision = decider->Program({}, {.path = "sh", .args = args, .has_stdin = true});
  ASSERT_TRUE(decision.is_allowed());
  EXPECT_EQ(open.programs[decision.index].confine, Confinement::kUnconfined);
  EXPECT_EQ(open.programs[decision.index].timeout_ms, 0u);
  EXPECT_TRUE(open.programs[decision.index].inherits_environment);
  EXPECT_TRUE(decider->File({}, {"relative/file", 7}).is_allowed());
}

constexpr char kRule[] = "exec: {rules: {t: {run: /bin/true, as: nobody}}}\n";

TEST(PolicyParseTest, ARuleOpensItsCommandsUnlessTheyAreDenied) {
  const Policy policy = MustParse(std::string("schema: 1\n") + kRule);
  EXPECT_TRUE(Allows(policy, "guest-exec"));
  EXPECT_TRUE(Allows(policy, "guest-exec-status"));
  EXPECT_TRUE(Allows(policy, "exec-run"));
  EXPECT_TRUE(Allows(policy, "exec-kill"));
  EXPECT_FALSE(Allows(policy, "guest-file-open"));
  EXPECT_FALSE(Allows(MustParse(std::string("schema: 1\ncommands: {deny: ['guest-exec*']}\n") + kRule), "guest-exec"));
  EXPECT_FALSE(Allows(MustParse(std::string("schema: 1\ncommands: {deny: [guest-exec]}\n") + kRule), "exec-run"));
  EXPECT_TRUE(Allows(MustParse(std::string("schema: 1\nprofile: minimal\n") + kRule), "guest-exec"));
}

TEST(PolicyParseTest, ADirectoryOpensItsCommands) {
  const Policy policy = MustParse("schema: 1\nfiles: {directories: [{id: a, path: /srv, access: [read]}]}\n");
  EXPECT_TRUE(Allows(policy, "guest-file-seek"));
  EXPECT_FALSE(Allows(policy, "guest-exec"));
}

TEST(PolicyParseTest, RulesOfTheFileComeBeforeThoseOfTheProfile) {
  const Policy policy = MustParse(std::string("schema: 1\nprofile: open\n") + kRule);
  ASSERT_EQ(policy.programs.size(), 2u);
  EXPECT_EQ(policy.programs[0].name, "t");
  EXPECT_EQ(policy.programs[0].confine, Confinement::kService);
  EXPECT_EQ(policy.programs[0].origin.ToString(), "p.yaml:3");
}

TEST(PolicyParseTest, EveryConfinementHasAWord) {
  const Policy policy = MustParse(
      "schema: 1\nexec: {rules: {"
      "a: {run: /bin/a, confine: unconfined, reason: x}, b: {run: /bin/a, confine: admin, as: nobody}, "
      "c: {run: /bin/a, confine: service, as: nobody}, d: {run: /bin/a, confine: readonly, as: nobody}, "
      "e: {run: /bin/a, confine: sandboxed}, f: {run: /bin/a, confine: hook, as: root, reason: x}}}\n");
  ASSERT_EQ(policy.programs.size(), kConfinementCount);
  for (size_t i = 0; i < kConfinementCount; ++i) EXPECT_EQ(policy.programs[i].confine, static_cast<Confinement>(i));
}

TEST(PolicyParseTest, TheFilesGrantsStandOnTheProfiles) {
  const Policy policy = MustParse(
      "schema: 1\nplugins: {exec: {sandbox: {open-files: 99}}, new: {settings: {a: 1, b: 'x', c: [true, no]}}}\n");
  const auto find = [&](std::string_view name) { return std::ranges::find(policy.plugins, name, &PluginRules::name); };
  EXPECT_EQ(find("exec")->open_files, 99u);
  EXPECT_EQ(find("exec")->memory_bytes, 320u << 20);
  EXPECT_EQ(find("file")->file_bytes, UINT64_MAX);
  EXPECT_EQ(find("new")->settings_json, R"({"a": 1, "b": "x", "c": [true, "no"]})");
}

TEST(PolicyParseTest, ADeniedPluginIsOffWhateverElseIsSaid) {
  const Policy policy = MustParse("schema: 1\nplugins: {exec: {enable: true}}\ndeny: {plugins: [exec]}\n");
  EXPECT_FALSE(std::ranges::find(policy.plugins, "exec", &PluginRules::name)->is_enabled);
}

TEST(PolicyParseTest, ScalarsMeanWhatTheirPlaceSays) {
  const Policy policy = MustParse(
      "schema: 1\nname: no\nexec: {rules: {off: {run: /bin/x, as: nobody, args: [[{literal: 0777}, {literal: 1e3}, "
      "{literal: 'null'}]]}}}\n");
  EXPECT_EQ(policy.name, "no");
  EXPECT_EQ(policy.programs[0].args[0][0].text, "0777");
  EXPECT_EQ(policy.programs[0].args[0][1].text, "1e3");
}

TEST(PolicyParseTest, EachKeyReachesTheModel) {
  const Policy policy = MustParse(R"(schema: 1
audit: {sink: [stderr, "file:/var/log/a"], decisions: all}
limits: {deadline: 2min, deadlines: {guest-file-read: 500ms}}
sandbox-defaults: {landlock: {minimum: 2}, restart: {initial: 50ms, max: 30s, budget: 3 per 1min}}
channels: {b: {match: {unix-uid: 5}, commands: {deny: ["*"]}}}
exec:
  rules:
    r: {run: /bin/x, as: acme, timeout: 1h, output: 1 MiB, stdin: {max: 4 KiB}, env: {keep: [LANG], set: {A: b}}}
files:
  directories: [{id: d, path: /srv, access: [read, create], as: acme, max-file: 1 GiB, symlinks: within}]
)");
  EXPECT_EQ(policy.audit.decisions, AuditRules::Decisions::kAll);
  EXPECT_THAT(policy.audit.sinks, testing::ElementsAre("stderr", "file:/var/log/a"));
  EXPECT_EQ(policy.max_deadline_ms, 120'000u);
  EXPECT_EQ(policy.command_deadline_ms.at("guest-file-read"), 500u);
  EXPECT_EQ(policy.landlock_minimum, 2u);
  EXPECT_EQ(policy.restart.initial_ms, 50u);
  EXPECT_EQ(policy.restart.max_ms, 30'000u);
  EXPECT_EQ(policy.restart.budget, 3u);
  EXPECT_EQ(policy.restart.period_ms, 60'000u);
  EXPECT_EQ(policy.channels[0].match_unix_uid, 5u);
  const ProgramRule& rule = policy.programs[0];
  EXPECT_EQ(rule.as.name, "acme");
  EXPECT_EQ(rule.timeout_ms, 3'600'000u);
  EXPECT_EQ(rule.output_bytes, 1u << 20);
  EXPECT_TRUE(rule.allows_stdin);
  EXPECT_EQ(rule.stdin_max_bytes, 4096u);
  EXPECT_EQ(rule.env_set.at("A"), "b");
  const FileDirectory& directory = policy.directories[0];
  EXPECT_EQ(directory.access, 5);
  EXPECT_EQ(directory.max_file_bytes, 1u << 30);
  EXPECT_TRUE(directory.follows_symlinks_within);
}

}  // namespace
}  // namespace reeve::policy
