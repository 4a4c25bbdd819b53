#include "agent/core/own_commands.h"

#include <ranges>

#include "base/json_writer.h"

namespace reeve::core {
namespace {

// The reply's 0xFF, where one is due, is the protocol's business.
Reply Sync(const Request& request) {
  const json::Value* id = request.arguments.Find("id");
  return id != nullptr ? Reply::Return(json::Write(*id))
                       : Reply::Failure(ErrorClass::kGenericError, "Parameter 'id' is missing");
}

const char* BoolText(bool value) {
  return value ? "true" : "false";
}

// Exactly these three members: clients compare whole entries (Ansible's connection plugin does).
void AppendEntry(std::string& json, const Command& command, bool is_enabled) {
  json += "{\"enabled\": ";
  json += BoolText(is_enabled);
  json += ", \"name\": ";
  json::AppendString(json, command.spec->name);
  json += ", \"success-response\": ";
  json += BoolText(!command.spec->Has(config::kNoSuccessReply));
  json += "}";
}

}  // namespace

const std::string& OwnCommands::Info(Asker& asker) {
  const InfoKey key{asker.channel_index, asker.peer.kind, asker.peer_number(), access_.is_frozen()};
  if (info_.empty() || key != info_key_) {
    info_ = InfoText(asker);
    info_key_ = key;
  }
  return info_;
}

std::string OwnCommands::InfoText(Asker& asker) const {
  std::string json = "{\"version\": ";
  json::AppendString(json, config_.guest_info_version);
  json += ", \"supported_commands\": [";
  bool is_first = true;
  // In reverse, as qemu-ga lists them.
  for (const Command& command : std::views::reverse(table_.all())) {
    if (!is_first) json += ", ";
    is_first = false;
    AppendEntry(json, command, access_.IsEnabled(asker, command));
  }
  return json + "]}";
}

Reply OwnCommands::Run(Asker& asker, const Command& command, const Request& request) {
  const std::string& name = command.spec->name;
  if (name == "guest-ping") return Reply::Return("{}");
  if (name == "guest-sync" || name == "guest-sync-delimited") return Sync(request);
  if (name == "guest-info") return Reply::Return(Info(asker));
  // The core's manifest names a command that this build has not got: the installation is mixed.
  return Reply::Failure(ErrorClass::kCommandNotFound, "The command " + name + " has not been found");
}

}  // namespace reeve::core
