#include "agent/config/manifest_sandbox.h"

#include <algorithm>

#include "agent/config/words.h"
#include "policy/policy.h"

namespace reeve::config {
namespace {

using policy::MapSchema;
using policy::SchemaReader;
using policy::YamlNode;
using FdKind = policy::InheritedFd::Kind;

constexpr int64_t kMaxOpenFiles = 1 << 16;
constexpr int64_t kMaxTasks = 1024;
// State and socket names stand in the run directory: one component.
constexpr size_t kMaxNameBytes = 64;

struct BuiltInPromise {
  policy::Promise promise;
  const char* id;
};
constexpr char kFreezer[] = "org.reeve.fsfreeze";
constexpr BuiltInPromise kBuiltInPromises[] = {{policy::Promise::kFreeze, kFreezer},
                                               {policy::Promise::kSetClock, "org.reeve.system"}};

// Whoever starts after a freeze thaws by it (storage/freeze_list.h).
constexpr std::string_view kFreezeList = "fsfreeze";
// A socket of a plugin would be made in its place.
constexpr std::string_view kRunNames[] = {"lock",  "reeved.lock", "control",   "state",
                                          "empty", "policy.d",    "qga.state", "qga.state.isfrozen"};

constexpr FdKind kFdKinds[] = {FdKind::kMountinfo, FdKind::kNetlinkRoute, FdKind::kSystemBus, FdKind::kJournal};

// Every widening is a map with its reason.
bool CheckWidening(SchemaReader& reader, const YamlNode& node, const std::string& what, std::vector<std::string> keys) {
  keys.emplace_back("why");
  if (!reader.CheckMap(node, what, {keys, {}})) return false;
  const YamlNode* why = SchemaReader::Find(node, "why");
  if (why == nullptr || why->kind != YamlNode::Kind::kScalar || why->text.empty()) {
    reader.Error(node, what + " needs a 'why'");
  }
  return true;
}

template <typename Read>
void EachWidening(SchemaReader& reader, const YamlNode& sandbox, const std::string& key,
                  const std::vector<std::string>& keys, Read read) {
  const YamlNode* list = SchemaReader::Find(sandbox, key);
  if (list == nullptr || !reader.CheckList(*list, key)) return;
  for (const YamlNode& item : list->items) {
    if (CheckWidening(reader, item, "an entry of " + key, keys)) read(item);
  }
}

void ReadPromise(SchemaReader& reader, const YamlNode& item, const std::string& id, SandboxRequest& request) {
  const YamlNode* word = reader.Require(item, "promise", "an entry of promises");
  const auto index = word == nullptr ? std::nullopt : reader.Word(*word, "promise", PromiseWords());
  if (!index) return;
  const auto promise = static_cast<policy::Promise>(*index);
  for (const BuiltInPromise& built_in : kBuiltInPromises) {
    if (built_in.promise == promise && id != built_in.id) {
      reader.Error(*word, "promise '" + word->text + "' is for " + built_in.id + " only");
    }
  }
  request.promises.push_back(promise);
}

// Whether exactly one of the keys is there; a complaint else.
bool CheckOneOf(SchemaReader& reader, const YamlNode& item, const std::string& what,
                const std::vector<std::string>& keys) {
  std::string all;
  for (const std::string& key : keys) all += (all.empty() ? "" : ", ") + key;
  const auto is_there = [&](const std::string& key) { return SchemaReader::Find(item, key) != nullptr; };
  if (std::ranges::count_if(keys, is_there) == 1) return true;
  reader.Error(item, what + " needs one of " + all);
  return false;
}

void ReadPath(SchemaReader& reader, const YamlNode& item, SandboxRequest& request) {
  if (!CheckOneOf(reader, item, "an entry of paths", PathWords())) return;
  for (size_t i = 0; i < PathWords().size(); i++) {
    const YamlNode* value = SchemaReader::Find(item, PathWords()[i]);
    if (value == nullptr) continue;
    const auto path = reader.Path(*value, PathWords()[i]);
    if (path) request.paths.push_back({*path, static_cast<policy::PathAccess>(i)});
  }
}

std::optional<std::string> ReadRunName(SchemaReader& reader, const YamlNode& node, const std::string& what) {
  const auto name = reader.Text(node, what);
  const bool is_good = name && !name->empty() && name->size() <= kMaxNameBytes && (*name)[0] != '.' &&
                       std::ranges::all_of(*name, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
                       });
  if (is_good) return name;
  if (name) reader.Error(node, what + " must be a name of small letters, digits, '-' and '.'");
  return std::nullopt;
}

void ReadInherited(SchemaReader& reader, const YamlNode& item, const std::string& id, SandboxRequest& request) {
  if (!CheckOneOf(reader, item, "an entry of inherit", {"fd", "proc", "state", "listen"})) return;
  policy::InheritedFd fd;
  const YamlNode* mode = SchemaReader::Find(item, "mode");
  if (const YamlNode* word = SchemaReader::Find(item, "fd")) {
    const auto index = reader.Word(*word, "fd", FdWords());
    if (!index) return;
    fd.kind = kFdKinds[*index];
    fd.name = word->text;
  } else if (const YamlNode* file = SchemaReader::Find(item, "proc")) {
    if (!reader.Word(*file, "proc", ProcFiles())) return;
    fd.kind = FdKind::kProcFile;
    fd.path = file->text;
    fd.name = "proc:" + file->text;
  } else if (const YamlNode* state = SchemaReader::Find(item, "state")) {
    fd.kind = FdKind::kState;
    fd.path = ReadRunName(reader, *state, "state").value_or("");
    fd.name = "state:" + fd.path;
    if (fd.path == kFreezeList && id != kFreezer)
      reader.Error(*state, "state 'fsfreeze', the list of what is frozen, is for " + std::string(kFreezer) + " only");
  } else if (const YamlNode* listen = SchemaReader::Find(item, "listen")) {
    fd.kind = FdKind::kListen;
    fd.path = ReadRunName(reader, *listen, "listen").value_or("");
    fd.name = "listen:" + fd.path;
    if (std::ranges::find(kRunNames, fd.path) != std::end(kRunNames))
      reader.Error(*listen, "'" + fd.path + "' is what the run directory itself has by that name");
    if (mode != nullptr) fd.mode = reader.Mode(*mode, "mode").value_or(0600);
  }
  if (mode != nullptr && fd.kind != FdKind::kListen) reader.Error(*mode, "mode is for listen only");
  request.inherited.push_back(std::move(fd));
}

void ReadCapability(SchemaReader& reader, const YamlNode& item, SandboxRequest& request) {
  const YamlNode* word = reader.Require(item, "capability", "an entry of capabilities");
  if (word == nullptr) return;
  const auto index = reader.Word(*word, "capability", CapabilityWords());
  if (index) request.capabilities |= uint64_t{1} << *index;
}

void ReadNamespace(SchemaReader& reader, const YamlNode& item, SandboxRequest& request) {
  const YamlNode* word = reader.Require(item, "host", "an entry of namespaces");
  const auto index = word == nullptr ? std::nullopt : reader.Word(*word, "host", {"net", "uts", "mounts"});
  if (!index) return;
  bool* const wishes[] = {&request.wants_host_net, &request.wants_host_uts, &request.wants_host_mounts};
  *wishes[*index] = true;
}

// The name of one of policy's rules for the plugin, or "*".
std::optional<std::string> ReadRuleName(SchemaReader& reader, const YamlNode& item, const char* key,
                                        const std::string& what) {
  const YamlNode* name = reader.Require(item, key, what);
  if (name == nullptr) return std::nullopt;
  return name->text == kWhateverIsListed ? reader.Text(*name, key) : ReadRunName(reader, *name, key);
}

void ReadProgram(SchemaReader& reader, const YamlNode& item, SandboxRequest& request) {
  const auto name = ReadRuleName(reader, item, "program", "an entry of programs");
  const YamlNode* standing = SchemaReader::Find(item, "standing");
  const bool is_standing = standing != nullptr && reader.Bool(*standing, "standing").value_or(false);
  if (!name) return;
  if (std::ranges::find(request.programs, *name, &SandboxRequest::ProgramWish::name) != request.programs.end())
    reader.Error(item, "program '" + *name + "' stands twice");
  request.programs.push_back({*name, is_standing});
}

void ReadDirectory(SchemaReader& reader, const YamlNode& item, SandboxRequest& request) {
  const auto id = ReadRuleName(reader, item, "directory", "an entry of directories");
  if (!id) return;
  if (std::ranges::find(request.directories, *id) != request.directories.end())
    reader.Error(item, "directory '" + *id + "' stands twice");
  request.directories.push_back(*id);
}

// The `limit` of a widening, or nullptr.
const YamlNode* FindLimit(SchemaReader& reader, const YamlNode& sandbox, const std::string& key) {
  const YamlNode* node = SchemaReader::Find(sandbox, key);
  if (node == nullptr || !CheckWidening(reader, *node, key, {"limit"})) return nullptr;
  return reader.Require(*node, "limit", key);
}

void ReadLimits(SchemaReader& reader, const YamlNode& sandbox, policy::ResourceLimits& limits) {
  if (const YamlNode* memory = FindLimit(reader, sandbox, "memory")) {
    limits.data_bytes = reader.Size(*memory, "memory").value_or(limits.data_bytes);
  }
  if (const YamlNode* size = FindLimit(reader, sandbox, "file-size")) {
    limits.file_bytes =
        size->text == "unlimited" ? UINT64_MAX : reader.Size(*size, "file-size").value_or(limits.file_bytes);
  }
  if (const YamlNode* files = FindLimit(reader, sandbox, "open-files")) {
    limits.open_files =
        static_cast<uint32_t>(reader.Integer(*files, "open-files", 1, kMaxOpenFiles).value_or(limits.open_files));
  }
  if (const YamlNode* tasks = FindLimit(reader, sandbox, "tasks")) {
    limits.tasks = static_cast<uint32_t>(reader.Integer(*tasks, "tasks", 1, kMaxTasks).value_or(limits.tasks));
  }
}

}  // namespace

SandboxRequest ReadSandboxRequest(SchemaReader& reader, const YamlNode& node, const std::string& id) {
  SandboxRequest request;
  const MapSchema schema = {SandboxKeys(), {"syscalls"}};
  if (!reader.CheckMap(node, "sandbox", schema)) return request;
  EachWidening(reader, node, "promises", {"promise"}, [&](const YamlNode& i) { ReadPromise(reader, i, id, request); });
  EachWidening(reader, node, "paths", PathWords(), [&](const YamlNode& i) { ReadPath(reader, i, request); });
  EachWidening(reader, node, "capabilities", {"capability"},
               [&](const YamlNode& i) { ReadCapability(reader, i, request); });
  EachWidening(reader, node, "inherit", InheritKeys(),
               [&](const YamlNode& i) { ReadInherited(reader, i, id, request); });
  EachWidening(reader, node, "namespaces", {"host"}, [&](const YamlNode& i) { ReadNamespace(reader, i, request); });
  EachWidening(reader, node, "programs", {"program", "standing"},
               [&](const YamlNode& i) { ReadProgram(reader, i, request); });
  EachWidening(reader, node, "directories", {"directory"},
               [&](const YamlNode& i) { ReadDirectory(reader, i, request); });
  ReadLimits(reader, node, request.limits);
  return request;
}

}  // namespace reeve::config
