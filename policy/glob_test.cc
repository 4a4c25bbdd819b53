#include "policy/glob.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace reeve::policy {
namespace {

TEST(GlobTest, StarInANameIsAnyRun) {
  EXPECT_TRUE(MatchesName("*", ""));
  EXPECT_TRUE(MatchesName("guest-*", "guest-exec"));
  EXPECT_TRUE(MatchesName("guest-*-list", "guest-fsfreeze-freeze-list"));
  EXPECT_FALSE(MatchesName("guest-*", "guest"));
  EXPECT_FALSE(MatchesName("guest-exec", "guest-exec-status"));
}

TEST(GlobTest, AnExactNameIsMoreSpecificThanAnyPattern) {
  EXPECT_GT(NameSpecificity("a"), NameSpecificity("guest-exec-statu*"));
  EXPECT_GT(NameSpecificity("guest-*"), NameSpecificity("*"));
}

TEST(GlobTest, StarStaysInItsComponent) {
  EXPECT_TRUE(MatchesPath("*.conf", "a.conf"));
  EXPECT_FALSE(MatchesPath("*.conf", "sub/a.conf"));
  EXPECT_FALSE(MatchesPath("*", "a/b"));
  EXPECT_TRUE(MatchesPath("a?c/*", "abc/x"));
  EXPECT_FALSE(MatchesPath("a?c", "a/c"));
}

TEST(GlobTest, TwoStarsAreAnyNumberOfComponents) {
  EXPECT_TRUE(MatchesPath("**/*.conf", "a.conf"));
  EXPECT_TRUE(MatchesPath("**/*.conf", "x/y/a.conf"));
  EXPECT_TRUE(MatchesPath("/root/**", "/root/.ssh/id"));
  EXPECT_TRUE(MatchesPath("/root/**", "/root"));
  EXPECT_FALSE(MatchesPath("/root/**", "/rooted/x"));
  EXPECT_TRUE(MatchesPath("a/**/b/**/c", "a/x/b/y/z/c"));
  EXPECT_FALSE(MatchesPath("a/**/b", "a/x/b/c"));
}

TEST(GlobTest, NothingIsSpecialInThePath) {
  EXPECT_FALSE(MatchesPath("a", "*"));
  EXPECT_FALSE(MatchesPath("a/b", "**"));
  EXPECT_TRUE(MatchesPath("*", ".hidden"));
}

TEST(GlobTest, MatchingWithManyStarsEnds) {
  const std::string path(4000, 'a');
  EXPECT_FALSE(MatchesPath("*a*a*a*a*a*a*a*a*a*a*b", path));
  std::string deep;
  for (int i = 0; i < 500; i++) deep += "a/";
  EXPECT_FALSE(MatchesPath("**/a/**/a/**/a/**/a/**/b", deep + "c"));
}

TEST(GlobTest, RefusesPatternsThatWouldMeanSomethingElseElsewhere) {
  for (const char* pattern : {"a[bc]", "{a,b}", "a\\*", "a**", "**b", "a//b", "a/", "../x", "a/./b", "", "a/..", "/"}) {
    EXPECT_THAT(CheckPathPattern(pattern), FailsWith(Code::kInvalidArgument)) << pattern;
  }
  for (const char* pattern : {"a", "/etc/shadow", "/root/**", "**", "*", "**/*.conf", "a/b?c"}) {
    EXPECT_THAT(CheckPathPattern(pattern), IsOk()) << pattern;
  }
}

}  // namespace
}  // namespace reeve::policy
