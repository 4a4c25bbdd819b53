#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/compile/compile.h"
#include "agent/compile/lookups.h"
#include "agent/compile/trusted_text.h"
#include "agent/config/blob.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::compile {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kSource = REEVE_SOURCE_DIR;
const std::string kBuild = REEVE_BINARY_DIR;

class CompileTest : public testing::Test {
 protected:
  CompileTest() {
    char name[] = "/tmp/reeve-compile-test.XXXXXX";
    folder_ = ::mkdtemp(name);
    std::filesystem::create_directories(folder_ + "/plugins");
    for (const char* plugin : {"exec", "file"}) {
      Write(std::string("plugins/") + plugin + ".plugin.yaml",
            *sys::ReadFile(kSource + "/plugins/" + plugin + "/" + plugin + ".plugin.yaml", 1 << 20));
    }
    // The profiles as a test's own: a build tree may stand in a folder that others may write.
    std::filesystem::create_directories(folder_ + "/share/profiles");
    for (const char* profile : {"minimal", "standard", "open"}) {
      Write(std::string("share/profiles/") + profile + ".yaml",
            *sys::ReadFile(kSource + "/policy/profiles/" + profile + ".yaml", 1 << 20));
    }
    Write("share/core.plugin.yaml", *sys::ReadFile(kSource + "/agent/config/core.plugin.yaml", 1 << 20));
  }
  ~CompileTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) { std::ofstream(folder_ + "/" + name) << text; }
  Options SomeOptions() {
    Options options;
    options.etc_directory = folder_;
    options.plugin_directories = {folder_ + "/plugins"};
    options.profiles_directory = folder_ + "/share/profiles";
    return options;
  }
  // Runs reeve-compile with what every run needs and `extra`; its exit code. Standard error goes to `error`.
  int RunProgram(const std::string& extra) {
    const std::string command = kBuild + "/bin/reeve-compile --etc " + folder_ + " --plugin-dir " + folder_ +
                                "/plugins --profiles " + folder_ + "/share/profiles " + extra + " 2>" + folder_ +
                                "/error";
    const int status = std::system(command.c_str());
    error_ = *sys::ReadFile(folder_ + "/error", 1 << 20);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  std::string folder_;
  std::string error_;
};

TEST_F(CompileTest, WithoutAPolicyItIsStandard) {
  const auto config = Gather(SomeOptions());
  ASSERT_TRUE(config.has_value()) << config.error()[0];
  EXPECT_EQ(config->policy.profile, policy::BaseProfile::kStandard);
  EXPECT_EQ(config->plugins.size(), 3u);
  EXPECT_EQ(config->plugins[0].name, "core");
  EXPECT_EQ(config->plugins[1].library_path, folder_ + "/plugins/exec.so");
  EXPECT_TRUE(config->warnings.empty()) << config->warnings[0];
}

TEST_F(CompileTest, AProfileMayBeNamedInPlaceOfAFile) {
  Write("policy.yaml", "schema: 1\nbad: 1\n");
  Options options = SomeOptions();
  options.policy = "open";
  const auto config = Gather(options);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->policy.profile, policy::BaseProfile::kOpen);
  EXPECT_THAT(config->warnings, Contains(HasSubstr("policy open")));
}

TEST_F(CompileTest, ABadPolicyIsNoPolicy) {
  Write("policy.yaml", "schema: 1\nprofil: open\n");
  const auto config = Gather(SomeOptions());
  ASSERT_FALSE(config.has_value());
  EXPECT_THAT(config.error(),
              ElementsAre(folder_ + "/policy.yaml:2:1: unknown key 'profil' in a policy; did you mean 'profile'?"));
}

TEST_F(CompileTest, ANamedFileMustBeThere) {
  Options options = SomeOptions();
  options.policy = folder_ + "/none.yaml";
  EXPECT_THAT(Gather(options).error(), Contains(HasSubstr("none.yaml")));
}

TEST_F(CompileTest, TheFallbackIsMinimalWhateverIsBad) {
  Write("policy.yaml", "schema: 1\nprofil: open\n");
  Write("reeve.yaml", "schema: 7\n");
  Options options = SomeOptions();
  EXPECT_EQ(Gather(options).error().size(), 2u);
  options.is_fallback = true;
  options.warnings = {"the policy is bad"};
  const auto config = Gather(options);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->policy.profile, policy::BaseProfile::kMinimal);
  EXPECT_THAT(config->warnings, ElementsAre("the policy is bad", HasSubstr("reeve.yaml:1:9: schema must be 1")));
}

TEST_F(CompileTest, ABadManifestCostsOnlyItsPlugin) {
  Write("plugins/vendor.plugin.yaml", "manifest: 1\n");
  const auto config = Gather(SomeOptions());
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->plugins.size(), 3u);
  EXPECT_THAT(config->warnings, Contains(HasSubstr("vendor.plugin.yaml is left out")));
}

TEST_F(CompileTest, RefusesFilesThatOthersMayWrite) {
  Write("policy.yaml", "schema: 1\n");
  ::chmod((folder_ + "/policy.yaml").c_str(), 0666);
  EXPECT_THAT(Gather(SomeOptions()).error(), ElementsAre(HasSubstr("may be written by others")));
  ::chmod((folder_ + "/policy.yaml").c_str(), 0644);
  EXPECT_TRUE(Gather(SomeOptions()).has_value());
  ::chmod(folder_.c_str(), 0777);
  EXPECT_THAT(ReadTrusted(folder_ + "/policy.yaml", 100), FailsWith(Code::kDenied));
  ::chmod(folder_.c_str(), 01777);
  EXPECT_THAT(ReadTrusted(folder_ + "/policy.yaml", 100), IsOk());
  ::chmod(folder_.c_str(), 0700);
  EXPECT_THAT(ReadTrusted(folder_, 100), FailsWith(Code::kDenied));
}

TEST_F(CompileTest, ALinkLeadsToAFileThatIsCheckedItself) {
  Write("real.yaml", "schema: 1\n");
  std::filesystem::create_symlink(folder_ + "/real.yaml", folder_ + "/policy.yaml");
  EXPECT_TRUE(Gather(SomeOptions()).has_value());
  ::chmod((folder_ + "/real.yaml").c_str(), 0666);
  EXPECT_FALSE(Gather(SomeOptions()).has_value());
}

constexpr char kWithUser[] =
    "schema: 1\nexec: {rules: {t: {run: /bin/true, as: acme}, gone: {run: /no/such/program, as: root, confine: "
    "unconfined, reason: x}}}\n";

TEST_F(CompileTest, UsersBecomeNumbersAndProgramsTheirIdentity) {
  Write("policy.yaml", kWithUser);
  auto gathered = Gather(SomeOptions());
  ASSERT_TRUE(gathered.has_value());
  EXPECT_THAT(LookupLines(*gathered), testing::StartsWith("user acme\nuid 78000\n"));
  const auto config = Finish(*gathered, "user acme 1234 100 100,4 /home/acme me\nuid 78000 -\n");
  ASSERT_TRUE(config.has_value()) << config.error()[0];
  const policy::ProgramRule& rule = config->policy.programs[0];
  EXPECT_EQ(rule.as.uid, 1234u);
  EXPECT_EQ(rule.as.groups, (std::vector<uint32_t>{100, 4}));
  EXPECT_EQ(rule.as.home, "/home/acme me");
  EXPECT_NE(rule.program.inode, 0u);
  EXPECT_TRUE(config->policy.programs[1].program.resolved_path.empty());
  EXPECT_THAT(config->warnings, Contains(HasSubstr("rule 'gone': no program /no/such/program here")));
  EXPECT_FALSE(config->core.run_filter.empty());
  EXPECT_FALSE(config->plugins[1].sandbox.load_filter.empty());
  EXPECT_FALSE(config->program_filters[static_cast<size_t>(policy::Confinement::kService)].empty());
  EXPECT_TRUE(config->program_filters[static_cast<size_t>(policy::Confinement::kHook)].empty());  // no rule uses it
}

TEST_F(CompileTest, AnUnknownUserAndATakenUidAreMistakes) {
  Write("policy.yaml", kWithUser);
  auto gathered = Gather(SomeOptions());
  ASSERT_TRUE(gathered.has_value());
  EXPECT_THAT(Finish(*gathered, "user acme -\nuid 78002 somebody\n").error(),
              ElementsAre(folder_ + "/policy.yaml:2: there is no user 'acme' here",
                          "uid-range: 78002 belongs to user 'somebody'"));
}

TEST_F(CompileTest, AUserOfAProfilesRuleWhoIsNotThereCostsThatRuleAlone) {
  config::Config config;
  config.is_unprivileged = true;
  const auto rule_of = [](const char* name, const char* user, bool is_of_profile) {
    policy::ProgramRule rule;
    rule.name = name;
    rule.as.name = user;
    rule.is_of_profile = is_of_profile;
    return rule;
  };
  policy::PluginRules& inventory = config.policy.plugins.emplace_back();
  inventory.programs = {rule_of("systemctl", "nobody", true), rule_of("hwclock", "root", true)};
  EXPECT_THAT(Apply(Lookups(), config), testing::IsEmpty());
  ASSERT_EQ(inventory.programs.size(), 1u);
  EXPECT_EQ(inventory.programs[0].name, "hwclock");
  // Who names it in a file of his own is told.
  inventory.programs[0] = rule_of("mine", "nobody", false);
  EXPECT_THAT(Apply(Lookups(), config), ElementsAre(HasSubstr("there is no user 'nobody' here")));
}

TEST_F(CompileTest, RefusesMalformedAnswers) {
  for (const char* answers : {"x", "user a 1", "user a 1 2 3", "user a x 2 3 /h", "user a 1 2 3 h", "uid x -", "uid 1",
                              "\n", "user a 99999999999 1 1 /"}) {
    EXPECT_THAT(ParseLookups(answers), FailsWith(Code::kBadMessage)) << answers;
  }
}

TEST_F(CompileTest, TheProgramWritesABlockThatDecodes) {
  Write("policy.yaml", kWithUser);
  Write("answers", "user acme 1234 100 100 /home/acme\n");
  ASSERT_EQ(RunProgram("--lookups-fd 5 --out-fd 6 5<" + folder_ + "/answers 6>" + folder_ + "/blob"), 0) << error_;
  const auto block = sys::ReadFile(folder_ + "/blob", config::kMaxBlobBytes);
  REEVE_ASSERT_OK(block);
  const auto config = config::Decode(AsBytes(*block));
  REEVE_ASSERT_OK(config);
  EXPECT_EQ(config->policy.programs[0].as.uid, 1234u);
}

TEST_F(CompileTest, TheProgramTellsWrongFilesFromWrongUse) {
  Write("policy.yaml", "schema: 1\nprofil: open\n");
  EXPECT_EQ(RunProgram("--blob-to " + folder_ + "/blob"), 2);
  EXPECT_EQ(error_, folder_ + "/policy.yaml:2:1: unknown key 'profil' in a policy; did you mean 'profile'?\n");
  EXPECT_EQ(sys::ReadFile(folder_ + "/blob", 100).value_or("?"), "");
  EXPECT_EQ(RunProgram("--no-such-option"), 1);
  EXPECT_EQ(RunProgram(""), 1);
  EXPECT_EQ(RunProgram("--blob-to " + folder_ + "/blob --fallback --warning x"), 0) << error_;
}

TEST_F(CompileTest, ResolveAnswersWhatWasAsked) {
  const std::string command = "printf 'user root\\nuser no-such-user-here\\nuid 0\\n' | " + kBuild +
                              "/bin/reeve-resolve >" + folder_ + "/answers";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string answers = *sys::ReadFile(folder_ + "/answers", 1 << 20);
  EXPECT_THAT(answers, testing::StartsWith("user root 0 0 0"));
  EXPECT_THAT(answers, HasSubstr("\nuser no-such-user-here -\nuid 0 root\n"));
}

}  // namespace
}  // namespace reeve::compile
