#include "agent/compile/policy_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/testing.h"

namespace reeve::compile {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PolicyLayersTest : public testing::Test {
 protected:
  PolicyLayersTest() {
    std::string pattern = (fs::temp_directory_path() / "reeve-layers-test.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    for (const char* name : {"vendor", "etc/policy.d", "run/policy.d"}) fs::create_directories(folder_ + "/" + name);
    options_.vendor_policy_directory = folder_ + "/vendor";
    options_.etc_directory = folder_ + "/etc";
    options_.command_line.run_directory = folder_ + "/run";
  }
  ~PolicyLayersTest() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text = "schema: 1\n") {
    std::ofstream(folder_ + "/" + name) << text;
    fs::permissions(folder_ + "/" + name, fs::perms(0644));
  }
  void Link(const std::string& name, const std::string& target) { fs::create_symlink(target, folder_ + "/" + name); }
  std::string Short(const std::string& path) const { return path.substr(folder_.size() + 1); }
  // What is read, from the lowest.
  std::vector<std::string> ReadNames() {
    const auto layers = ReadPolicyLayers(options_);
    if (!layers) return {"refused: " + layers.error()[0]};
    std::vector<std::string> names;
    for (const policy::PolicyText& text : layers->texts) names.push_back(Short(text.file));
    return names;
  }
  std::vector<std::string> Refusals() {
    const auto layers = ReadPolicyLayers(options_);
    return layers ? std::vector<std::string>() : layers.error();
  }

  std::string folder_;
  Options options_;
};

TEST_F(PolicyLayersTest, WithoutFilesThereAreNone) {
  EXPECT_THAT(ReadNames(), IsEmpty());
  fs::remove_all(folder_ + "/vendor");
  fs::remove_all(folder_ + "/etc");
  EXPECT_THAT(ReadNames(), IsEmpty());
}

TEST_F(PolicyLayersTest, StandFromVendorToRunAndByNameWithin) {
  for (const char* name : {"run/policy.d/a.yaml", "etc/policy.d/9.yaml", "etc/policy.d/10.yaml", "etc/policy.yaml",
                           "vendor/z.yaml", "vendor/b.yaml"}) {
    Write(name);
  }
  EXPECT_THAT(ReadNames(), ElementsAre("vendor/b.yaml", "vendor/z.yaml", "etc/policy.yaml", "etc/policy.d/10.yaml",
                                       "etc/policy.d/9.yaml", "run/policy.d/a.yaml"));
}

TEST_F(PolicyLayersTest, OnlyYamlFilesThatAreNotHiddenAreDropIns) {
  for (const char* name : {"etc/policy.d/.hidden.yaml", "etc/policy.d/a.yaml~", "etc/policy.d/a.yaml.dpkg-new",
                           "etc/policy.d/b.yml", "etc/policy.d/a.yaml"}) {
    Write(name);
  }
  EXPECT_THAT(ReadNames(), ElementsAre("etc/policy.d/a.yaml"));
  EXPECT_THAT(ReadPolicyLayers(options_)->warnings, ElementsAre(HasSubstr("b.yml: is not read")));
}

TEST_F(PolicyLayersTest, ANameInAHigherDirectoryMasksTheLowerOnes) {
  for (const char* name : {"vendor/a.yaml", "vendor/b.yaml", "etc/policy.d/a.yaml", "run/policy.d/a.yaml"}) Write(name);
  EXPECT_THAT(ReadNames(), ElementsAre("vendor/b.yaml", "run/policy.d/a.yaml"));
  const auto layers = ReadPolicyLayers(options_);
  EXPECT_EQ(layers->files[0].state, PolicyFile::State::kMasked);
  EXPECT_EQ(Short(layers->files[0].masked_by), "run/policy.d/a.yaml");
  EXPECT_EQ(layers->files.size(), 4u);
}

TEST_F(PolicyLayersTest, ALinkToTheNullDeviceSwitchesTheNameOff) {
  Write("vendor/a.yaml");
  Link("etc/policy.d/a.yaml", "/dev/null");
  Link("etc/policy.yaml", "/dev/null");
  EXPECT_THAT(ReadNames(), IsEmpty());
  EXPECT_EQ(ReadPolicyLayers(options_)->files[2].state, PolicyFile::State::kSwitchedOff);
  Write("run/policy.d/a.yaml");
  EXPECT_THAT(ReadNames(), ElementsAre("run/policy.d/a.yaml"));
}

TEST_F(PolicyLayersTest, ALinkOnAWayOfOthersSwitchesNothingOff) {
  Write("vendor/a.yaml");
  fs::create_directory(folder_ + "/theirs");
  fs::permissions(folder_ + "/theirs", fs::perms(0777));
  Link("theirs/target.yaml", "/dev/null");
  Link("etc/policy.yaml", folder_ + "/theirs/target.yaml");
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("theirs: may be written by others")));
  fs::remove(folder_ + "/etc/policy.yaml");
  Link("etc/policy.d/a.yaml", folder_ + "/theirs/target.yaml");
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("theirs: may be written by others")));
}

TEST_F(PolicyLayersTest, AMaskedFileIsNotLookedInto) {
  Write("vendor/a.yaml");
  fs::permissions(folder_ + "/vendor/a.yaml", fs::perms(0666));
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("vendor/a.yaml: may be written by others")));
  Write("etc/policy.d/a.yaml");
  EXPECT_THAT(ReadNames(), ElementsAre("etc/policy.d/a.yaml"));
}

TEST_F(PolicyLayersTest, OneFileThatOthersMayWriteRefusesAll) {
  Write("etc/policy.yaml");
  Write("etc/policy.d/a.yaml");
  Write("etc/policy.d/b.yaml");
  fs::permissions(folder_ + "/etc/policy.d/a.yaml", fs::perms(0646));
  fs::permissions(folder_ + "/etc/policy.d/b.yaml", fs::perms(0646));
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("etc/policy.d/a.yaml: may be written by others"),
                                      HasSubstr("etc/policy.d/b.yaml: may be written by others")));
}

TEST_F(PolicyLayersTest, ADirectoryOfDropInsThatOthersMayAddToIsRefusedThoughSticky) {
  Write("etc/policy.d/a.yaml");
  for (const unsigned mode : {0777u, 01777u}) {
    fs::permissions(folder_ + "/etc/policy.d", fs::perms(mode));
    EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("etc/policy.d: may be written by others")));
  }
}

TEST_F(PolicyLayersTest, WhatIsNoRegularFileIsRefused) {
  ::mkfifo((folder_ + "/etc/policy.d/a.yaml").c_str(), 0600);
  fs::create_directory(folder_ + "/etc/policy.d/b.yaml");
  Link("etc/policy.d/c.yaml", "/dev/zero");
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("a.yaml: is not a regular file"), HasSubstr("b.yaml: is not a regular"),
                                      ::testing::AnyOf(HasSubstr("c.yaml: is not a regular"), HasSubstr("/dev/zero"))));
}

TEST_F(PolicyLayersTest, ADanglingLinkIsRefusedAfterLookingAgain) {
  Link("etc/policy.d/a.yaml", "nowhere");
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("a.yaml")));
}

TEST_F(PolicyLayersTest, ALinkIsAsGoodAsTheWayThatItLeads) {
  Write("kept.yaml");
  Link("etc/policy.d/a.yaml", "../../kept.yaml");
  Link("etc/policy.d/b.yaml", folder_ + "/etc/policy.d/a.yaml");
  EXPECT_THAT(ReadNames(), ElementsAre("etc/policy.d/a.yaml", "etc/policy.d/b.yaml"));
  fs::create_directory(folder_ + "/loose");
  Write("loose/kept.yaml");
  fs::permissions(folder_ + "/loose", fs::perms(0777));
  Link("etc/policy.d/c.yaml", "../../loose/kept.yaml");
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("/loose: may be written by others")));
}

TEST_F(PolicyLayersTest, LinksInACircleEnd) {
  Link("etc/policy.d/a.yaml", "b.yaml");
  Link("etc/policy.d/b.yaml", "a.yaml");
  EXPECT_EQ(Refusals().size(), 2u);
}

TEST_F(PolicyLayersTest, AFileOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give a file away";
  Write("etc/policy.d/a.yaml");
  ASSERT_EQ(::chown((folder_ + "/etc/policy.d/a.yaml").c_str(), 65534, 65534), 0);
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("a.yaml: belongs to user 65534")));
}

TEST_F(PolicyLayersTest, ThereAreLimitsForOneFileForAllAndForTheirNumber) {
  const std::string large(200 << 10, '#');
  for (int i = 0; i < 5; i++) Write("etc/policy.d/" + std::to_string(i) + ".yaml", large);
  EXPECT_EQ(ReadNames().size(), 5u);
  Write("run/policy.d/x.yaml", large);
  EXPECT_THAT(Refusals(), ElementsAre("policy: all files together are larger than 1 MiB"));
  fs::remove(folder_ + "/run/policy.d/x.yaml");
  Write("etc/policy.yaml", std::string((256 << 10) + 1, '#'));
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("etc/policy.yaml")));
  Write("etc/policy.yaml");
  for (int i = 0; i < 256; i++) Write("vendor/" + std::to_string(i) + ".yaml");
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("more than 256 policy files")));
}

TEST_F(PolicyLayersTest, APolicyOfTheCommandLineReplacesThemAll) {
  Write("etc/policy.yaml");
  Write("vendor/a.yaml");
  Write("mine.yaml");
  options_.policy = folder_ + "/mine.yaml";
  EXPECT_THAT(ReadNames(), ElementsAre("mine.yaml"));
  options_.policy = folder_ + "/none.yaml";
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("none.yaml: No such file")));
}

TEST_F(PolicyLayersTest, ForLookingOnlyAnybodysFilesAreTaken) {
  Write("etc/policy.yaml");
  Write("vendor/b.yaml");
  fs::permissions(folder_ + "/vendor/b.yaml", fs::perms(0666));
  options_.policy_layers = {folder_ + "/etc/policy.yaml", folder_ + "/vendor"};
  EXPECT_EQ(Refusals().size(), 1u);
  options_.trust = Trust::kAnybody;
  EXPECT_THAT(ReadNames(), ElementsAre("etc/policy.yaml", "vendor/b.yaml"));
}

TEST_F(PolicyLayersTest, ReadPathsHoldWhereLinksLead) {
  Write("kept.yaml");
  Link("etc/policy.d/a.yaml", "../../kept.yaml");
  Link("etc/policy.d/b.yaml", "/dev/null");
  const std::vector<std::string> paths = PolicyReadPaths(options_);
  EXPECT_THAT(paths, testing::Contains(fs::canonical(folder_ + "/kept.yaml").string()));
  EXPECT_THAT(paths, testing::Not(testing::Contains("/dev/null")));
}

}  // namespace
}  // namespace reeve::compile
