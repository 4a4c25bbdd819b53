#include "agent/start/ordinary_user.h"

#include <map>

#include "base/testing.h"

namespace reeve::start {
namespace {

using Variables = std::map<std::string, std::string>;

EnvironmentReader Reader(const Variables& variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

const Variables kSession{{"XDG_RUNTIME_DIR", "/run/user/7"}, {"HOME", "/home/me"}};

TEST(OrdinaryUserTest, RootServesAsBefore) {
  Options options;
  REEVE_ASSERT_OK(SettleUser(0, Reader(kSession), options));
  EXPECT_EQ(options.run_directory, kDefaultRunDirectory);
  EXPECT_EQ(options.state_directory, kDefaultStateDirectory);
}

TEST(OrdinaryUserTest, RootIsRefusedTheOption) {
  Options options;
  options.is_unprivileged = true;
  EXPECT_THAT(SettleUser(0, Reader(kSession), options), FailsWith(Code::kInvalidArgument));
}

TEST(OrdinaryUserTest, AUserWithoutTheOptionIsRefused) {
  Options options;
  EXPECT_THAT(SettleUser(7, Reader(kSession), options), FailsWith(Code::kDenied));
}

TEST(OrdinaryUserTest, AUserGetsDirectoriesOfHisOwn) {
  Options options;
  options.is_unprivileged = true;
  REEVE_ASSERT_OK(SettleUser(7, Reader(kSession), options));
  EXPECT_EQ(options.run_directory, "/run/user/7/reeve");
  EXPECT_EQ(options.state_directory, "/home/me/.local/state/reeve");
  EXPECT_EQ(options.home, "/home/me");
}

TEST(OrdinaryUserTest, DirectoriesThatWereGivenStay) {
  Options options;
  options.is_unprivileged = true;
  options.run_directory = "/srv/run";
  options.state_directory = "/srv/state";
  REEVE_ASSERT_OK(SettleUser(7, Reader({}), options));
  EXPECT_EQ(options.run_directory, "/srv/run");
  EXPECT_EQ(options.state_directory, "/srv/state");
}

TEST(OrdinaryUserTest, WithoutARuntimeDirectoryOneMustBeGiven) {
  Options options;
  options.is_unprivileged = true;
  EXPECT_THAT(SettleUser(7, Reader({{"HOME", "/home/me"}}), options), FailsWith(Code::kInvalidArgument));
}

}  // namespace
}  // namespace reeve::start
