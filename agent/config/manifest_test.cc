#include "agent/config/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::config {
namespace {

std::string ReadSource(const std::string& path) {
  return sys::ReadFile(std::string(REEVE_SOURCE_DIR) + "/" + path, 1 << 20).value_or("");
}

std::string Lines(const policy::Diagnostics& diagnostics) {
  std::string lines;
  for (const policy::Diagnostic& diagnostic : diagnostics) lines += diagnostic.ToString() + "\n";
  return lines;
}

Manifest MustParse(const std::string& name, const std::string& text) {
  auto manifest = ParseManifest("/x/" + name + ".plugin.yaml", text);
  EXPECT_TRUE(manifest.has_value()) << Lines(manifest.error());
  return manifest ? *manifest : Manifest();
}

TEST(ManifestTest, ReadsTheManifestOfExec) {
  const Manifest manifest = MustParse("exec", ReadSource("plugins/exec/exec.plugin.yaml"));
  EXPECT_EQ(manifest.id, "org.reeve.exec");
  EXPECT_EQ(manifest.abi_major, 1u);
  ASSERT_EQ(manifest.commands.size(), 4u);
  const CommandSpec& exec = manifest.commands[1];
  EXPECT_EQ(exec.name, "guest-exec");
  EXPECT_EQ(exec.check, ArgumentCheck::kProgram);
  EXPECT_TRUE(exec.Has(kAsksWarden));
  const TypeSpec& arguments = manifest.types[exec.arguments];
  ASSERT_EQ(arguments.members.size(), 5u);
  EXPECT_EQ(arguments.members[1].name, "arg");
  EXPECT_TRUE(arguments.members[1].is_optional);
  const TypeSpec& list = manifest.types[arguments.members[1].type];
  EXPECT_EQ(list.kind, TypeSpec::Kind::kList);
  EXPECT_EQ(manifest.types[list.element].kind, TypeSpec::Kind::kString);
  const TypeSpec& capture = manifest.types[arguments.members[4].type];
  EXPECT_EQ(capture.kind, TypeSpec::Kind::kAlternate);
  EXPECT_EQ(capture.name, "GuestExecCaptureOutput");
  EXPECT_EQ(manifest.types[capture.alternatives[1]].enum_values.size(), 5u);
}

TEST(ManifestTest, ReadsTheManifestsOfFileAndCore) {
  const Manifest file = MustParse("file", ReadSource("plugins/file/file.plugin.yaml"));
  EXPECT_TRUE(file.needs_handle_block);
  EXPECT_EQ(file.commands.size(), 6u);
  EXPECT_EQ(file.sandbox.limits.file_bytes, UINT64_MAX);
  const Manifest core = MustParse("core", ReadSource("agent/config/core.plugin.yaml"));
  EXPECT_TRUE(core.commands[0].Has(kNeverDeniable));
  EXPECT_EQ(core.commands[0].deadline_ms, 0u);
}

TEST(ManifestTest, ReadsTheExamplesOfItsManual) {
  const std::string manual = ReadSource("plugin-api/MANIFEST.md");
  const size_t begin = manual.find("```yaml\n") + 8;
  const Manifest manifest = MustParse("clock", manual.substr(begin, manual.find("```", begin) - begin));
  ASSERT_EQ(manifest.commands.size(), 1u);
  EXPECT_EQ(manifest.commands[0].name, "__com.example_clock-set");
}

TEST(ManifestTest, ReadsWhatAPluginAsksFor) {
  const std::string manual = ReadSource("plugin-api/MANIFEST.md");
  const size_t begin = manual.rfind("```yaml\n") + 8;
  const Manifest manifest = MustParse("clock", "manifest: 1\nid: com.example.c\nversion: 1\nabi: 1.0\ncommands: {}\n" +
                                                   manual.substr(begin, manual.find("```", begin) - begin));
  EXPECT_EQ(manifest.sandbox.capabilities, uint64_t{1} << 25);
  EXPECT_TRUE(manifest.sandbox.wants_host_net);
  ASSERT_EQ(manifest.sandbox.inherited.size(), 4u);
  EXPECT_EQ(manifest.sandbox.inherited[1].name, "proc:loadavg");
  EXPECT_EQ(manifest.sandbox.inherited[3].mode, 0600u);
  EXPECT_EQ(manifest.sandbox.limits.tasks, 32u);
}

struct Mistake {
  std::string text;      // replaces or follows the good head
  std::string expected;  // of the first line
};

TEST(ManifestTest, EachMistakeIsToldWithItsPlace) {
  const std::string head = "manifest: 1\nid: com.example.c\nversion: 1.0\nabi: 1.0\n";
  const std::string good = "commands: {__com.example_a: {deadline: 5s}}\n";
  const std::string own = "manifest: 1\nid: org.reeve.c\nversion: 1.0\nabi: 1.0\n";
  const std::vector<Mistake> mistakes = {
      {"id: x\n", "1:1: a manifest needs 'manifest'"},
      {"manifest: 2\nid: a.b\nversion: 1\nabi: 1.0\ncommands: {}\n", "1:11: manifest must be 1"},
      {"manifest: 1\nid: clock\nversion: 1\nabi: 1.0\ncommands: {}\n",
       "2:5: id must be a domain in reverse, as com.example.clock"},
      {"manifest: 1\nid: a.b\nversion: new\nabi: 1.0\ncommands: {}\n",
       "3:10: version must be numbers with dots, as 0.3.1"},
      {"manifest: 1\nid: a.b\nversion: 1\nabi: 1\ncommands: {}\n", "4:6: abi must be MAJOR.MINOR, as 1.0"},
      {head, "1:1: a manifest needs 'commands'"},
      {head + "comands: {}\n", "5:1: unknown key 'comands' in a manifest; did you mean 'commands'?"},
      {head + "commands: {guest-exec: {deadline: 1s}}\n",
       "5:12: command 'guest-exec' of a vendor must begin with its domain, as __com.example_guest-exec"},
      {own + "commands: {other: {deadline: 1s}}\n", "5:12: command 'other' must begin with guest- or c-"},
      {head + "commands: {__com.example_a: {}}\n", "5:29: command '__com.example_a' needs 'deadline'"},
      {head + "commands: {__com.example_a: {deadline: 5}}\n",
       "5:40: deadline must be a duration with its unit, as '60s' (ms, s, min, h)"},
      {head + "commands: {__com.example_a: {deadline: 5s, flags: [frozen]}}\n",
       "5:52: a flag must be one of changes-state, while-frozen, idempotent, no-success-reply, asks-warden, "
       "secret-input, "
       "never-deniable, program-ends-with-request, not 'frozen'"},
      {head + "commands: {__com.example_a: {deadline: 5s, flags: [program-ends-with-request]}}\n",
       "5:12: program-ends-with-request needs the flag asks-warden"},
      {head + "commands: {__com.example_a: {deadline: 5s, flags: [never-deniable]}}\n",
       "5:52: never-deniable is for Reeve's own commands only"},
      {head + "commands: {__com.example_a: {deadline: 5s, flags: [idempotent, idempotent]}}\n",
       "5:64: flag 'idempotent' stands twice"},
      {head + "commands: {__com.example_a: {deadline: 5s, asks: 3}}\n", "5:50: asks needs the flag asks-warden"},
      {head + "commands: {__com.example_a: {deadline: 5s, asks: 0, flags: [asks-warden]}}\n", "5:50: asks must be "},
      {head + "commands: {__com.example_a: {deadline: 5s, asks: 4097, flags: [asks-warden]}}\n", "5:50: asks must be "},
      {head + "commands: {__com.example_a: {deadline: 5s, check: file}}\n", "5:51: check needs the flag asks-warden"},
      {head + "commands: {__com.example_a: {deadline: 5s, check: file, flags: [asks-warden]}}\n",
       "5:11: command '__com.example_a' has a check but no argument path: str"},
      {head + "commands: {__com.example_a: {deadline: 5s, object: a, arguments: {a: int}}}\n",
       "5:11: command '__com.example_a' has an object but no argument a: str"},
      {head + "commands: {__com.example_a: {deadline: 5s, object: path, check: file, arguments: {path: str}, "
              "flags: [asks-warden]}}\n",
       "5:52: object must not stand beside check"},
      {head + "commands: {__com.example_a: {deadline: 5s, arguments: {a: strng}}}\n", "5:59: unknown type 'strng'"},
      {head + "commands: {__com.example_a: {deadline: 5s, arguments: {a: Foo}}}\n", "5:59: unknown type 'Foo'"},
      {head + "commands: {__com.example_a: {deadline: 5s, arguments: {a: [str, int]}}}\n",
       "5:59: a list's type is written [T]"},
      {head + "commands: {__com.example_a: {deadline: 5s, arguments: {a: str, 'a?': str}}}\n",
       "5:64: member 'a' stands twice"},
      {head + "commands: {__com.example_a: {deadline: 5s, arguments: {'a b': str}}}\n",
       "5:56: 'a b' is no name of a member"},
      {head + "commands: {__com.example_a: {deadline: 5s, arguments: [a]}}\n",
       "5:55: arguments of command '__com.example_a' must be a map"},
      {head + "types: {str: {enum: [a]}}\n" + good, "5:9: 'str' is a type already"},
      {head + "types: {T: {enum: []}}\n" + good, "5:19: enum must list at least one word"},
      {head + "types: {T: {enum: [a, a]}}\n" + good, "5:19: enum lists a word twice"},
      {head + "types: {T: {alternate: [str, base64]}}\n" + good, "5:24: two types of an alternate have one JSON type"},
      {head + "types: {T: {alternate: [T]}}\n" + good, "5:24: an alternate cannot hold an alternate or any"},
      {head + "types: {T: {alternate: [U]}, U: {alternate: [T]}}\n" + good,
       "5:24: an alternate cannot hold an alternate or any"},
      {head + "types: {T: {}}\n" + good, "5:12: type 'T' must be one of enum, object, alternate"},
      {head + good + "sandbox: {memory: 64 MiB}\n", "6:19: memory must be a map, not a word"},
      {head + good + "sandbox: {memory: {limit: 128 MiB}}\n", "6:19: memory needs a 'why'"},
      {head + good + "sandbox: {memory: {limit: 128 MiB, why: ''}}\n", "6:19: memory needs a 'why'"},
      {head + good + "sandbox: {memory: {limit: 128 MiB, why: [x]}}\n", "6:19: memory needs a 'why'"},
      {head + good + "sandbox: {promises: [{promise: rpath}]}\n", "6:22: an entry of promises needs a 'why'"},
      {head + good + "sandbox: {promises: [{promise: freeze, why: x}]}\n",
       "6:32: promise 'freeze' is for org.reeve.fsfreeze only"},
      {head + good + "sandbox: {capabilities: [{capability: SYS_TIM, why: x}]}\n", "6:39: capability must be one of "},
      {head + good + "sandbox: {inherit: [{proc: kcore, why: x}]}\n", "6:28: proc must be one of loadavg"},
      {head + good + "sandbox: {inherit: [{listen: ../x, why: x}]}\n",
       "6:30: listen must be a name of small letters, digits, '-' and '.'"},
      {head + good + "sandbox: {inherit: [{listen: lock, why: x}]}\n",
       "6:30: 'lock' is what the run directory itself has by that name"},
      {head + good + "sandbox: {inherit: [{state: fsfreeze, why: x}]}\n",
       "6:29: state 'fsfreeze', the list of what is frozen, is for org.reeve.fsfreeze only"},
      {head + good + "sandbox: {inherit: [{listen: x, mode: 0600, why: x}]}\n",
       "6:39: mode must be a quoted octal mode, as \"0600\""},
      {head + good + "sandbox: {inherit: [{fd: mountinfo, mode: \"0600\", why: x}]}\n",
       "6:43: mode is for listen only"},
      {head + good + "sandbox: {inherit: [{why: x}]}\n",
       "6:21: an entry of inherit needs one of fd, proc, state, listen"},
      {head + good + "sandbox: {inherit: [{fd: mountinfo, proc: stat, why: x}]}\n",
       "6:21: an entry of inherit needs one of fd, proc, state, listen"},
      {head + good + "sandbox: {paths: [{why: x}]}\n",
       "6:19: an entry of paths needs one of read, read-execute, read-directory, read-write"},
      {head + good + "sandbox: {namespaces: [{host: pid, why: x}]}\n",
       "6:31: host must be one of net, uts, mounts, not 'pid'"},
      {head + good + "sandbox: {paths: [{read: x, why: x}]}\n",
       "6:26: read must be an absolute path without '..', not 'x'"},
      {head + good + "sandbox: {programs: [{program: date}]}\n", "6:22: an entry of programs needs a 'why'"},
      {head + good + "sandbox: {programs: [{program: /bin/date, why: x}]}\n",
       "6:32: program must be a name of small letters, digits, '-' and '.'"},
      {head + good + "sandbox: {programs: [{program: date, standing: yes, why: x}]}\n",
       "6:48: standing must be true or false"},
      {head + good + "sandbox: {programs: [{program: date, why: x}, {program: date, why: x}]}\n",
       "6:47: program 'date' stands twice"},
      {head + good + "sandbox: {programs: [{standing: true, why: x}]}\n", "6:22: an entry of programs needs 'program'"},
      {head + good + "sandbox: {directories: [{directory: ../x, why: x}]}\n",
       "6:37: directory must be a name of small letters, digits, '-' and '.'"},
      {head + good + "sandbox: {directories: [{directory: x}]}\n", "6:25: an entry of directories needs a 'why'"},
      {head + good + "sandbox: {directories: [{directory: x, why: x}, {directory: x, why: x}]}\n",
       "6:49: directory 'x' stands twice"},
      {head + good + "sandbox: {syscalls: [ptrace]}\n",
       "6:11: key 'syscalls' of sandbox is not supported by this version"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto manifest = ParseManifest("c.plugin.yaml", mistake.text);
    ASSERT_FALSE(manifest.has_value()) << mistake.text;
    EXPECT_THAT(Lines(manifest.error()), testing::StartsWith("c.plugin.yaml:" + mistake.expected)) << mistake.text;
  }
}

TEST(ManifestTest, ReadsProgramsDirectoriesAndHowOftenACommandAsks) {
  const Manifest manifest =
      MustParse("c",
                "manifest: 1\nid: a.b\nversion: 1\nabi: 1.0\n"
                "commands: {__a.b_x: {deadline: 1s, flags: [asks-warden], asks: 4096}, __a.b_y: {deadline: 1s}}\n"
                "sandbox: {programs: [{program: date, standing: true, why: w}, {program: '*', why: w}],\n"
                "          directories: [{directory: cpus, why: w}]}\n");
  EXPECT_EQ(manifest.commands[0].asks, 4096u);
  EXPECT_EQ(manifest.commands[1].asks, 1u);
  ASSERT_EQ(manifest.sandbox.programs.size(), 2u);
  EXPECT_TRUE(manifest.sandbox.programs[0].is_standing);
  EXPECT_EQ(manifest.sandbox.programs[1].name, kWhateverIsListed);
  EXPECT_FALSE(manifest.sandbox.programs[1].is_standing);
  EXPECT_THAT(manifest.sandbox.directories, testing::ElementsAre("cpus"));
}

TEST(ManifestTest, TheFileNamesThePlugin) {
  const std::string text = "manifest: 1\nid: a.b\nversion: 1\nabi: 1.0\ncommands: {}\n";
  EXPECT_FALSE(ParseManifest("/x/Clock.plugin.yaml", text).has_value());
  EXPECT_FALSE(ParseManifest("/x/clock.yaml", text).has_value());
  EXPECT_FALSE(ParseManifest("/x/.plugin.yaml", text).has_value());
  EXPECT_TRUE(ParseManifest("clock.plugin.yaml", text).has_value());
}

TEST(ManifestTest, ATypeMayNameItself) {
  const Manifest manifest =
      MustParse("c",
                "manifest: 1\nid: a.b\nversion: 1\nabi: 1.0\ntypes: {Tree: {object: {'kids?': [Tree]}}}\n"
                "commands: {__a.b_x: {deadline: 1s, arguments: {tree: Tree}}}\n");
  EXPECT_EQ(manifest.commands.size(), 1u);
}

}  // namespace
}  // namespace reeve::config
