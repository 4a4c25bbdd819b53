#include "agent/start/options.h"

#include <initializer_list>

#include "base/testing.h"

namespace reeve::start {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ParsedOptions Parse(std::initializer_list<const char*> words, const char* runtime_directory = nullptr) {
  std::vector<std::string> storage{"reeved"};
  for (const char* word : words) storage.emplace_back(word);
  std::vector<char*> argv;
  for (std::string& word : storage) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseOptions(static_cast<int>(storage.size()), argv.data(), runtime_directory);
}

TEST(OptionsTest, TakesQemuGasLettersAndWords) {
  const auto parsed = Parse({"-m", "unix-listen", "--path=/s", "-t", "/t", "-l/log", "-v"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->method, "unix-listen");
  EXPECT_EQ(parsed.options->path, "/s");
  EXPECT_EQ(parsed.options->run_directory, "/t");
  EXPECT_EQ(parsed.options->log_file, "/log");
  EXPECT_TRUE(parsed.options->is_verbose);
}

TEST(OptionsTest, TakesAbbreviatedLongOptions) {
  const auto parsed = Parse({"--meth", "vsock-listen", "--pat", "3:1234", "--state", "/t", "--l", "/log"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->method, "vsock-listen");
  EXPECT_EQ(parsed.options->run_directory, "/t");
  EXPECT_EQ(parsed.options->log_file, "/log");
}

TEST(OptionsTest, ListsAccumulateAndAreSplitOnCommaOnly) {
  const auto parsed = Parse({"-b", "a,b;c", "-b", ",d,", "-a", "e"});
  ASSERT_TRUE(parsed.options);
  EXPECT_THAT(parsed.options->blocked_commands, ElementsAre("a", "b;c", "d"));
  EXPECT_THAT(parsed.options->allowed_commands, ElementsAre("e"));
}

TEST(OptionsTest, AsksForTheListOfCommands) {
  EXPECT_TRUE(Parse({"-b", "help"}).options->lists_commands);
  EXPECT_TRUE(Parse({"-a", "?"}).options->lists_commands);
  EXPECT_FALSE(Parse({"-a", "guest-ping"}).options->lists_commands);
}

TEST(OptionsTest, IgnoresWordsThatAreNoOptions) {
  const auto parsed = Parse({"stray", "-v", "more"});
  ASSERT_TRUE(parsed.options);
  EXPECT_TRUE(parsed.options->is_verbose);
}

TEST(OptionsTest, RunDirectoryIsTheOptionElseTheServiceManagersElseRunReeve) {
  EXPECT_EQ(Parse({}).options->run_directory, "/run/reeve");
  EXPECT_EQ(Parse({}, "").options->run_directory, "/run/reeve");
  EXPECT_EQ(Parse({}, "/run/mine").options->run_directory, "/run/mine");
  EXPECT_EQ(Parse({"-t", "/t"}, "/run/mine").options->run_directory, "/t");
}

TEST(OptionsTest, RefusesAnUnknownOptionWithQemuGasText) {
  for (const char* word : {"-z", "--nonsense", "-m"}) {
    const auto parsed = Parse({word});
    EXPECT_FALSE(parsed.options) << word;
    EXPECT_EQ(parsed.exit_code, 1) << word;
    EXPECT_EQ(parsed.output, "Unknown option, try 'reeved --help' for more information.\n") << word;
  }
}

TEST(OptionsTest, RefusesAnUnknownMethodAndAMissingPath) {
  EXPECT_THAT(Parse({"-m", "smoke"}).output, HasSubstr("unsupported channel method/type: smoke"));
  EXPECT_THAT(Parse({"-m", "unix-listen"}).output, HasSubstr("must specify a path"));
  EXPECT_EQ(Parse({"-m", "unix-listen"}).exit_code, 1);
}

TEST(OptionsTest, HelpAndVersionEndWithSuccess) {
  EXPECT_THAT(Parse({"-h"}).output, HasSubstr("--method"));
  EXPECT_EQ(Parse({"-h"}).exit_code, 0);
  EXPECT_THAT(Parse({"--version"}).output, HasSubstr("Reeve "));
  EXPECT_EQ(Parse({"-V"}).exit_code, 0);
}

TEST(OptionsTest, TakesPolicyAndPluginDirectory) {
  const auto parsed = Parse({"--policy", "open", "--plugin-dir", "/p", "--etc-dir", "/e"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->policy, "open");
  EXPECT_EQ(parsed.options->plugin_directory, "/p");
  EXPECT_EQ(parsed.options->etc_directory, "/e");
}

}  // namespace
}  // namespace reeve::start
