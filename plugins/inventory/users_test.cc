#include "plugins/inventory/users.h"

#include <utmp.h>

#include <cstring>

#include "base/testing.h"

namespace reeve::inventory {
namespace {

void Append(std::string& file, short type, const std::string& user, int32_t seconds, int32_t microseconds = 0) {
  ::utmp record{};
  record.ut_type = type;
  std::memcpy(record.ut_user, user.data(), std::min(user.size(), sizeof record.ut_user));
  record.ut_tv.tv_sec = seconds;
  record.ut_tv.tv_usec = microseconds;
  file += AsText(BytesOf(record));
}

TEST(UsersTest, EachUserIsThereOnceWithTheEarliestLogin) {
  std::string file;
  Append(file, USER_PROCESS, "b", 200, 500'000);
  Append(file, USER_PROCESS, "a", 300);
  Append(file, USER_PROCESS, "b", 100, 250'000);
  Append(file, USER_PROCESS, "b", 150);
  const auto users = UsersIn(AsBytes(file));
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].user, "b");
  EXPECT_EQ(users[0].login_time, 100.25);
  EXPECT_EQ(users[1].user, "a");
}

TEST(UsersTest, OnlyLoginsCount) {
  std::string file;
  for (const int type : {EMPTY, RUN_LVL, BOOT_TIME, INIT_PROCESS, LOGIN_PROCESS, DEAD_PROCESS}) {
    Append(file, static_cast<short>(type), "x", 1);
  }
  EXPECT_TRUE(UsersIn(AsBytes(file)).empty());
}

TEST(UsersTest, ANameOfFullLengthEndsWithItsField) {
  std::string file;
  Append(file, USER_PROCESS, std::string(UT_NAMESIZE, 'x'), 1);
  EXPECT_EQ(UsersIn(AsBytes(file)).at(0).user, std::string(UT_NAMESIZE, 'x'));
}

TEST(UsersTest, ACutRecordIsNone) {
  std::string file;
  Append(file, USER_PROCESS, "whole", 1);
  Append(file, USER_PROCESS, "cut", 1);
  file.pop_back();
  EXPECT_EQ(UsersIn(AsBytes(file)).size(), 1u);
  EXPECT_TRUE(UsersIn({}).empty());
}

}  // namespace
}  // namespace reeve::inventory
