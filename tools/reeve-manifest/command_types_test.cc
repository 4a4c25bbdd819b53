#include "tools/reeve-manifest/command_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// That what is made compiles and works: plugin-api/typed_test.cc.

namespace reeve::manifest_tool {
namespace {

using testing::HasSubstr;

std::string Made(const std::string& rest) {
  const auto manifest =
      config::ParseManifest("c.plugin.yaml", "manifest: 1\nid: com.example.c\nversion: 1\nabi: 1.0\n" + rest);
  EXPECT_TRUE(manifest.has_value()) << manifest.error()[0].ToString();
  const auto made = CommandTypes(*manifest);
  return made ? *made : "refused: " + made.error();
}

std::string WithArguments(const std::string& arguments) {
  return Made("commands: {__com.example_c-get: {deadline: 5s, arguments: {" + arguments + "}}}\n");
}

TEST(CommandTypesTest, AVendorsCommandIsNamedWithoutItsDomain) {
  EXPECT_THAT(WithArguments("a: str"), HasSubstr("struct CGet {\n  std::string a{};\n"));
  EXPECT_THAT(WithArguments("a: str"), HasSubstr("kNames[] = {\"__com.example_c-get\"};"));
}

TEST(CommandTypesTest, AMembersNameThatCppHasTakenGetsALine) {
  EXPECT_THAT(WithArguments("class: str, Members: int, 1a: bool, b-c: any"), HasSubstr(" class_{};"));
  EXPECT_THAT(WithArguments("class: str, Members: int, 1a: bool, b-c: any"), HasSubstr(" Members_{};"));
  EXPECT_THAT(WithArguments("class: str, Members: int, 1a: bool, b-c: any"), HasSubstr("{\"b-c\", &CGet::b_c}"));
  EXPECT_THAT(WithArguments("class: str, Members: int, 1a: bool, b-c: any"), HasSubstr(" n1a{};"));
  EXPECT_THAT(WithArguments("unix: str, co: str"), testing::AllOf(HasSubstr(" unix_{};"), HasSubstr(" co{};")));
}

TEST(CommandTypesTest, TwoNamesThatComeToOneAreRefused) {
  EXPECT_EQ(WithArguments("a-b: str, a_b: str"), "refused: two members of CGet need the C++ name a_b");
  EXPECT_EQ(Made("types: {CGet: {enum: [x]}}\ncommands: {__com.example_c-get: {deadline: 5s}}\n"),
            "refused: command __com.example_c-get needs the C++ name CGet, which another has");
  EXPECT_EQ(Made("types: {E: {enum: [a-b, aB]}}\ncommands: {__com.example_c-get: {deadline: 5s}}\n"),
            "refused: two words of type E need the C++ name kAB");
  EXPECT_EQ(Made("commands: {}\n"), "refused: there is no command");
}

TEST(CommandTypesTest, AWordIsQuotedForCpp) {
  EXPECT_THAT(Made("types: {E: {enum: ['a\"\\\xC3\xA9']}}\ncommands: {__com.example_c-get: {deadline: 5s}}\n"),
              HasSubstr(R"x(kWordsOfE[] = {"a\"\\\303\251"})x"));
}

}  // namespace
}  // namespace reeve::manifest_tool
