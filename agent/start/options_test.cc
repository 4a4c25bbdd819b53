#include "agent/start/options.h"

#include <initializer_list>

#include "base/testing.h"

namespace reeve::start {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;
using testing::StartsWith;

class Words {
 public:
  explicit Words(std::initializer_list<const char*> words) : storage_{"reeved"} {
    for (const char* word : words) storage_.emplace_back(word);
    for (std::string& word : storage_) argv_.push_back(word.data());
    argv_.push_back(nullptr);
  }
  int argc() const { return static_cast<int>(storage_.size()); }
  char** argv() { return argv_.data(); }

 private:
  std::vector<std::string> storage_;
  std::vector<char*> argv_;
};

ParsedOptions Parse(std::initializer_list<const char*> given, Options options = {}) {
  Words words(given);
  return ParseOptions(words.argc(), words.argv(), std::move(options));
}

Options Channel(const std::string& method, const std::string& path = "") {
  Options options;
  options.method = method;
  options.path = path;
  return options;
}

TEST(OptionsTest, TakesQemuGasLetters) {
  const auto parsed =
      Parse({"-m", "unix-listen", "-p/s", "-l", "/log", "-f/pid", "-F/hook", "-t", "/t", "-vdrD", "-s", "x"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->method, "unix-listen");
  EXPECT_EQ(parsed.options->path, "/s");
  EXPECT_THAT(parsed.options->log_file, Optional(std::string("/log")));
  EXPECT_EQ(parsed.options->pid_file, "/pid");
  EXPECT_THAT(parsed.options->fsfreeze_hook, Optional(std::string("/hook")));
  EXPECT_EQ(parsed.options->run_directory, "/t");
  EXPECT_TRUE(parsed.options->is_verbose);
  EXPECT_TRUE(parsed.options->is_daemon);
  EXPECT_TRUE(parsed.options->retries_path);
  EXPECT_TRUE(parsed.options->dumps_configuration);
}

TEST(OptionsTest, TakesQemuGasWordsAlsoAbbreviated) {
  for (const auto& parsed :
       {Parse({"--method=unix-listen", "--path=/s", "--logfile=/log", "--pidfile=/pid", "--fsfreeze-hook=/hook",
               "--statedir=/t", "--verbose", "--daemonize", "--retry-path", "--dump-conf", "--config=/c"}),
        Parse({"--m", "unix-listen", "--pa", "/s", "--l", "/log", "--pi", "/pid", "--f=/hook", "--st", "/t", "--verb",
               "--da", "--r", "--du", "--c", "/c"})}) {
    ASSERT_TRUE(parsed.options) << parsed.output;
    EXPECT_EQ(parsed.options->method, "unix-listen");
    EXPECT_EQ(parsed.options->path, "/s");
    EXPECT_THAT(parsed.options->log_file, Optional(std::string("/log")));
    EXPECT_EQ(parsed.options->pid_file, "/pid");
    EXPECT_THAT(parsed.options->fsfreeze_hook, Optional(std::string("/hook")));
    EXPECT_EQ(parsed.options->run_directory, "/t");
    EXPECT_TRUE(parsed.options->is_verbose && parsed.options->is_daemon && parsed.options->retries_path &&
                parsed.options->dumps_configuration);
  }
}

TEST(OptionsTest, AHookIsAttachedOrTheDefaultOne) {
  EXPECT_EQ(Parse({}).options->fsfreeze_hook, std::nullopt);
  EXPECT_THAT(Parse({"-F"}).options->fsfreeze_hook, Optional(std::string("/etc/qemu/fsfreeze-hook")));
  EXPECT_THAT(Parse({"-F", "/x"}).options->fsfreeze_hook, Optional(std::string("/etc/qemu/fsfreeze-hook")));
  EXPECT_THAT(Parse({"--fsfreeze-hook"}).options->fsfreeze_hook, Optional(std::string("/etc/qemu/fsfreeze-hook")));
}

TEST(OptionsTest, ListsAccumulateEachInReverse) {
  Options file;
  file.blocked_commands = {"x"};
  const auto parsed = Parse({"-b", "a,b;c", "-b", ",d,", "-b", "", "--blacklist=e", "-a", "f"}, file);
  ASSERT_TRUE(parsed.options);
  EXPECT_THAT(parsed.options->blocked_commands, ElementsAre("x", "b;c", "a", "", "d", "", "e"));
  EXPECT_THAT(parsed.options->allowed_commands, ElementsAre("f"));
}

TEST(OptionsTest, AsksForTheListOfCommands) {
  EXPECT_TRUE(Parse({"-b", "help"}).options->lists_commands);
  EXPECT_TRUE(Parse({"-a", "?"}).options->lists_commands);
  EXPECT_FALSE(Parse({"-a", "guest-ping"}).options->lists_commands);
  EXPECT_FALSE(Parse({"-b", "help,guest-ping"}).options->lists_commands);
}

TEST(OptionsTest, IgnoresWordsThatAreNoOptions) {
  const auto parsed = Parse({"stray", "", "-v", "more"});
  ASSERT_TRUE(parsed.options);
  EXPECT_TRUE(parsed.options->is_verbose);
}

TEST(OptionsTest, TheCommandLineStandsOverTheFile) {
  Options file = Channel("isa-serial", "/dev/ttyS1");
  file.run_directory = "/file";
  file.is_verbose = true;
  const auto parsed = Parse({"-p", "/dev/ttyS2"}, file);
  EXPECT_EQ(parsed.options->method, "isa-serial");
  EXPECT_EQ(parsed.options->path, "/dev/ttyS2");
  EXPECT_EQ(parsed.options->run_directory, "/file");
  EXPECT_TRUE(parsed.options->is_verbose);
}

TEST(OptionsTest, TheFirstLookFindsTheLastConfigurationFileAmongAnything) {
  Words words({"-m", "-c", "-z", "--nonsense", "-c/a", "x", "--config", "/b", "-v"});
  EXPECT_THAT(ConfigurationFileOption(words.argc(), words.argv()), Optional(std::string("/b")));
  Words none({"-m", "-c"});
  EXPECT_EQ(ConfigurationFileOption(none.argc(), none.argv()), std::nullopt);
}

TEST(OptionsTest, RefusesAnUnknownOptionWithQemuGasText) {
  for (const char* word : {"-z", "--nonsense", "-m", "-s", "--service=x", "--p"}) {
    const auto parsed = Parse({word});
    EXPECT_FALSE(parsed.options) << word;
    EXPECT_EQ(parsed.exit_code, 1) << word;
    EXPECT_EQ(parsed.output, "Unknown option, try 'reeved --help' for more information.\n") << word;
  }
}

TEST(OptionsTest, HelpAndVersionEndWithSuccessAtOnce) {
  EXPECT_THAT(Parse({"-h", "-z"}).output, StartsWith("Usage: reeved [-m <method> -p <path>] [<options>]\n"));
  EXPECT_EQ(Parse({"-h"}).exit_code, 0);
  EXPECT_EQ(Parse({"-V", "-z"}).output, "Reeve " REEVE_VERSION "\n");
  EXPECT_EQ(Parse({"--version"}).exit_code, 0);
}

TEST(OptionsTest, HelpNamesEachOption) {
  const std::string usage = Parse({"-h"}).output;
  for (const char* option :
       {"-c, --config",        "-m, --method",     "-p, --path",      "-l, --logfile",   "-f, --pidfile",
        "-F, --fsfreeze-hook", "-t, --statedir",   "-v, --verbose",   "-d, --daemonize", "-r, --retry-path",
        "-b, --block-rpcs",    "-a, --allow-rpcs", "-D, --dump-conf", "-V, --version",   "-h, --help",
        " --policy",           " --plugin-dir",    " --etc-dir",      " --var-dir",      " --exec-dir"})
    EXPECT_THAT(usage, HasSubstr(option));
}

TEST(OptionsTest, TakesReevesOwn) {
  const auto parsed =
      Parse({"--policy", "open", "--plugin-dir", "/p", "--etc-dir", "/e", "--var-dir", "/v", "--exec-dir", "/x"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->policy, "open");
  EXPECT_EQ(parsed.options->plugin_directory, "/p");
  EXPECT_EQ(parsed.options->etc_directory, "/e");
  EXPECT_EQ(parsed.options->state_directory, "/v");
  EXPECT_EQ(parsed.options->binary_directory, "/x");
}

TEST(CompleteTest, FillsInTheMethodAndItsPath) {
  Options none;
  ASSERT_THAT(Complete(none, ""), IsOk());
  EXPECT_EQ(none.method, "virtio-serial");
  EXPECT_EQ(none.path, "/dev/virtio-ports/org.qemu.guest_agent.0");
  EXPECT_FALSE(none.names_channel);
  Options terminal = Channel("isa-serial");
  ASSERT_THAT(Complete(terminal, ""), IsOk());
  EXPECT_EQ(terminal.path, "/dev/ttyS0");
  EXPECT_TRUE(terminal.names_channel);
  Options port = Channel("", "/dev/vport0p1");
  ASSERT_THAT(Complete(port, ""), IsOk());
  EXPECT_EQ(port.method, "virtio-serial");
  EXPECT_TRUE(port.names_channel);
}

TEST(CompleteTest, OtherMethodsNeedAPath) {
  for (const char* method : {"unix-listen", "vsock-listen", "smoke"}) {
    Options options = Channel(method);
    EXPECT_THAT(Complete(options, ""), FailsSaying("must specify a path for this channel")) << method;
  }
}

TEST(CompleteTest, ASocketOfTheServiceManagerStandsForMethodAndPath) {
  Options options = Channel("vsock-listen", "3:1");
  ASSERT_THAT(Complete(options, "unix-listen"), IsOk());
  EXPECT_EQ(options.method, "unix-listen");
  EXPECT_EQ(options.path, "");
  EXPECT_FALSE(options.names_channel);
}

TEST(CompleteTest, AnUnknownMethodIsRefused) {
  EXPECT_THAT(CheckMethod(Channel("smoke")), FailsSaying("unsupported channel method/type: smoke"));
  for (const char* method : {"virtio-serial", "isa-serial", "unix-listen", "vsock-listen"})
    EXPECT_THAT(CheckMethod(Channel(method)), IsOk());
}

}  // namespace
}  // namespace reeve::start
