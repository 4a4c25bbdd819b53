#include "agent/config/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/config_check.h"
#include "agent/config/effective_sandbox.h"
#include "base/testing.h"
#include "policy/decide.h"

namespace reeve::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

CommandSpec Command(std::string name, uint32_t flags = 0) {
  return {std::move(name), ArgumentCheck::kNone, flags, 60'000, 0};
}

ManifestFile PluginFile(const std::string& name, std::vector<CommandSpec> commands) {
  ManifestFile file;
  file.manifest.name = name;
  file.manifest.id = "org.reeve." + name;
  file.manifest.types.emplace_back().kind = TypeSpec::Kind::kObject;
  file.manifest.commands = std::move(commands);
  if (name != "core") file.library_path = "/lib/" + name + ".so";
  return file;
}

Assembly Parts() {
  Assembly parts;
  parts.manifests = {PluginFile("core", {Command("guest-ping", kNeverDeniable)}),
                     PluginFile("exec", {Command("guest-exec")})};
  parts.policy.default_origin = {"/etc/reeve/policy.yaml", 1};
  return parts;
}

Config MustAssemble(Assembly parts) {
  auto config = Assemble(std::move(parts));
  EXPECT_TRUE(config.has_value()) << (config ? "" : config.error()[0]);
  return config ? *config : Config();
}

TEST(AssembleTest, TheDefaultChannelIsTheVirtioPort) {
  const Config config = MustAssemble(Parts());
  ASSERT_EQ(config.channels.size(), 2u);
  EXPECT_EQ(config.channels[0].transport, Transport::kVirtioSerial);
  EXPECT_EQ(config.channels[0].path, kDefaultPort);
  EXPECT_THAT(Check(config), IsOk());
}

TEST(AssembleTest, TheCommandLineNamesTheOneChannel) {
  Assembly parts = Parts();
  parts.settings.channels = {{.name = "a", .path = "/a"}};
  EXPECT_EQ(MustAssemble(parts).channels[0].name, "a");
  parts.command_line.method = "unix-listen";
  parts.command_line.path = "/run/x.sock";
  const Config config = MustAssemble(parts);
  ASSERT_EQ(config.channels.size(), 2u);
  EXPECT_EQ(config.channels[0].path, "/run/x.sock");
  EXPECT_THAT(config.warnings, Contains(HasSubstr("channels of reeve.yaml are not served")));
}

TEST(AssembleTest, ASocketOfTheServiceManagerIsTheChannel) {
  Assembly parts = Parts();
  parts.command_line.activated_fd = 64;
  const Config config = MustAssemble(parts);
  EXPECT_EQ(config.channels[0].transport, Transport::kActivated);
  EXPECT_EQ(config.channels[0].path, "64");
}

TEST(AssembleTest, AddsTheControlSocketForRootBehindAllOthers) {
  Assembly parts = Parts();
  parts.command_line.run_directory = "/run/other";
  const Config config = MustAssemble(parts);
  const Channel& control = config.channels.back();
  EXPECT_EQ(control.name, kControlChannel);
  EXPECT_EQ(control.protocol, Protocol::kReeve);
  EXPECT_EQ(control.transport, Transport::kUnixListen);
  EXPECT_EQ(control.path, "/run/other/control");
  EXPECT_EQ(control.socket_mode, 0600u);
}

TEST(AssembleTest, GivesThePathOfTheControlSocketToNoOtherChannel) {
  Assembly parts = Parts();
  parts.settings.channels = {{.name = "a", .transport = Transport::kUnixListen, .path = "/run/reeve/control"}};
  EXPECT_THAT(Assemble(parts).error(), Contains(HasSubstr("reevectl's socket")));
}

TEST(AssembleTest, GoesWithoutAControlSocketWhereItsPathIsTooLong) {
  Assembly parts = Parts();
  parts.command_line.run_directory = "/" + std::string(100, 'x');
  const Config config = MustAssemble(parts);
  EXPECT_EQ(config.channels.size(), 1u);
  EXPECT_THAT(config.warnings, Contains(HasSubstr("reevectl cannot reach the agent")));
}

TEST(AssembleTest, CarriesALineTheHookAndWhatGuestInfoSays) {
  Assembly parts = Parts();
  parts.command_line.method = "isa-serial";
  parts.command_line.fsfreeze_hook = "/etc/qemu/fsfreeze-hook";
  parts.settings.guest_info_version = "8.2.0";
  const Config config = MustAssemble(parts);
  EXPECT_EQ(config.channels[0].transport, Transport::kIsaSerial);
  EXPECT_EQ(config.channels[0].path, kDefaultTerminal);
  EXPECT_EQ(config.fsfreeze_hook, "/etc/qemu/fsfreeze-hook");
  EXPECT_EQ(config.guest_info_version, "8.2.0");
}

TEST(AssembleTest, RefusesABadChannelOnTheCommandLine) {
  Assembly parts = Parts();
  parts.command_line.method = "smoke";
  EXPECT_THAT(Assemble(parts).error(), Contains(HasSubstr("smoke is none that is known")));
  parts.command_line.method = "unix-listen";
  EXPECT_THAT(Assemble(parts).error(), ElementsAre("--method unix-listen needs --path"));
  parts.command_line.method = "vsock-listen";
  parts.command_line.path = "x";
  EXPECT_THAT(Assemble(parts).error(), Contains(HasSubstr("must be CID:PORT")));
}

TEST(AssembleTest, EachProcessHasItsOwnUid) {
  Assembly parts = Parts();
  parts.manifests.push_back(PluginFile("file", {}));
  const Config config = MustAssemble(parts);
  EXPECT_EQ(config.core.uid, 78000u);
  EXPECT_EQ(config.log_process.uid, 78001u);
  EXPECT_EQ(config.plugins[0].sandbox.uid, 0u);  // the core's own commands have no worker
  EXPECT_EQ(config.plugins[1].sandbox.uid, 78002u);
  EXPECT_EQ(config.plugins[2].sandbox.uid, 78003u);
}

TEST(AssembleTest, RefusesMorePluginsThanUids) {
  Assembly parts = Parts();
  parts.settings.uid_count = 2;
  EXPECT_THAT(Assemble(parts).error(), ElementsAre("uid-range has no number left for plugin exec"));
}

TEST(AssembleTest, SandboxedProgramsHaveTheRangesLastNumbersWhenARuleWantsThem) {
  Assembly parts = Parts();
  EXPECT_EQ(MustAssemble(parts).program_uid_count, 0u);
  parts.policy.programs.emplace_back().confine = policy::Confinement::kSandboxed;
  const Config config = MustAssemble(parts);
  EXPECT_EQ(config.program_uid_count, 32u);
  EXPECT_EQ(config.first_program_uid, 78224u);
  parts.settings.uid_count = 5;
  EXPECT_EQ(MustAssemble(parts).first_program_uid, 78003u);  // after core, log and the one plugin
  EXPECT_EQ(MustAssemble(parts).program_uid_count, 2u);
}

TEST(AssembleTest, RefusesSandboxedProgramsWithoutANumber) {
  Assembly parts = Parts();
  parts.policy.programs.emplace_back().confine = policy::Confinement::kSandboxed;
  parts.settings.uid_count = 3;
  EXPECT_THAT(Assemble(parts).error(), ElementsAre(HasSubstr("no number left for sandboxed programs")));
}

TEST(AssembleTest, RefusesACommandOfTwoPlugins) {
  Assembly parts = Parts();
  parts.manifests.push_back(PluginFile("twin", {Command("guest-exec")}));
  EXPECT_THAT(Assemble(parts).error(), ElementsAre("command guest-exec is declared by plugin exec and by plugin twin"));
}

TEST(AssembleTest, APolicyForAPluginThatIsNotThereIsAMistakeUnlessItIsOff) {
  Assembly parts = Parts();
  policy::PluginRules rules;
  rules.name = "exce";
  rules.origin = {"/etc/reeve/policy.yaml", 5};
  parts.policy.plugins = {rules};
  EXPECT_THAT(Assemble(parts).error(),
              ElementsAre("/etc/reeve/policy.yaml:5: no plugin 'exce' is installed; did you mean 'exec'?"));
  parts.policy.plugins[0].is_enabled = false;
  MustAssemble(parts);
}

TEST(AssembleTest, PolicyLowersDeadlinesAndSwitchesPluginsOff) {
  Assembly parts = Parts();
  policy::PluginRules rules;
  rules.name = "exec";
  rules.is_enabled = false;
  rules.origin = {"p", 7};
  parts.policy.plugins = {rules};
  parts.policy.max_deadline_ms = 90'000;
  EXPECT_EQ(MustAssemble(parts).plugins[1].commands[0].deadline_ms, 60'000u);
  parts.policy.command_deadline_ms["guest-exec"] = 500;
  const Config config = MustAssemble(parts);
  EXPECT_EQ(config.plugins[1].commands[0].deadline_ms, 500u);
  EXPECT_FALSE(config.plugins[1].is_enabled);
  EXPECT_EQ(config.plugins[1].disabled_reason, "plugin disabled in p:7");
}

bool Allows(const Config& config, std::string_view command) {
  return policy::Decider::Create(config.policy)->Command({.channel = "default"}, {command, false}).is_allowed();
}

TEST(AssembleTest, TheWorkerThatOpensFilesIsHeldToTheLargestMaxFile) {
  Assembly parts = Parts();
  CommandSpec open = Command("guest-file-open");
  open.check = ArgumentCheck::kFile;
  parts.manifests.push_back(PluginFile("file", {open}));
  for (ManifestFile& file : parts.manifests) file.manifest.sandbox.limits.file_bytes = 8 << 20;
  const auto limit_of = [](const Config& config, size_t plugin) {
    return config.plugins[plugin].sandbox.limits.file_bytes;
  };
  policy::FileDirectory directory;
  directory.id = "a";
  directory.path = "/srv/a";
  directory.max_file_bytes = 4096;
  parts.policy.directories = {directory};
  directory.path = "/srv/b";
  directory.max_file_bytes = 65536;
  parts.policy.directories.push_back(directory);
  EXPECT_EQ(limit_of(MustAssemble(parts), 2), 65536u);
  EXPECT_EQ(limit_of(MustAssemble(parts), 1), 8u << 20);  // opens nothing
  parts.policy.directories[0].max_file_bytes = 0;
  EXPECT_EQ(limit_of(MustAssemble(parts), 2), 8u << 20);
}

TEST(AssembleTest, TheListsOfTheCommandLineOnlyNarrow) {
  Assembly parts = Parts();
  parts.policy.commands.allow = {{"guest-exec", {}}};
  EXPECT_TRUE(Allows(MustAssemble(parts), "guest-exec"));
  parts.command_line.blocked_commands = {"guest-exec"};
  EXPECT_FALSE(Allows(MustAssemble(parts), "guest-exec"));
  parts.command_line.blocked_commands.clear();
  parts.command_line.allowed_commands = {"guest-file-open"};
  const Config config = MustAssemble(parts);
  EXPECT_FALSE(Allows(config, "guest-exec"));
  EXPECT_FALSE(Allows(config, "guest-file-open"));
  EXPECT_THAT(config.warnings, ElementsAre("--allow-rpcs lists guest-file-open, which is no command here"));
}

TEST(AssembleTest, ABlockListClosesSyncAndPingAnAllowListDoesNotAndNeitherAThaw) {
  Assembly parts = Parts();
  parts.manifests.push_back(PluginFile("fsfreeze", {Command("guest-fsfreeze-thaw", kNeverDeniable)}));
  const auto denied = [](Assembly made) {
    std::vector<std::string> names;
    for (const policy::NamePattern& deny : MustAssemble(std::move(made)).policy.commands.deny)
      names.push_back(deny.pattern);
    return names;
  };
  parts.command_line.blocked_commands = {"guest-ping", "guest-fsfreeze-thaw"};
  EXPECT_THAT(denied(parts), ElementsAre("guest-ping"));
  parts.command_line.blocked_commands.clear();
  parts.command_line.allowed_commands = {"guest-nothing"};
  EXPECT_THAT(denied(parts), ElementsAre("guest-exec"));
}

TEST(AssembleTest, ABlockedNameThatIsNoCommandIsTold) {
  Assembly parts = Parts();
  parts.command_line.blocked_commands = {"guest-exec", "", "guest-exec;guest-ping"};
  EXPECT_THAT(MustAssemble(parts).warnings,
              ElementsAre("--block-rpcs lists guest-exec;guest-ping, which is no command here"));
}

TEST(AssembleTest, AVainAllowOfTheCommandLineIsToldWithTheRuleThatRefuses) {
  Assembly parts = Parts();
  parts.command_line.allowed_commands = {"guest-ping", "guest-exec"};
  EXPECT_THAT(
      MustAssemble(parts).warnings,
      ElementsAre("--allow-rpcs lists guest-exec, which policy rule 'default' in /etc/reeve/policy.yaml:1 refuses; "
                  "it is not opened"));
}

TEST(AssembleTest, OpenSaysSoAtEachStart) {
  Assembly parts = Parts();
  parts.policy.profile = policy::BaseProfile::kOpen;
  EXPECT_THAT(MustAssemble(parts).warnings, Contains(HasSubstr("policy open: ")));
}

Manifest Greedy() {
  Manifest manifest;
  manifest.name = "greedy";
  SandboxRequest& request = manifest.sandbox;
  request.promises = {policy::Promise::kThreads, policy::Promise::kReadPath};
  request.paths = {{"/sys/class", policy::PathAccess::kRead}, {"/etc", policy::PathAccess::kReadWrite}};
  request.capabilities = uint64_t{1} << 25 | uint64_t{1} << 21;
  request.inherited = {{policy::InheritedFd::Kind::kMountinfo, "mountinfo", "", 0600},
                       {policy::InheritedFd::Kind::kProcFile, "proc:stat", "stat", 0600}};
  request.limits.data_bytes = 1 << 30;
  request.limits.open_files = 32;
  request.wants_host_net = true;
  return manifest;
}

TEST(EffectiveSandboxTest, WithoutAGrantThereIsOnlyTheBase) {
  const EffectiveSandbox effective = Intersect(Greedy(), nullptr, 3);
  const policy::SandboxProfile& profile = effective.profile;
  EXPECT_EQ(profile.capabilities, 0u);
  EXPECT_TRUE(profile.paths.empty());
  EXPECT_TRUE(profile.inherited.empty());
  EXPECT_FALSE(profile.has_host_net);
  EXPECT_THAT(profile.promises, ElementsAre(policy::Promise::kStdio, policy::Promise::kThreads));
  EXPECT_EQ(profile.limits.data_bytes, policy::ResourceLimits().data_bytes);
  EXPECT_EQ(profile.limits.open_files, 32u);
  EXPECT_EQ(profile.landlock_minimum, 3u);
  EXPECT_EQ(effective.not_granted.size(), 8u);
}

TEST(EffectiveSandboxTest, WhatBothNameIsGivenAndNoMore) {
  policy::PluginRules rules;
  rules.promises = {"rpath", "set-clock"};
  rules.paths = {{"read", "/sys"}, {"read", "/etc"}};
  rules.capabilities = {"SYS_TIME", "SYS_BOOT"};
  rules.inherit = {"proc:stat", "system-bus"};
  rules.memory_bytes = 128 << 20;
  rules.open_files = 512;
  rules.namespaces = {"host-net", "host-uts"};
  const EffectiveSandbox effective = Intersect(Greedy(), &rules, 0);
  const policy::SandboxProfile& profile = effective.profile;
  EXPECT_EQ(profile.capabilities, uint64_t{1} << 25);
  ASSERT_EQ(profile.paths.size(), 1u);
  EXPECT_EQ(profile.paths[0].path, "/sys/class");
  ASSERT_EQ(profile.inherited.size(), 1u);
  EXPECT_EQ(profile.inherited[0].name, "proc:stat");
  EXPECT_TRUE(profile.has_host_net);
  EXPECT_FALSE(profile.has_host_uts);
  EXPECT_EQ(profile.promises.size(), 3u);
  EXPECT_EQ(profile.limits.data_bytes, 128u << 20);
  EXPECT_EQ(profile.limits.open_files, 32u);
  EXPECT_THAT(effective.not_granted, ElementsAre("read-write /etc", "capabilities SYS_ADMIN", "inherit mountinfo",
                                                 "memory 1073741824 (granted: 134217728)"));
}

TEST(EffectiveSandboxTest, OnlyTheFreezersWorkerOutlivesTheWarden) {
  EXPECT_TRUE(Intersect(Greedy(), nullptr, 0).profile.dies_with_parent);
  Manifest manifest;
  manifest.sandbox.promises = {policy::Promise::kFreeze};
  policy::PluginRules rules;
  rules.promises = {"freeze"};
  const policy::SandboxProfile profile = Intersect(manifest, &rules, 0).profile;
  EXPECT_FALSE(profile.dies_with_parent);
  EXPECT_TRUE(profile.locks_memory);
  EXPECT_GE(profile.limits.locked_bytes, profile.limits.data_bytes);
}

}  // namespace
}  // namespace reeve::config
