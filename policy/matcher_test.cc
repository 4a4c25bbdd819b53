#include "policy/matcher.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace reeve::policy {
namespace {

using Kind = Matcher::Kind;

Matcher Literal(std::string text) {
  return {.kind = Kind::kLiteral, .text = std::move(text)};
}
Matcher OneOf(std::vector<std::string> texts) {
  return {.kind = Kind::kOneOf, .texts = std::move(texts)};
}
Matcher Int(int64_t low, int64_t high) {
  return {.kind = Kind::kInt, .minimum = low, .maximum = high};
}
Matcher Under(std::string path) {
  return {.kind = Kind::kPath, .text = std::move(path)};
}
Matcher Equals(std::string path) {
  return {.kind = Kind::kPath, .text = std::move(path), .is_equals = true};
}
Matcher Pattern(std::string regex, uint32_t max) {
  return {.kind = Kind::kRegex, .text = std::move(regex), .max_bytes = max};
}
Matcher Prefix(std::string text) {
  return {.kind = Kind::kPrefix, .text = std::move(text)};
}
Matcher User() {
  return {.kind = Kind::kUsername};
}
Matcher UserExcept(std::vector<std::string> names) {
  return {.kind = Kind::kUsername, .texts = std::move(names)};
}
Matcher Any(uint32_t max) {
  return {.kind = Kind::kAny, .max_bytes = max};
}
Matcher Repeat(Matcher of, int64_t low, int64_t high) {
  return {.kind = Kind::kRepeat, .minimum = low, .maximum = high, .of = {std::move(of)}};
}

std::string WithNul(std::string_view before, std::string_view after) {
  return std::string(before) + '\0' + std::string(after);
}

struct Case {
  Matcher matcher;
  std::string argument;
  bool is_match;
};

void ExpectEach(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const auto matcher = ArgumentMatcher::Create(c.matcher);
    REEVE_ASSERT_OK(matcher);
    EXPECT_EQ(matcher->Matches(c.argument), c.is_match)
        << "kind " << static_cast<int>(c.matcher.kind) << " '" << c.matcher.text << "' on '" << c.argument << "'";
  }
}

TEST(ArgumentMatcherTest, MatchesWhatItNames) {
  ExpectEach({
      {Literal("restart"), "restart", true},
      {Literal("--"), "--", true},
      {Literal("a\nb"), "a\nb", true},
      {OneOf({"a", "-n"}), "-n", true},
      {Int(1, 5000), "1", true},
      {Int(1, 5000), "5000", true},
      {Int(0, 9), "0", true},
      {Under("/var/log"), "/var/log/x/y", true},
      {Under("/"), "/etc", true},
      {Equals("/etc/motd"), "/etc/motd", true},
      {Pattern("[a-z]+", 8), "abc", true},
      {Prefix("--size="), "--size=3", true},
      {Prefix("unit-"), "unit-7", true},
      {User(), "www-data", true},
      {User(), "1st.user", true},
      {User(), "machine$", true},
      {UserExcept({"root", "admin"}), "www-data", true},
      {Any(5), "", true},
      {Any(5), "12345", true},
      {Any(8), "\xc3\xa9", true},
  });
}

// Each of these is a way in that a looser matcher would leave open.
TEST(ArgumentMatcherTest, RefusesAttacks) {
  ExpectEach({
      // bytes after a NUL are cut off by the kernel
      {Literal("restart"), WithNul("restart", ""), false},
      {Literal(WithNul("a", "b")), WithNul("a", "b"), false},
      {OneOf({"a"}), WithNul("a", "--force"), false},
      {Int(1, 9), WithNul("1", "0"), false},
      {Under("/var/log"), WithNul("/var/log/a", "/../../../etc/shadow"), false},
      {Equals("/etc/motd"), WithNul("/etc/motd", ".x"), false},
      {Pattern(".*", 64), WithNul("a", ""), false},
      {Pattern("[^x]*", 64), WithNul("a", "b"), false},
      {Prefix("unit-"), WithNul("unit-", "a"), false},
      {User(), WithNul("root", ""), false},
      {Any(64), WithNul("a", "b"), false},
      // an argument that becomes an option
      {Under("/"), "--config=/etc/shadow", false},
      {Pattern(".*", 64), "-rf", false},
      {Pattern("-?[a-z]+", 64), "-rf", false},
      {Any(64), "-x", false},
      {Any(64), "-", false},
      {Any(64), "--", false},
      {User(), "-root", false},
      {Int(-5, 5), "-5", false},
      {Prefix("u"), "-u", false},
      {OneOf({"a"}), "-a", false},
      // numbers that a program may read differently
      {Int(1, 100), "010", false},
      {Int(1, 100), "+5", false},
      {Int(1, 100), " 5", false},
      {Int(1, 100), "5 ", false},
      {Int(1, 100), "0x10", false},
      {Int(1, 100), "1e1", false},
      {Int(1, 100), "5.0", false},
      {Int(1, 100), "", false},
      {Int(1, 100), "101", false},
      {Int(1, 100), "0", false},
      {Int(1, 100), "18446744073709551617", false},
      {Int(1, 100), "\xd9\xa3", false},  // a digit of another script
      {Int(0, 100), "00", false},
      {Int(0, 100), "5\n", false},
      // paths that lead elsewhere
      {Under("/var/log"), "/var/log/../shadow", false},
      {Under("/var/log"), "/var/log/..", false},
      {Under("/var/log"), "/var/log", false},
      {Under("/var/log"), "/var/log/", false},
      {Under("/var/log"), "/var/logs/x", false},
      {Under("/var/log"), "/var/log//x", false},
      {Under("/var/log"), "/var/log/./x", false},
      {Under("/var/log"), "var/log/x", false},
      {Under("/var/log"), "/var/../var/log/x", false},
      {Under("/var/log"), "//var/log/x", false},
      {Under("/var/log"), "/var/log/x/", false},
      {Under("/var/log"), "/var/log/x\n", false},
      {Under("/var/log"), "/VAR/LOG/x", false},
      {Under("/"), "/", false},
      {Equals("/etc/motd"), "/etc/motd/", false},
      {Equals("/etc/motd"), "/etc//motd", false},
      {Equals("/etc/motd"), "/etc/motd.d", false},
      // expressions are anchored, and `.` is one line
      {Pattern("[a-z]+", 64), "abc;rm", false},
      {Pattern("[a-z]+", 64), "xabc ", false},
      {Pattern("^a$", 64), "a\n", false},
      {Pattern("a|b", 64), "ab", false},
      {Pattern("a|b.*c", 64), "a;c", false},
      {Pattern("(?m)^a$", 64), "a\nb", false},
      {Pattern(".*", 64), "a\nb", false},
      {Pattern("[a-z]*", 3), "abcd", false},
      // names
      {User(), "root:x", false},
      {UserExcept({"root", "admin"}), "root", false},
      {UserExcept({"root", "admin"}), "admin", false},
      {UserExcept({"root", "admin"}), "-x", false},
      {User(), "0", false},
      {User(), "0$", false},
      {User(), "1000", false},
      {User(), "$", false},
      {User(), "a$b", false},
      {User(), "a$$", false},
      {User(), ".a", false},
      {User(), "", false},
      {User(), "a b", false},
      {User(), "../root", false},
      {User(), "root\n", false},
      {User(), std::string(33, 'a'), false},
      // control bytes and length
      {Any(64), "a\nb", false},
      {Prefix("web-"), "web-\x01", false},
      {Prefix("web-"), "web-\n--all", false},
      {Any(64), "\x1b[2J", false},
      {Any(64), "\x7f", false},
      {Any(3), "abcd", false},
      // case and neighbours
      {Literal("restart"), "Restart", false},
      {Literal("restart"), "restart ", false},
      {Literal("restart"), "", false},
      {OneOf({"a", "b"}), "ab", false},
      {Prefix("unit-"), "unit", false},
      {Prefix("unit-"), "xunit-1", false},
      // a repetition is for lists only
      {Repeat(Any(9), 0, 9), "a", false},
  });
}

TEST(ArgumentMatcherTest, LongHostileTextEndsTheExpressionInTime) {
  const auto matcher = ArgumentMatcher::Create(Pattern("(a|b)*", 128 << 10));
  REEVE_ASSERT_OK(matcher);
  EXPECT_TRUE(matcher->Matches(std::string(50'000, 'a')));
  const auto nested = ArgumentMatcher::Create(Pattern("(a*)*(a*)*(a*)*b", 128 << 10));
  REEVE_ASSERT_OK(nested);
  EXPECT_FALSE(nested->Matches(std::string(100'000, 'a')));
}

TEST(ArgumentMatcherTest, RefusesExpressionsBeyondTheBudget) {
  EXPECT_THAT(ArgumentMatcher::Create(Pattern("((a{100}){100}){10}", 64)), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(ArgumentMatcher::Create(Pattern("(", 64)), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(ArgumentMatcher::Create(Pattern("(?=a)b", 64)), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(ArgumentMatcher::Create(Pattern("(a)\\1", 64)), FailsWith(Code::kInvalidArgument));
}

TEST(ArgumentMatcherTest, ADenialAlsoCatchesOptions) {
  const auto matcher = ArgumentMatcher::Create(Pattern("-.*", 64));
  REEVE_ASSERT_OK(matcher);
  EXPECT_FALSE(matcher->Matches("-x"));
  EXPECT_TRUE(matcher->MatchesAlsoOptions("-x"));
}

TEST(ArgumentMatcherTest, ADenialAlsoCatchesControlBytes) {
  const auto any = ArgumentMatcher::Create(Any(9));
  REEVE_ASSERT_OK(any);
  EXPECT_FALSE(any->Matches("a\nb"));
  EXPECT_TRUE(any->MatchesAlsoOptions("a\nb"));
}

bool ListMatches(const std::vector<Matcher>& matchers, const std::vector<std::string>& args) {
  const auto list = ArgumentListMatcher::Create(matchers);
  return list.has_value() && list->Matches(args);
}

TEST(ArgumentListMatcherTest, WantsEachArgumentInItsPlace) {
  const std::vector<Matcher> matchers = {Literal("-n"), Int(1, 9)};
  EXPECT_TRUE(ListMatches(matchers, {"-n", "5"}));
  EXPECT_FALSE(ListMatches(matchers, {"5", "-n"}));
  EXPECT_FALSE(ListMatches(matchers, {"-n"}));
  EXPECT_FALSE(ListMatches(matchers, {"-n", "5", "6"}));
  EXPECT_FALSE(ListMatches(matchers, {"-n5"}));
  EXPECT_FALSE(ListMatches(matchers, {}));
  EXPECT_TRUE(ListMatches({}, {}));
  EXPECT_FALSE(ListMatches({}, {""}));
}

TEST(ArgumentListMatcherTest, ARepetitionCountsWhatIsLeft) {
  const std::vector<Matcher> matchers = {Literal("start"), Repeat(User(), 1, 2)};
  EXPECT_FALSE(ListMatches(matchers, {"start"}));
  EXPECT_TRUE(ListMatches(matchers, {"start", "a"}));
  EXPECT_TRUE(ListMatches(matchers, {"start", "a", "b"}));
  EXPECT_FALSE(ListMatches(matchers, {"start", "a", "b", "c"}));
  EXPECT_FALSE(ListMatches(matchers, {"start", "a", "--force"}));
}

TEST(ArgumentListMatcherTest, RefusesARepetitionThatIsNotLast) {
  EXPECT_THAT(ArgumentListMatcher::Create({Repeat(User(), 0, 2), Literal("x")}), FailsWith(Code::kInvalidArgument));
}

}  // namespace
}  // namespace reeve::policy
