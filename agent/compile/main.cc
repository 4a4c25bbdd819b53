#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "agent/compile/compile.h"
#include "agent/compile/confine.h"
#include "agent/compile/lookups.h"
#include "agent/compile/options.h"
#include "agent/config/blob.h"
#include "base/log.h"
#include "base/sys.h"

// reeve-compile: files into one compiled configuration, in a process that does nothing else and then is gone. Exit code 0:
// done; 2: something in the files is wrong, each on a line of standard error; 1: it could not do its work.

namespace reeve::compile {
namespace {

constexpr int kDone = 0;
constexpr int kCouldNot = 1;
constexpr int kWrong = 2;

int CouldNot(const Error& error) {
  LogError(error.message());
  return kCouldNot;
}

int Wrong(const Problems& problems) {
  for (const std::string& problem : problems) std::fprintf(stderr, "%s\n", problem.c_str());
  return kWrong;
}

// Opened before the files are read: afterwards this process can open nothing for writing.
Result<UniqueFd> OpenOutput(const Options& options) {
  if (options.task != Task::kCompile) return UniqueFd(STDOUT_FILENO);
  if (options.blob_path.empty()) return UniqueFd(options.out_fd);
  return sys::Open(options.blob_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

std::string CommandLines(const config::Config& config) {
  std::string lines;
  for (const config::Plugin& plugin : config.plugins) {
    for (const config::CommandSpec& command : plugin.commands) lines += command.name + "\n";
  }
  return lines;
}

int WriteBlob(const config::Config& config, int fd) {
  const Result<std::vector<uint8_t>> block = config::Encode(config);
  if (!block) return CouldNot(block.error());
  const Status written = sys::WriteAll(fd, *block);
  return written ? kDone : CouldNot(written.error());
}

int WriteText(const std::string& text, int fd) {
  const Status written = sys::WriteAll(fd, AsBytes(text));
  return written ? kDone : CouldNot(written.error());
}

int Work(const Options& options, int out_fd) {
  auto gathered = Gather(options);
  if (!gathered) return Wrong(gathered.error());
  if (options.task == Task::kListLookups) return WriteText(LookupLines(*gathered), out_fd);
  if (options.task == Task::kListCommands) return WriteText(CommandLines(*gathered), out_fd);
  Result<std::string> answers = std::string();
  if (options.lookups_fd >= 0) answers = sys::ReadToEnd(options.lookups_fd, kMaxLookupBytes);
  if (!answers) return CouldNot(answers.error());
  const auto finished = Finish(std::move(*gathered), *answers, options.command_line.ordinary_user);
  if (!finished) return Wrong(finished.error());
  return WriteBlob(*finished, out_fd);
}

int Main(int argc, char** argv) {
  SetLogProcess("reeve-compile");
  const Result<Options> options = ParseOptions(argc, argv);
  if (!options) return CouldNot(options.error());
  const Result<UniqueFd> output = OpenOutput(*options);
  if (!output) return CouldNot(output.error());
  if (const Status confined = Confine(ReadPaths(*options)); !confined) return CouldNot(confined.error());
  return Work(*options, output->get());
}

}  // namespace
}  // namespace reeve::compile

#ifdef REEVE_SANITIZED
// A confined process cannot look for leaks: that takes /proc and ptrace.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "detect_leaks=0";
}
#endif

int main(int argc, char** argv) {
  return reeve::compile::Main(argc, argv);
}
