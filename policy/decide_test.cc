#include "policy/decide.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace reeve::policy {
namespace {

constexpr FileAccessMask kRead = static_cast<FileAccessMask>(FileAccess::kRead);
constexpr FileAccessMask kWrite = static_cast<FileAccessMask>(FileAccess::kWrite);
constexpr FileAccessMask kCreate = static_cast<FileAccessMask>(FileAccess::kCreate);
const Caller kCaller = {.channel = "default"};

NamePattern Pattern(std::string pattern, uint32_t line = 1) {
  return {std::move(pattern), {"p.yaml", line}};
}

Policy StandardLike() {
  Policy policy;
  policy.default_origin = {"p.yaml", 3};
  policy.profile_commands.allow = {Pattern("guest-info"), Pattern("guest-get-osinfo"), Pattern("guest-exec")};
  return policy;
}

Decision CommandOf(const Policy& policy, std::string_view command, const Caller& caller = kCaller, bool never = false) {
  return Decider::Create(policy)->Command(caller, {command, never});
}

Decision ProgramOf(const Policy& policy, std::string_view path, const std::vector<std::string>& args = {}) {
  return Decider::Create(policy)->Program(kCaller, {.path = path, .args = args, .env = {}});
}

Decision FileOf(const Policy& policy, std::string_view path, FileAccessMask access = kRead) {
  return Decider::Create(policy)->File(kCaller, {path, access});
}

TEST(DecideCommandTest, WhatNoRuleAllowsIsRefusedByDefault) {
  const Decision decision = CommandOf(StandardLike(), "guest-set-time");
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(decision.rule, "default");
  EXPECT_EQ(CommandRefusal("guest-set-time", decision),
            "Command guest-set-time has been disabled: policy rule 'default' in p.yaml:3");
}

TEST(DecideCommandTest, AnEmptyPolicyAllowsOnlyTheNeverDeniable) {
  EXPECT_FALSE(CommandOf(Policy(), "guest-info").is_allowed());
  EXPECT_TRUE(CommandOf(Policy(), "guest-ping", kCaller, true).is_allowed());
}

TEST(DecideCommandTest, NoPatternDeniesTheNeverDeniable) {
  Policy policy;
  policy.commands.deny = {Pattern("*"), Pattern("guest-*")};
  policy.profile_commands.deny = {Pattern("guest-ping")};
  EXPECT_TRUE(CommandOf(policy, "guest-ping", kCaller, true).is_allowed());
}

TEST(DecideCommandTest, TheNeverDeniableIsClosedByItsOwnName) {
  Policy policy = StandardLike();
  policy.commands.allow = {Pattern("guest-ping")};
  policy.commands.deny = {Pattern("guest-sync", 6), Pattern("guest-ping", 7)};
  const Decision decision = CommandOf(policy, "guest-ping", kCaller, true);
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(decision.origin.line, 7u);
}

TEST(DecideCommandTest, DenyBeatsAllowOfOneSpecificity) {
  Policy policy = StandardLike();
  policy.commands.allow = {Pattern("guest-set-time")};
  policy.commands.deny = {Pattern("guest-set-time", 7)};
  const Decision decision = CommandOf(policy, "guest-set-time");
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(decision.rule, "commands.deny");
  EXPECT_EQ(decision.origin.line, 7u);
}

TEST(DecideCommandTest, AMoreSpecificAllowOfTheSameSectionBeatsAPattern) {
  Policy policy = StandardLike();
  policy.commands.deny = {Pattern("guest-*")};
  policy.commands.allow = {Pattern("guest-set-time"), Pattern("*")};
  EXPECT_TRUE(CommandOf(policy, "guest-set-time").is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-set-vcpus").is_allowed());
}

TEST(DecideCommandTest, APatternOfTheAdministratorBeatsEveryNameOfTheProfile) {
  Policy policy = StandardLike();
  policy.commands.deny = {Pattern("guest-get-*")};
  EXPECT_FALSE(CommandOf(policy, "guest-get-osinfo").is_allowed());
  EXPECT_TRUE(CommandOf(policy, "guest-info").is_allowed());
}

TEST(DecideCommandTest, AChannelNarrowsAndWidensOnlyItself) {
  Policy policy = StandardLike();
  ChannelRules backup;
  backup.name = "backup";
  backup.commands.allow = {Pattern("guest-fsfreeze-*")};
  backup.commands.deny = {Pattern("*")};
  policy.channels = {backup};
  const Caller caller = {.channel = "backup"};
  EXPECT_TRUE(CommandOf(policy, "guest-fsfreeze-freeze", caller).is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-info", caller).is_allowed());
  EXPECT_TRUE(CommandOf(policy, "guest-info").is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-fsfreeze-freeze").is_allowed());
}

TEST(DecideCommandTest, AChannelDoesNotUndoADenialOfTheSameName) {
  Policy policy = StandardLike();
  policy.commands.deny = {Pattern("guest-exec")};
  ChannelRules wide;
  wide.name = "wide";
  wide.commands.allow = {Pattern("guest-exec"), Pattern("*")};
  policy.channels = {wide};
  EXPECT_FALSE(CommandOf(policy, "guest-exec", {.channel = "wide"}).is_allowed());
}

TEST(DecideCommandTest, AnAllowOfABroaderSectionDoesNotUndoAChannelsDenial) {
  Policy policy = StandardLike();
  policy.commands.allow = {Pattern("guest-exec")};
  ChannelRules closed;
  closed.name = "closed";
  closed.commands.deny = {Pattern("*")};
  policy.channels = {closed};
  EXPECT_FALSE(CommandOf(policy, "guest-exec", {.channel = "closed"}).is_allowed());
}

TEST(DecideCommandTest, WhatDeniesGuestExecDeniesReevesOwnWaysToTheSame) {
  for (const char* pattern : {"guest-exec", "guest-*", "exec-*", "*"}) {
    Policy policy = StandardLike();
    policy.profile_commands.allow = {Pattern("*")};
    policy.commands.deny = {Pattern(pattern)};
    for (const char* command : {"exec-run", "exec-kill"}) {
      const Decision decision = CommandOf(policy, command);
      EXPECT_FALSE(decision.is_allowed()) << pattern << " " << command;
      EXPECT_EQ(decision.rule, "commands.deny");
    }
  }
}

TEST(DecideCommandTest, WhatDeniesFreezingAllOrAPartDeniesFreezingByDisk) {
  for (const char* pattern : {"guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fsfreeze-freeze*"}) {
    Policy policy = StandardLike();
    policy.profile_commands.allow = {Pattern("*")};
    policy.commands.deny = {Pattern(pattern)};
    EXPECT_FALSE(CommandOf(policy, "fsfreeze-freeze-disks").is_allowed()) << pattern;
    EXPECT_TRUE(CommandOf(policy, "fsfreeze-report").is_allowed());
  }
}

TEST(DecideCommandTest, WhatAllowsGuestExecOpensNothingElse) {
  Policy policy = StandardLike();
  policy.commands.allow = {Pattern("guest-exec")};
  EXPECT_FALSE(CommandOf(policy, "exec-run").is_allowed());
}

TEST(DecideCommandTest, ExecRunByNameStandsAgainstADenialOfAllOfQemusSchema) {
  Policy policy = StandardLike();
  policy.commands.allow = {Pattern("exec-run")};
  policy.commands.deny = {Pattern("guest-*")};
  EXPECT_TRUE(CommandOf(policy, "exec-run").is_allowed());
  EXPECT_FALSE(CommandOf(policy, "exec-kill").is_allowed());
}

TEST(DecideCommandTest, DenialOfOneOfReevesOwnLeavesGuestExec) {
  Policy policy = StandardLike();
  policy.commands.deny = {Pattern("exec-run")};
  EXPECT_TRUE(CommandOf(policy, "guest-exec").is_allowed());
}

TEST(DecideCommandTest, AChannelsMatchLooksAtThePeer) {
  Policy policy = StandardLike();
  ChannelRules rules;
  rules.name = "v";
  rules.match_vsock_cid = 2;
  rules.commands.allow = {Pattern("guest-shutdown")};
  policy.channels = {rules};
  using Kind = Caller::PeerKind;
  EXPECT_TRUE(CommandOf(policy, "guest-shutdown", {"v", Kind::kVsock, 2}).is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-shutdown", {"v", Kind::kVsock, 3}).is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-shutdown", {"v", Kind::kUnix, 2}).is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-shutdown", {"other", Kind::kVsock, 2}).is_allowed());
  policy.channels[0].match_vsock_cid.reset();
  policy.channels[0].match_unix_uid = 1000;
  EXPECT_TRUE(CommandOf(policy, "guest-shutdown", {"v", Kind::kUnix, 1000}).is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-shutdown", {"v", Kind::kUnix, 0}).is_allowed());
  EXPECT_FALSE(CommandOf(policy, "guest-shutdown", {"v", Kind::kSerial, 1000}).is_allowed());
}

ProgramRule Rule(std::string name, std::string run) {
  ProgramRule rule;
  rule.name = std::move(name);
  rule.origin = {"p.yaml", 20};
  rule.run = std::move(run);
  return rule;
}

Policy WithRestart() {
  Policy policy = StandardLike();
  ProgramRule rule = Rule("restart", "/usr/bin/systemctl");
  rule.args = {
      {{.kind = Matcher::Kind::kLiteral, .text = "restart"}, {.kind = Matcher::Kind::kLiteral, .text = "nginx"}}};
  policy.programs = {rule};
  return policy;
}

TEST(DecideProgramTest, ARuleAllowsItsProgramWithItsArguments) {
  const Decision decision = ProgramOf(WithRestart(), "/usr/bin/systemctl", {"restart", "nginx"});
  EXPECT_TRUE(decision.is_allowed());
  EXPECT_EQ(decision.rule, "restart");
  EXPECT_EQ(decision.index, 0u);
  EXPECT_TRUE(ProgramOf(WithRestart(), "/usr//bin/./systemctl", {"restart", "nginx"}).is_allowed());
}

TEST(DecideProgramTest, RefusesOtherArgumentsAndNamesTheRule) {
  const Decision decision = ProgramOf(WithRestart(), "/usr/bin/systemctl", {"restart", "sshd"});
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(ArgumentRefusal("guest-exec", "/usr/bin/systemctl", decision),
            "guest-exec refused: /usr/bin/systemctl is not allowed by policy rule 'restart' in p.yaml:20");
}

TEST(DecideProgramTest, RefusesOtherSpellingsOfAnotherProgram) {
  for (const char* path : {"systemctl", "usr/bin/systemctl", "/usr/bin/../bin/systemctl", "/usr/bin/systemctl2", "",
                           "/usr/bin", "/bin/systemctl", "./systemctl"}) {
    const Decision decision = ProgramOf(WithRestart(), path, {"restart", "nginx"});
    EXPECT_FALSE(decision.is_allowed()) << path;
    EXPECT_EQ(decision.rule, "default") << path;
  }
}

TEST(DecideProgramTest, NulIsRefusedEverywhereAlsoUnderOpen) {
  Policy policy = StandardLike();
  policy.profile = BaseProfile::kOpen;
  policy.programs = {Rule("any", "*")};
  policy.programs[0].allows_any_args = true;
  policy.programs[0].inherits_environment = true;
  const std::string nul("a\0b", 3);
  EXPECT_TRUE(ProgramOf(policy, "sh", {"-c", "a\nb"}).is_allowed());
  EXPECT_FALSE(ProgramOf(policy, nul).is_allowed());
  EXPECT_FALSE(ProgramOf(policy, "sh", {nul}).is_allowed());
  const std::vector<std::string> env = {nul};
  EXPECT_FALSE(
      Decider::Create(policy)->Program(kCaller, {.path = "sh", .args = {}, .env = env, .has_env = true}).is_allowed());
}

TEST(DecideProgramTest, ASecondRuleForTheProgramMayAllow) {
  Policy policy = WithRestart();
  ProgramRule second = Rule("version", "/usr/bin/systemctl");
  second.args = {{{.kind = Matcher::Kind::kLiteral, .text = "--version"}}};
  policy.programs.push_back(second);
  const Decision decision = ProgramOf(policy, "/usr/bin/systemctl", {"--version"});
  EXPECT_TRUE(decision.is_allowed());
  EXPECT_EQ(decision.index, 1u);
}

TEST(DecideProgramTest, ARuleWithoutArgsTakesNone) {
  Policy policy = StandardLike();
  policy.programs = {Rule("true", "/bin/true")};
  EXPECT_TRUE(ProgramOf(policy, "/bin/true").is_allowed());
  EXPECT_FALSE(ProgramOf(policy, "/bin/true", {""}).is_allowed());
}

TEST(DecideProgramTest, EnvironmentAndInputNeedTheirGrant) {
  Policy policy = StandardLike();
  policy.programs = {Rule("true", "/bin/true")};
  const auto decide = [&](ProgramCall call) {
    call.path = "/bin/true";
    return Decider::Create(policy)->Program(kCaller, call).is_allowed();
  };
  const std::vector<std::string> lang = {"LANG=C"};
  const std::vector<std::string> preload = {"LANG=C", "LD_PRELOAD=/x"};
  const std::vector<std::string> nameless = {"=x"};
  EXPECT_TRUE(decide({.env = {}, .has_env = true}));
  EXPECT_FALSE(decide({.env = lang, .has_env = true}));
  EXPECT_FALSE(decide({.has_stdin = true}));
  policy.programs[0].env_keep = {"LANG", ""};
  policy.programs[0].allows_stdin = true;
  policy.programs[0].stdin_max_bytes = 4;
  EXPECT_TRUE(decide({.env = lang, .has_env = true}));
  EXPECT_FALSE(decide({.env = preload, .has_env = true}));
  EXPECT_FALSE(decide({.env = nameless, .has_env = true}));
  EXPECT_TRUE(decide({.has_stdin = true, .stdin_bytes = 4}));
  EXPECT_FALSE(decide({.has_stdin = true, .stdin_bytes = 5}));
}

TEST(DecideProgramTest, ADenialHoldsUnderOpenHoweverThePathIsWritten) {
  Policy policy = StandardLike();
  policy.profile = BaseProfile::kOpen;
  policy.programs = {Rule("any", "*")};
  policy.programs[0].allows_any_args = true;
  policy.program_denies = {{"/usr/bin/nsenter", std::nullopt, {"p.yaml", 9}}};
  for (const char* path : {"/usr/bin/nsenter", "nsenter", "/usr//bin/nsenter", "/usr/bin/../bin/nsenter",
                           "/usr/bin/./nsenter", "usr/bin/nsenter", "../usr/bin/nsenter"}) {
    EXPECT_FALSE(ProgramOf(policy, path).is_allowed()) << path;
  }
  EXPECT_TRUE(ProgramOf(policy, "/usr/bin/nsenter2").is_allowed());
  EXPECT_TRUE(ProgramOf(policy, "/opt/nsenter").is_allowed());
  const auto decider = Decider::Create(policy);
  EXPECT_FALSE(decider->ResolvedProgram({.path = "/usr/bin/nsenter", .args = {}, .env = {}}).is_allowed());
  EXPECT_TRUE(decider->ResolvedProgram({.path = "/usr/bin/true", .args = {}, .env = {}}).is_allowed());
}

TEST(DecideProgramTest, ADenialOfAnArgumentLooksAtEachOne) {
  Policy policy = StandardLike();
  policy.programs = {Rule("any", "*")};
  policy.programs[0].allows_any_args = true;
  policy.program_denies = {{"*", Matcher{.kind = Matcher::Kind::kPrefix, .text = "--to-command"}, {"p.yaml", 9}}};
  EXPECT_TRUE(ProgramOf(policy, "/bin/tar", {"xf", "a"}).is_allowed());
  EXPECT_FALSE(ProgramOf(policy, "/bin/tar", {"xf", "a", "--to-command=sh"}).is_allowed());
}

FileDirectory Directory(std::string id, std::string path, FileAccessMask access) {
  FileDirectory directory;
  directory.id = std::move(id);
  directory.origin = {"p.yaml", 30};
  directory.path = std::move(path);
  directory.access = access;
  return directory;
}

TEST(DecideFileTest, ADirectoryGrantsWhatIsBelowIt) {
  Policy policy = StandardLike();
  policy.directories = {Directory("d", "/srv/x", kRead)};
  EXPECT_TRUE(FileOf(policy, "/srv/x/a").is_allowed());
  EXPECT_TRUE(FileOf(policy, "/srv/x/a/b").is_allowed());
  EXPECT_TRUE(FileOf(policy, "/srv//x/./a").is_allowed());
  EXPECT_FALSE(FileOf(policy, "/srv/x/a", kWrite).is_allowed());
  EXPECT_FALSE(FileOf(policy, "/srv/x/a", kRead | kWrite).is_allowed());
}

TEST(DecideFileTest, RefusesPathTricks) {
  Policy policy = StandardLike();
  policy.directories = {Directory("d", "/srv/x", kRead | kWrite | kCreate)};
  for (std::string_view path :
       {std::string_view("/srv/x"), std::string_view("/srv/x/"), std::string_view("/srv/x/../y"),
        std::string_view("/srv/x/a/../../../etc/shadow"), std::string_view("/srv/x/.."), std::string_view("/srv/xy/a"),
        std::string_view("srv/x/a"), std::string_view("./srv/x/a"), std::string_view(""), std::string_view("/"),
        std::string_view("/srv/y/../x/a"), std::string_view("/srv/x/a\0b", 10), std::string_view("\0", 1),
        std::string_view("/etc/shadow"), std::string_view("/SRV/x/a"), std::string_view("~/x")}) {
    EXPECT_FALSE(FileOf(policy, path).is_allowed()) << path;
  }
}

TEST(DecideFileTest, TheLongestDirectoryDecides) {
  Policy policy = StandardLike();
  policy.directories = {Directory("all", "/srv", kRead | kWrite), Directory("fixed", "/srv/fixed", kRead)};
  EXPECT_TRUE(FileOf(policy, "/srv/a", kWrite).is_allowed());
  const Decision decision = FileOf(policy, "/srv/fixed/a", kWrite);
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(decision.rule, "fixed");
  EXPECT_EQ(FileOf(policy, "/srv/fixed/a").index, 1u);
}

TEST(DecideFileTest, GlobsIncludeAndExclude) {
  Policy policy = StandardLike();
  policy.directories = {Directory("d", "/etc/acme", kRead)};
  policy.directories[0].match = {"**/*.conf", "!secrets/**"};
  EXPECT_TRUE(FileOf(policy, "/etc/acme/a.conf").is_allowed());
  EXPECT_TRUE(FileOf(policy, "/etc/acme/x/a.conf").is_allowed());
  EXPECT_FALSE(FileOf(policy, "/etc/acme/a.txt").is_allowed());
  EXPECT_FALSE(FileOf(policy, "/etc/acme/secrets/a.conf").is_allowed());
  EXPECT_FALSE(FileOf(policy, "/etc/acme/./secrets//a.conf").is_allowed());
  policy.directories[0].match = {"!secrets/**"};
  EXPECT_TRUE(FileOf(policy, "/etc/acme/a.txt").is_allowed());
}

Policy OpenPolicy() {
  Policy policy = StandardLike();
  policy.profile = BaseProfile::kOpen;
  policy.directories = {Directory("any-file", "/", kRead | kWrite | kCreate)};
  policy.directories[0].allows_any_type = true;
  return policy;
}

TEST(DecideFileTest, OpenTakesEveryPath) {
  for (const char* path : {"/etc/shadow", "relative", "/srv/../etc/x", "/", "/dev/null"}) {
    EXPECT_TRUE(FileOf(OpenPolicy(), path, kRead | kWrite).is_allowed()) << path;
  }
  EXPECT_FALSE(FileOf(OpenPolicy(), std::string_view("/etc/x\0y", 8)).is_allowed());
}

TEST(DecideFileTest, ADenialHoldsUnderOpenHoweverThePathIsWritten) {
  Policy policy = OpenPolicy();
  policy.file_denies = {{"/etc/shadow", {"p.yaml", 4}}, {"/root/**", {"p.yaml", 5}}};
  for (const char* path : {"/etc/shadow", "/etc//shadow", "/etc/../etc/shadow", "etc/shadow", "/root/.ssh/id", "/root",
                           "/root/", "/home/../root/x", "/etc/shadow/"}) {
    EXPECT_FALSE(FileOf(policy, path).is_allowed()) << path;
  }
  EXPECT_TRUE(FileOf(policy, "/etc/shadow-").is_allowed());
  EXPECT_FALSE(Decider::Create(policy)->ResolvedFile("/etc/shadow").is_allowed());
}

Policy WithPlugin() {
  Policy policy = WithRestart();
  PluginRules plugin;
  plugin.name = "system";
  plugin.programs = {Rule("poweroff", "/sbin/poweroff"), Rule("told", "/bin/told"), Rule("any", "*")};
  plugin.programs[1].is_standing = true;
  plugin.programs[2].allows_any_args = true;
  FileDirectory cpus;
  cpus.id = "cpus";
  cpus.origin = {"p.yaml", 30};
  cpus.path = "/sys/devices/system/cpu";
  cpus.access = kRead | kWrite;
  cpus.match = {"cpu*/online"};
  plugin.directories = {cpus};
  policy.plugins = {plugin};
  return policy;
}

Decision OwnOf(const Policy& policy, std::string_view path, Asking asking = Asking::kForRequest,
               const std::vector<std::string>& args = {}, std::string_view plugin = "system", Trace* trace = nullptr) {
  return Decider::Create(policy)->PluginProgram(plugin, {.path = path, .args = args, .env = {}}, asking, trace);
}

TEST(DecidePluginTest, ItsProgramsAreKnownByNameAndByPath) {
  EXPECT_EQ(OwnOf(WithPlugin(), "poweroff").index, 0u);
  EXPECT_EQ(OwnOf(WithPlugin(), "//sbin/./poweroff").index, 0u);
  EXPECT_EQ(OwnOf(WithPlugin(), "/bin/other").rule, "any");
  EXPECT_FALSE(OwnOf(WithPlugin(), "any").is_allowed());
  EXPECT_FALSE(OwnOf(WithPlugin(), "sbin/poweroff").is_allowed());
  EXPECT_FALSE(OwnOf(WithPlugin(), std::string_view("poweroff\0x", 10)).is_allowed());
}

TEST(DecidePluginTest, RefusesOtherArgumentsAndNamesTheRule) {
  const Decision decision = OwnOf(WithPlugin(), "poweroff", Asking::kForRequest, {"-f"});
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(ArgumentRefusal("guest-shutdown", "poweroff", decision),
            "guest-shutdown refused: poweroff is not allowed by policy rule 'poweroff' in p.yaml:20");
}

TEST(DecidePluginTest, TheHostsRulesAreNotAPluginsNorTheOtherWayRound) {
  Policy policy = WithPlugin();
  policy.plugins[0].programs.pop_back();
  EXPECT_TRUE(ProgramOf(policy, "/usr/bin/systemctl", {"restart", "nginx"}).is_allowed());
  EXPECT_FALSE(OwnOf(policy, "/usr/bin/systemctl", Asking::kForRequest, {"restart", "nginx"}).is_allowed());
  EXPECT_FALSE(OwnOf(policy, "restart").is_allowed());
  EXPECT_FALSE(ProgramOf(policy, "/sbin/poweroff").is_allowed());
  EXPECT_FALSE(ProgramOf(policy, "poweroff").is_allowed());
  EXPECT_FALSE(FileOf(policy, "/sys/devices/system/cpu/cpu1/online").is_allowed());
}

TEST(DecidePluginTest, NoPluginHasAnothersRules) {
  EXPECT_FALSE(OwnOf(WithPlugin(), "poweroff", Asking::kForRequest, {}, "accounts").is_allowed());
  const Policy policy = WithPlugin();
  const FileCall call{"/sys/devices/system/cpu/cpu1/online", kRead};
  EXPECT_FALSE(Decider::Create(policy)->PluginFile("accounts", call).is_allowed());
}

TEST(DecidePluginTest, WithoutARequestOnlyWhatIsStanding) {
  EXPECT_EQ(OwnOf(WithPlugin(), "told", Asking::kStanding).index, 1u);
  const Decision decision = OwnOf(WithPlugin(), "poweroff", Asking::kStanding);
  EXPECT_FALSE(decision.is_allowed());
  EXPECT_EQ(decision.rule, "poweroff");
  EXPECT_FALSE(OwnOf(WithPlugin(), "/bin/other", Asking::kStanding).is_allowed());
}

TEST(DecidePluginTest, ItsDirectoriesGrantWhatMatches) {
  const Policy policy = WithPlugin();
  const Decider decider = *Decider::Create(policy);
  EXPECT_EQ(decider.PluginFile("system", {"/sys/devices/system/cpu/cpu1/online", kRead | kWrite}).index, 0u);
  EXPECT_EQ(decider.PluginFile("system", {"/sys/devices/system/cpu/cpu1/other", kRead}).rule, "cpus");
  EXPECT_FALSE(decider.PluginFile("system", {"/sys/devices/system/cpu/cpu1/online", kCreate}).is_allowed());
  EXPECT_FALSE(decider.PluginFile("system", {"/sys/devices/system/cpu/../cpu/cpu1/online", kRead}).is_allowed());
  EXPECT_FALSE(decider.PluginFile("system", {"", kRead}).is_allowed());
}

TEST(DecidePluginTest, ADenialBeatsThem) {
  Policy policy = WithPlugin();
  policy.program_denies = {{.run = "/sbin/poweroff", .arg_any = std::nullopt, .origin = {"p.yaml", 40}}};
  policy.file_denies = {{.glob = "/sys/**", .origin = {"p.yaml", 41}}};
  for (const char* path : {"poweroff", "/sbin/poweroff"}) {
    Trace trace;
    EXPECT_EQ(OwnOf(policy, path, Asking::kForRequest, {}, "system", &trace).rule, "deny.exec") << path;
    ASSERT_FALSE(trace.empty());
    for (const Considered& one : trace) EXPECT_EQ(one.decides, one.rule == "deny.exec") << one.rule;
  }
  EXPECT_EQ(OwnOf(policy, "told").index, 1u);
  const FileCall call{"/sys/devices/system/cpu/cpu1/online", kRead};
  EXPECT_EQ(Decider::Create(policy)->PluginFile("system", call).rule, "deny.files");
}

TEST(DecidePluginTest, ABadExpressionIsSeenThereToo) {
  Policy policy = WithPlugin();
  policy.plugins[0].programs[0].args = {{{.kind = Matcher::Kind::kRegex, .text = "(", .max_bytes = 9}}};
  EXPECT_FALSE(Decider::Create(policy).has_value());
}

TEST(DecideTest, CouldPassLooksForARule) {
  Policy policy = StandardLike();
  const CommandCall exec = {"guest-exec", false};
  EXPECT_FALSE(Decider::Create(policy)->CouldPass(kCaller, exec, true, false));
  policy.programs = {Rule("true", "/bin/true")};
  EXPECT_TRUE(Decider::Create(policy)->CouldPass(kCaller, exec, true, false));
  EXPECT_FALSE(Decider::Create(policy)->CouldPass(kCaller, exec, false, true));
  policy.commands.deny = {Pattern("guest-exec")};
  EXPECT_FALSE(Decider::Create(policy)->CouldPass(kCaller, exec, true, false));
}

TEST(DecideTest, RefusesAPolicyWithABadExpression) {
  Policy policy = WithRestart();
  policy.programs[0].args[0][0] = {.kind = Matcher::Kind::kRegex, .text = "(", .max_bytes = 8};
  EXPECT_THAT(Decider::Create(policy), FailsSaying("policy rule 'restart' in p.yaml:20"));
}

TEST(NormalPathTest, KeepsTheWayAndDropsTheNoise) {
  EXPECT_EQ(NormalPath("/a/./b//c/"), "/a/b/c");
  EXPECT_EQ(NormalPath("/"), "/");
  EXPECT_EQ(NormalPath("//"), "/");
  EXPECT_EQ(NormalPath("/a/.."), "");
  EXPECT_EQ(NormalPath("a"), "");
  EXPECT_EQ(NormalPath(""), "");
  EXPECT_EQ(NormalPath("/a/...b"), "/a/...b");
}

// ---- what a trace tells

std::string Told(const Trace& trace) {
  std::string told;
  for (const Considered& one : trace) {
    told += std::string(one.decides ? "> " : "  ") + one.rule + ":" + std::to_string(one.origin.line) + " " +
            one.outcome + "\n";
  }
  return told;
}

TEST(DecideTraceTest, NamesWinnerAndLosersOfACommand) {
  Policy policy = StandardLike();
  policy.channels.push_back({"default", {}, std::nullopt, 7, {{}, {Pattern("*", 40)}}});
  policy.commands.allow = {Pattern("guest-*", 10), Pattern("guest-exec", 11)};
  policy.commands.deny = {Pattern("guest-e*", 20)};
  Trace trace;
  const auto decider = Decider::Create(policy);
  EXPECT_TRUE(decider->Command(kCaller, {"guest-exec", false}, &trace).is_allowed());
  EXPECT_EQ(Told(trace),
            "  commands.deny:20 'guest-e*': beaten by a more specific entry under allow, in the same section or a "
            "narrower one\n"
            "  commands.allow:10 'guest-*': a more specific entry stands in the same list\n"
            "> commands.allow:11 'guest-exec': allowed by 'guest-exec'\n"
            "  profile.allow:1 'guest-exec': another entry is more specific, or stands in a narrower section\n");
  trace.clear();
  const Caller peer = {.channel = "default", .peer_kind = Caller::PeerKind::kUnix, .peer_number = 7};
  EXPECT_FALSE(decider->Command(peer, {"guest-exec", false}, &trace).is_allowed());
  EXPECT_TRUE(Told(trace).starts_with("> channels.default.commands.deny:40 '*': denied by '*'\n")) << Told(trace);
}

TEST(DecideTraceTest, NamesEachRuleOfAProgram) {
  Policy policy = StandardLike();
  const Matcher literal = {.kind = Matcher::Kind::kLiteral, .text = "a"};
  for (const char* name : {"first", "second", "third"}) {
    ProgramRule& rule = policy.programs.emplace_back();
    rule.name = name;
    rule.run = "/bin/x";
    rule.origin = {"p.yaml", static_cast<uint32_t>(policy.programs.size())};
  }
  policy.programs[0].args = {{literal, literal}};
  policy.programs[1].args = {{literal}};
  policy.programs[2].allows_any_args = true;
  const auto decider = Decider::Create(policy);
  const auto told_of = [&](const std::vector<std::string>& args) {
    Trace trace;
    const Decision traced = decider->Program(kCaller, {.path = "/bin/x", .args = args, .env = {}}, &trace);
    EXPECT_EQ(traced.rule, decider->Program(kCaller, {.path = "/bin/x", .args = args, .env = {}}).rule);
    return Told(trace);
  };
  const std::string misfit = "arguments that no alternative of the rule allows; ";
  EXPECT_EQ(told_of({"a"}), "  first:1 " + misfit + "there are too few or too many\n" +
                                "> second:2 program and arguments are as it says\n"
                                "  third:3 a rule before it decides\n");
  EXPECT_EQ(told_of({"a", "b"}), "  first:1 " + misfit + "the first that does not fit is 'b'\n  second:2 " + misfit +
                                     "the first that does not fit is 'b'\n> third:3 program and arguments are as it "
                                     "says\n");
}

TEST(DecideTraceTest, NamesEachDirectoryThatHoldsAFile) {
  Policy policy = StandardLike();
  for (const char* path : {"/srv", "/srv/in", "/srv/in", "/other"}) {
    FileDirectory& directory = policy.directories.emplace_back();
    directory.id = "d" + std::to_string(policy.directories.size());
    directory.path = path;
    directory.access = kRead | kWrite;
  }
  policy.directories[1].access = kRead;
  Trace trace;
  EXPECT_TRUE(Decider::Create(policy)->File(kCaller, {"/srv/in/f", kWrite}, &trace).is_allowed());
  EXPECT_EQ(Told(trace),
            "  d1:0 a directory further in holds the path\n  d2:0 access is not granted\n> d3:0 granted by the "
            "directory\n");
}

TEST(DecideTraceTest, ADenialForEveryoneIsAllThatIsTold) {
  Policy policy = StandardLike();
  policy.file_denies = {{"/etc/shadow", {"p.yaml", 9}}};
  Trace trace;
  EXPECT_FALSE(Decider::Create(policy)->File(kCaller, {"/etc/shadow", kRead}, &trace).is_allowed());
  EXPECT_EQ(Told(trace), "> deny.files:9 denied for everyone by '/etc/shadow'\n");
}

}  // namespace
}  // namespace reeve::policy
