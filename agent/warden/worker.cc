#include "agent/warden/worker.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <utility>

#include "agent/config/blob.h"
#include "agent/wire/ring.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

static_assert(wire::kCoreSocketFd == sandbox::kFirstExtraFd, "one number, said in two rooms");

wire::StartRecord RecordFor(const config::Config& config, const Worker& worker, uint64_t handle_base,
                            std::string plugin_path) {
  const config::Plugin& plugin = config.plugins[worker.plugin];
  wire::StartRecord record;
  record.name = plugin.name;
  record.id = plugin.id;
  record.version = plugin.version;
  record.abi_major = plugin.abi_major;
  record.abi_min_minor = plugin.abi_min_minor;
  record.worker = worker.id;
  record.generation = config.generation;
  record.handle_base = handle_base;
  record.handle_count = plugin.needs_handle_block ? kHandleBlock : 0;
  record.plugin_path = std::move(plugin_path);
  record.settings_json = plugin.settings_json;
  record.locks_memory = plugin.sandbox.locks_memory;
  record.freezes = plugin.sandbox.Has(policy::Promise::kFreeze);
  record.load_filter = plugin.sandbox.load_filter;
  record.run_filter = plugin.sandbox.run_filter;
  for (const config::CommandSpec& command : plugin.commands) record.commands.push_back(command.name);
  for (const policy::InheritedFd& inherited : plugin.sandbox.inherited)
    record.inherited_names.push_back(inherited.name);
  return record;
}

std::string PluginPathFor(const config::Plugin& plugin) {
  sandbox::ChildPlan plan;
  plan.profile = &plugin.sandbox;
  plan.plugin_fd = 0;  // there is one
  plan.plugin_path = plugin.library_path;
  return sandbox::PluginPathIn(plan);
}

}  // namespace

Result<UniqueFd> SetUpWorker(const config::Config& config, Worker& worker, PreparedFiles files, ConfinedSetup& setup,
                             UniqueFd& log_pipe) {
  const config::Plugin& plugin = config.plugins[worker.plugin];
  setup.profile = &plugin.sandbox;
  setup.argv = {"reeve-worker", plugin.name};
  setup.run_directory = config.run_directory;
  setup.plugin_path = plugin.library_path;
  const std::string plugin_path = PluginPathFor(plugin);
  const wire::StartRecord record = RecordFor(config, worker, files.handle_base, plugin_path);
  setup.files = std::move(files);

  sys::TwoFds control = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  sys::TwoFds core = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  sys::TwoFds log = REEVE_TRY(sys::Pipe());
  worker.ring_to = REEVE_TRY(wire::MakeRing(wire::kRingBytes));
  worker.ring_from = REEVE_TRY(wire::MakeRing(wire::kRingBytes));
  worker.core_socket = std::move(core.first);
  log_pipe = std::move(log.first);
  const std::vector<uint8_t> record_bytes = REEVE_TRY(wire::Encode(record));
  setup.Place(std::move(log.second), STDERR_FILENO);
  setup.Place(std::move(control.second), sandbox::kControlFd);
  setup.Place(REEVE_TRY(sys::Duplicate(worker.ring_to.get())), sandbox::kRingInFd);
  setup.Place(REEVE_TRY(sys::Duplicate(worker.ring_from.get())), sandbox::kRingOutFd);
  setup.Place(REEVE_TRY(config::ToSealedFile(record_bytes)), sandbox::kPolicyFd);
  setup.Place(std::move(core.second), wire::kCoreSocketFd);
  return std::move(control.first);
}

std::string EndInWords(int wait_status) {
  if (WIFEXITED(wait_status)) return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  if (signal == SIGSYS) return "killed by its seccomp filter";
  return "killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

}  // namespace reeve::warden
