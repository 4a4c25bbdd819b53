#include "agent/core/status_report.h"

#include <algorithm>
#include <cstdio>

#include "agent/wire/packet.h"
#include "base/json_writer.h"

namespace reeve::core {
namespace {

using json::List;
using json::Object;
using json::Value;

Value Text(std::string_view text) {
  return Value(std::string(text));
}

Value Number(uint64_t number) {
  return Value(static_cast<int64_t>(number));
}

Value Number(std::chrono::seconds time) {
  return Value(static_cast<int64_t>(time.count()));
}

Value Texts(const std::vector<std::string>& texts) {
  List list;
  for (const std::string& text : texts) list.push_back(Text(text));
  return Value(std::move(list));
}

Value Words(std::string_view text) {
  List list;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) list.push_back(Text(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return Value(std::move(list));
}

// A member whose text is empty is left out.
void AddUnlessEmpty(Object& object, const char* key, std::string_view text) {
  if (!text.empty()) object.push_back({key, Text(text)});
}

std::string Hex(Bytes bytes) {
  std::string text;
  char digits[3];
  for (const uint8_t byte : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

const char* Word(config::Protocol protocol) {
  switch (protocol) {
    case config::Protocol::kQga:
      return "qga";
    case config::Protocol::kOvirt:
      return "ovirt";
    case config::Protocol::kReeve:
      break;
  }
  return "reeve";
}

const char* Word(config::Transport transport) {
  switch (transport) {
    case config::Transport::kVirtioSerial:
      return "virtio-serial";
    case config::Transport::kIsaSerial:
      return "isa-serial";
    case config::Transport::kUnixListen:
      return "unix";
    case config::Transport::kVsockListen:
      return "vsock";
    case config::Transport::kActivated:
      break;
  }
  return "activated";
}

const char* Word(ChannelStatus::State state) {
  switch (state) {
    case ChannelStatus::State::kListening:
      return "listening";
    case ChannelStatus::State::kFull:
      return "full";
    case ChannelStatus::State::kOpen:
      return "open";
    case ChannelStatus::State::kWaiting:
      return "waiting";
    case ChannelStatus::State::kFailed:
      return "failed";
    case ChannelStatus::State::kStopped:
      break;
  }
  return "stopped";
}

const char* Word(WorkerStatus::State state) {
  switch (state) {
    case WorkerStatus::State::kDisabled:
      return "disabled";
    case WorkerStatus::State::kStopped:
      return "stopped";
    case WorkerStatus::State::kStarting:
      return "starting";
    case WorkerStatus::State::kServing:
      return "serving";
    case WorkerStatus::State::kStopping:
      return "stopping";
    case WorkerStatus::State::kDelayed:
      return "delayed";
    case WorkerStatus::State::kQuarantined:
      break;
  }
  return "quarantined";
}

const char* Word(policy::BaseProfile profile) {
  switch (profile) {
    case policy::BaseProfile::kMinimal:
      return "minimal";
    case policy::BaseProfile::kStandard:
      return "standard";
    case policy::BaseProfile::kOpen:
      break;
  }
  return "open";
}

// What an administrator should look at.
std::vector<std::string> Problems(const StatusSources& sources) {
  std::vector<std::string> problems;
  if (!sources.facts.policy_note.empty()) problems.push_back(sources.facts.policy_note);
  for (const ChannelStatus& channel : sources.channels) {
    if (channel.state != ChannelStatus::State::kFailed) continue;
    problems.push_back("channel " + sources.config.channels[channel.channel].name + ": " + channel.why);
  }
  for (const WorkerStatus& worker : sources.workers) {
    if (worker.state == WorkerStatus::State::kQuarantined)
      problems.push_back("plugin " + worker.plugin + " is quarantined: " + worker.note);
  }
  return problems;
}

Value Policy(const StatusSources& sources) {
  const policy::Policy& policy = sources.config.policy;
  Object object;
  object.push_back({"profile", Text(Word(policy.profile))});
  AddUnlessEmpty(object, "name", policy.name);
  object.push_back({"file", Text(policy.default_origin.file)});
  object.push_back({"generation", Number(sources.config.generation)});
  object.push_back({"is-as-written", Value(sources.facts.policy_note.empty())});
  object.push_back({"warnings", Texts(sources.config.warnings)});
  return Value(std::move(object));
}

Value Freeze(const StatusSources& sources) {
  Object object;
  object.push_back({"is-frozen", Value(sources.frozen_for.has_value())});
  if (sources.frozen_for) object.push_back({"seconds", Number(*sources.frozen_for)});
  if (sources.thaws_in) object.push_back({"seconds-left", Number(*sources.thaws_in)});
  if (const auto& last = sources.last_freeze)
    object.push_back({"last", Value(Object{{"why", Text(last->why)},
                                           {"seconds", Number(last->lasted)},
                                           {"seconds-ago", Number(last->ago)}})});
  return Value(std::move(object));
}

Value Channels(const StatusSources& sources) {
  List list;
  for (const ChannelStatus& status : sources.channels) {
    const config::Channel& channel = sources.config.channels[status.channel];
    Object object;
    object.push_back({"name", Text(channel.name)});
    object.push_back({"protocol", Text(Word(channel.protocol))});
    object.push_back({"transport", Text(Word(channel.transport))});
    object.push_back({"path", Text(channel.path)});
    object.push_back({"state", Text(Word(status.state))});
    object.push_back({"clients", Number(status.client_count)});
    AddUnlessEmpty(object, "why", status.why);
    list.emplace_back(std::move(object));
  }
  return Value(std::move(list));
}

uint32_t UidOf(const config::Config& config, const std::string& plugin) {
  const auto found = std::ranges::find(config.plugins, plugin, &config::Plugin::name);
  return found == config.plugins.end() ? 0 : found->sandbox.uid;
}

Value Process(std::string name, uint32_t pid, uint32_t uid) {
  return Value(Object{{"name", Value(std::move(name))}, {"pid", Number(pid)}, {"uid", Number(uid)}});
}

Value Processes(const StatusSources& sources) {
  const wire::StatusFacts& facts = sources.facts;
  List list;
  if (facts.warden_pid != 0) list.push_back(Process("reeved", facts.warden_pid, facts.warden_uid));
  if (facts.core_pid != 0) list.push_back(Process("reeve-core", facts.core_pid, sources.config.core.uid));
  if (facts.log_pid != 0) list.push_back(Process("reeve-log", facts.log_pid, sources.config.log_process.uid));
  for (const WorkerStatus& worker : sources.workers) {
    if (worker.pid == 0) continue;
    list.push_back(Process("reeve-worker " + worker.plugin, worker.pid, UidOf(sources.config, worker.plugin)));
  }
  return Value(std::move(list));
}

Value Core(const wire::StatusFacts& facts) {
  Object object;
  object.push_back({"starts", Number(facts.core_start_count)});
  AddUnlessEmpty(object, "last-end", facts.last_core_end);
  return Value(std::move(object));
}

std::vector<std::string> Missing(const StatusSources& sources) {
  std::vector<std::string> missing = sources.facts.missing;
  if (sources.config.is_unprivileged)
    missing.emplace_back("root: only filters and Landlock keep processes from each other and from the user's files");
  return missing;
}

Value Sandbox(const StatusSources& sources) {
  const wire::StatusFacts& facts = sources.facts;
  Object object;
  object.push_back({"is-privileged", Value(!sources.config.is_unprivileged)});
  object.push_back({"seccomp", Value(!sources.config.core.run_filter.empty())});
  object.push_back({"landlock", Number(facts.landlock_level)});
  object.push_back({"control-groups", Value(facts.has_cgroup)});
  object.push_back({"controllers", Words(facts.controllers)});
  object.push_back({"missing", Texts(Missing(sources))});
  return Value(std::move(object));
}

Value Plugin(const StatusSources& sources, const WorkerStatus& worker) {
  Object object;
  object.push_back({"name", Text(worker.plugin)});
  object.push_back({"version", Text(worker.version)});
  object.push_back({"state", Text(Word(worker.state))});
  AddUnlessEmpty(object, "note", worker.note);
  if (worker.pid != 0) object.push_back({"pid", Number(worker.pid)});
  object.push_back({"uid", Number(UidOf(sources.config, worker.plugin))});
  object.push_back({"held", Number(worker.held)});
  object.push_back({"in-flight", Number(worker.in_flight)});
  object.push_back({"starts", Number(worker.start_count)});
  object.push_back({"crashes", Number(worker.crash_count)});
  object.push_back({"refused-requests", Number(worker.refused_requests)});
  if (worker.last_crash) {
    const auto ago = static_cast<uint64_t>(worker.last_crash->ago.count());
    object.push_back(
        {"last-crash", Value(Object{{"text", Text(worker.last_crash->text)}, {"seconds-ago", Number(ago)}})});
  }
  return Value(std::move(object));
}

Value Plugins(const StatusSources& sources) {
  List list;
  for (const WorkerStatus& worker : sources.workers) list.push_back(Plugin(sources, worker));
  return Value(std::move(list));
}

}  // namespace

std::string StatusReport(const StatusSources& sources) {
  const std::vector<std::string> problems = Problems(sources);
  Object object;
  object.push_back({"version", Text(REEVE_VERSION)});
  object.push_back({"build", Text(Hex(wire::BuildId()))});
  object.push_back({"state", Text(problems.empty() ? "running" : "degraded")});
  object.push_back({"problems", Texts(problems)});
  object.push_back({"started-at", Value(sources.facts.started_at_s)});
  object.push_back({"run-directory", Text(sources.config.run_directory)});
  object.push_back({"policy", Policy(sources)});
  object.push_back({"freeze", Freeze(sources)});
  object.push_back({"channels", Channels(sources)});
  object.push_back({"processes", Processes(sources)});
  object.push_back({"core", Core(sources.facts)});
  object.push_back({"sandbox", Sandbox(sources)});
  object.push_back({"plugins", Plugins(sources)});
  return json::Write(Value(std::move(object)));
}

}  // namespace reeve::core
