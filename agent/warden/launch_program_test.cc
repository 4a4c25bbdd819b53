#include "agent/warden/launch_program.h"

#include "base/testing.h"

namespace reeve::warden {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using Words = std::vector<std::string>;

const Words kInherited = {"PATH=/sbin", "NOTIFY_SOCKET=/run/n", "LISTEN_FDS=1", "INVOCATION_ID=1", "TZ=UTC"};

TEST(EnvironmentForTest, UnderOpenTheWardensOwnWithoutWhatTheServiceManagerTold) {
  policy::ProgramRule rule;
  rule.inherits_environment = true;
  EXPECT_THAT(EnvironmentFor(rule, {}, false, kInherited), ElementsAre("PATH=/sbin", "TZ=UTC"));
}

TEST(EnvironmentForTest, UnderOpenTheHostsListReplacesAllOfItAndAnEmptyOneIsEmpty) {
  policy::ProgramRule rule;
  rule.inherits_environment = true;
  EXPECT_THAT(EnvironmentFor(rule, {"no equals sign", "A=1"}, true, kInherited), ElementsAre("no equals sign", "A=1"));
  EXPECT_THAT(EnvironmentFor(rule, {}, true, kInherited), IsEmpty());
}

TEST(EnvironmentForTest, ARuleGivesAFixedOneAndNothingOfTheHostThatItDoesNotName) {
  policy::ProgramRule rule;
  rule.as.home = "/var/lib/x";
  rule.env_keep = {"LANG", "TERM"};
  rule.env_set = {{"TERM", "dumb"}, {"X", "1"}};
  const Words environment =
      EnvironmentFor(rule, {"LD_PRELOAD=/evil.so", "LANG=de_DE", "TERM=xterm", "PATH=/evil", "TERM"}, true, kInherited);
  EXPECT_THAT(environment, ElementsAre(testing::StartsWith("PATH=/usr/local/sbin:"), "HOME=/var/lib/x", "LANG=de_DE",
                                       "TERM=dumb", "X=1"));
}

TEST(SearchPathForTest, TheHostsPathWinsThenTheWardensThenExecvps) {
  EXPECT_EQ(SearchPathFor({"PATH=/a"}, kInherited), "/a");
  EXPECT_EQ(SearchPathFor({"PATHS=/a"}, kInherited), "/sbin");
  EXPECT_EQ(SearchPathFor({}, {}), "/bin:/usr/bin:.");
}

TEST(CandidatesTest, ANameWithASlashIsItself) {
  EXPECT_THAT(Candidates("./x", "/a:/b"), ElementsAre("./x"));
}

TEST(CandidatesTest, ANameIsLookedForInEachDirectoryInOrder) {
  EXPECT_THAT(Candidates("x", "/a::/b"), ElementsAre("/a/x", "x", "/b/x"));
  EXPECT_THAT(Candidates("", "/a"), IsEmpty());
}

}  // namespace
}  // namespace reeve::warden
