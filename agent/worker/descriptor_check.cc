#include "agent/worker/descriptor_check.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>

namespace reeve::worker {
namespace {

Result<std::string> NameOf(const reeve_str& text, const std::string& what) {
  if (text.p == nullptr || text.n == 0) return Fail(Code::kInvalidArgument, what + " is empty");
  if (text.n > kMaxNameBytes) return Fail(Code::kInvalidArgument, what + " is too long");
  const std::string_view view(text.p, text.n);
  if (!std::all_of(view.begin(), view.end(), [](char c) { return c > ' ' && c < 0x7F; }))
    return Fail(Code::kInvalidArgument, what + " has a blank or a byte that is no letter");
  return std::string(view);
}

Status CheckVersions(const reeve_descriptor& descriptor, const Expected& expected) {
  const auto version = [](uint32_t major, uint32_t minor) {
    return std::to_string(major) + "." + std::to_string(minor);
  };
  if (descriptor.abi_major != REEVE_ABI_MAJOR)
    return Fail(Code::kUnsupported, "the plugin is of ABI " + version(descriptor.abi_major, descriptor.abi_minor) +
                                        ", this agent of " + version(REEVE_ABI_MAJOR, REEVE_ABI_MINOR));
  if (descriptor.abi_draft != REEVE_ABI_DRAFT)
    return Fail(Code::kUnsupported, "the plugin was built for draft " + std::to_string(descriptor.abi_draft) +
                                        " of the ABI, which is frozen now: build it again");
  if (descriptor.min_agent_minor > REEVE_ABI_MINOR)
    return Fail(Code::kUnsupported, "the plugin needs an agent of ABI " +
                                        version(descriptor.abi_major, descriptor.min_agent_minor) + " or later");
  if (descriptor.abi_major != expected.abi_major || descriptor.min_agent_minor != expected.abi_min_minor)
    return Fail(Code::kInvalidArgument,
                "the plugin needs ABI " + version(descriptor.abi_major, descriptor.min_agent_minor) +
                    ", its manifest says " + version(expected.abi_major, expected.abi_min_minor));
  return {};
}

Status CheckIdentity(const reeve_descriptor& descriptor, const Expected& expected) {
  const std::string id = REEVE_TRY(NameOf(descriptor.id, "the plugin's id"));
  const std::string version = REEVE_TRY(NameOf(descriptor.version, "the plugin's version"));
  if (id != expected.id)
    return Fail(Code::kInvalidArgument, "the plugin's id is " + id + ", its manifest says " + expected.id);
  if (version != expected.version)
    return Fail(Code::kInvalidArgument,
                "the plugin's version is " + version + ", its manifest says " + expected.version);
  return {};
}

// The array is stepped through by the plugin's own size of an element, which may be larger than ours.
Result<std::unordered_map<std::string, uint32_t>> ReadNames(const reeve_descriptor& descriptor) {
  if (descriptor.command_count == 0 || descriptor.command_count > kMaxCommands || descriptor.commands == nullptr)
    return Fail(Code::kInvalidArgument, "the plugin has no commands, or more than 256");
  const uint32_t stride = descriptor.commands->struct_size;
  if (stride < REEVE_LEAST_COMMAND_SIZE || stride % alignof(reeve_command) != 0 || stride > 4096)
    return Fail(Code::kInvalidArgument, "the size of the plugin's commands is none that a command can have");
  std::unordered_map<std::string, uint32_t> names;
  const char* place = reinterpret_cast<const char*>(descriptor.commands);
  for (uint32_t i = 0; i < descriptor.command_count; ++i, place += stride) {
    reeve_command command{};
    std::memcpy(&command, place, std::min<size_t>(stride, sizeof command));
    if (command.struct_size != stride) return Fail(Code::kInvalidArgument, "the plugin's commands differ in size");
    if (command.reserved != 0) return Fail(Code::kInvalidArgument, "a reserved field of a command is not zero");
    const std::string name = REEVE_TRY(NameOf(command.name, "a command's name"));
    if (!names.emplace(name, i).second)
      return Fail(Code::kInvalidArgument, "the plugin has the command " + name + " twice");
  }
  return names;
}

}  // namespace

Result<Agreed> CheckDescriptor(const reeve_descriptor* descriptor, const Expected& expected) {
  if (descriptor == nullptr) return Fail(Code::kInvalidArgument, "the plugin gave no descriptor");
  // What a later minor adds behind this is there only where struct_size says so.
  if (descriptor->struct_size < REEVE_LEAST_DESCRIPTOR_SIZE)
    return Fail(Code::kInvalidArgument, "the plugin's descriptor is too short");
  REEVE_TRY(CheckVersions(*descriptor, expected));
  REEVE_TRY(CheckIdentity(*descriptor, expected));
  if (descriptor->create == nullptr) return Fail(Code::kInvalidArgument, "the plugin has no create");
  const auto names = REEVE_TRY(ReadNames(*descriptor));
  Agreed agreed{.abi_minor = std::min(descriptor->abi_minor, REEVE_ABI_MINOR), .commands = {}};
  for (const std::string& name : expected.commands) {
    const auto found = names.find(name);
    if (found == names.end())
      return Fail(Code::kInvalidArgument, "the plugin lacks the command " + name + " of its manifest");
    agreed.commands.push_back(found->second);
  }
  // Both lists are free of duplicates, so the same number means the same names.
  if (names.size() != expected.commands.size())
    return Fail(Code::kInvalidArgument, "the plugin has commands that its manifest does not name");
  return agreed;
}

Status CheckPlugin(const reeve_plugin& plugin) {
  if (plugin.struct_size != sizeof(reeve_plugin))
    return Fail(Code::kInvalidArgument, "the plugin changed the size that it was given");
  if (plugin.invoke == nullptr) return Fail(Code::kInvalidArgument, "the plugin has no invoke");
  if (plugin.max_concurrency > kMaxConcurrency)
    return Fail(Code::kInvalidArgument, "the plugin takes more requests at once than any may");
  return {};
}

}  // namespace reeve::worker
