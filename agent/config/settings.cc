#include "agent/config/settings.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "policy/schema_reader.h"

namespace reeve::config {
namespace {

using policy::SchemaReader;
using policy::YamlNode;

constexpr int64_t kSchema = 1;
constexpr size_t kMaxChannels = 32;
// Below these numbers stand users of the system and of people; above, user namespaces take their ranges.
constexpr uint32_t kLeastUid = 1000;
constexpr uint32_t kGreatestUid = 0x7fff'ffff;
// Core, log and a handful of plugins.
constexpr uint32_t kLeastUidCount = 16;
constexpr uint32_t kGreatestUidCount = 65536;

bool IsChannelName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

void ReadAddress(SchemaReader& reader, const YamlNode& node, const YamlNode* path, Channel& channel) {
  if (path == nullptr) {
    if (channel.transport == Transport::kVirtioSerial) {
      channel.path = kDefaultPort;
    } else if (channel.transport == Transport::kIsaSerial) {
      channel.path = kDefaultTerminal;
    } else {
      reader.Error(node, "channel '" + channel.name + "' needs a 'path'");
    }
  } else if (channel.transport == Transport::kVsockListen) {
    channel.path = reader.Text(*path, "path").value_or("");
    if (!IsVsockAddress(channel.path)) reader.Error(*path, "path of a vsock channel must be CID:PORT, as -1:1234");
  } else {
    channel.path = reader.Path(*path, "path").value_or("");
    if (channel.path.size() > kMaxSocketPathBytes) reader.Error(*path, "path is longer than 107 bytes");
  }
}

Channel ReadChannel(SchemaReader& reader, const YamlNode& node) {
  Channel channel;
  const auto find = [&](const char* key) { return SchemaReader::Find(node, key); };
  if (const YamlNode* name = reader.Require(node, "name", "a channel")) {
    channel.name = reader.Text(*name, "name").value_or("");
    if (!IsChannelName(channel.name)) reader.Error(*name, "name must be of a-z, 0-9, '-', '_' and '.'");
    if (channel.name == kControlChannel) reader.Error(*name, "name 'control' is that of reevectl's socket");
  }
  if (const YamlNode* protocol = find("protocol")) reader.Word(*protocol, "protocol", {"qga"}, {"ovirt", "reeve"});
  if (const YamlNode* transport = find("transport")) {
    const auto word = reader.Word(*transport, "transport", {"virtio-serial", "isa-serial", "unix", "vsock"});
    constexpr Transport kTransports[] = {Transport::kVirtioSerial, Transport::kIsaSerial, Transport::kUnixListen,
                                         Transport::kVsockListen};
    if (word) channel.transport = kTransports[*word];
  }
  ReadAddress(reader, node, find("path"), channel);
  if (const YamlNode* timeout = find("sync-timeout")) {
    channel.sync_timeout_ms =
        timeout->text == "never" ? UINT32_MAX : reader.Duration(*timeout, "sync-timeout").value_or(0);
  }
  return channel;
}

void ReadChannels(SchemaReader& reader, const YamlNode& node, Settings& settings) {
  if (!reader.CheckList(node, "channels")) return;
  if (node.items.size() > kMaxChannels) reader.Error(node, "more than 32 channels");
  std::set<std::string> names;
  std::set<std::string> paths;
  for (const YamlNode& item : node.items) {
    if (!reader.CheckMap(item, "a channel", {{"name", "protocol", "transport", "path", "sync-timeout"}, {}})) continue;
    Channel channel = ReadChannel(reader, item);
    if (!names.insert(channel.name).second) reader.Error(item, "channel '" + channel.name + "' stands twice");
    if (!paths.insert(channel.path).second) reader.Error(item, "two channels have the path " + channel.path);
    settings.channels.push_back(std::move(channel));
  }
}

// "78000-78255"
void ReadUidRange(SchemaReader& reader, const YamlNode& node, Settings& settings) {
  const char* end = node.text.data() + node.text.size();
  uint32_t first = 0;
  uint32_t last = 0;
  const auto low = std::from_chars(node.text.data(), end, first);
  const bool has_dash = low.ec == std::errc() && low.ptr != end && *low.ptr == '-';
  const auto high = std::from_chars(has_dash ? low.ptr + 1 : end, end, last);
  if (node.kind != YamlNode::Kind::kScalar || !has_dash || high.ec != std::errc() || high.ptr != end) {
    reader.Error(node, "uid-range must be FIRST-LAST, as 78000-78255");
  } else if (first < kLeastUid || last > kGreatestUid || last < first || last - first + 1 < kLeastUidCount ||
             last - first >= kGreatestUidCount) {
    reader.Error(node, "uid-range must be 16 to 65536 numbers from 1000 to 2147483647");
  } else {
    settings.first_uid = first;
    settings.uid_count = last - first + 1;
  }
}

void ReadLog(SchemaReader& reader, const YamlNode& node, Settings& settings) {
  if (!reader.CheckMap(node, "log", {{"file", "verbose"}, {"syslog", "journal"}})) return;
  if (const YamlNode* file = SchemaReader::Find(node, "file")) {
    settings.log_file = reader.Path(*file, "log.file").value_or("");
  }
  if (const YamlNode* verbose = SchemaReader::Find(node, "verbose")) {
    settings.is_verbose = reader.Bool(*verbose, "log.verbose").value_or(false);
  }
}

// Hosts compare it as they do qemu-ga's: KubeVirt by a pattern of numbers and dots.
bool IsDottedNumber(std::string_view text) {
  constexpr size_t kMaxVersionBytes = 32;
  const bool has_only = text.find_first_not_of("0123456789.") == std::string_view::npos;
  return has_only && text.size() <= kMaxVersionBytes && !text.empty() && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos;
}

void ReadGuestInfo(SchemaReader& reader, const YamlNode& node, Settings& settings) {
  if (!reader.CheckMap(node, "guest-info", {{"version"}, {}})) return;
  if (const YamlNode* version = SchemaReader::Find(node, "version")) {
    settings.guest_info_version = reader.Text(*version, "guest-info.version").value_or("");
    if (!IsDottedNumber(settings.guest_info_version))
      reader.Error(*version, "guest-info.version must be numbers with dots between, as 8.2.0");
  }
}

}  // namespace

bool IsVsockAddress(const std::string& text) {
  const char* end = text.data() + text.size();
  int64_t cid = 0;
  uint32_t port = 0;
  const auto first = std::from_chars(text.data(), end, cid);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':' || cid < -1 || cid > UINT32_MAX) return false;
  const auto second = std::from_chars(first.ptr + 1, end, port);
  return second.ec == std::errc() && second.ptr == end;
}

std::expected<Settings, policy::Diagnostics> ParseSettings(const std::string& file, const std::string& text) {
  auto root = policy::ReadYaml(file, text);
  if (!root) return std::unexpected(policy::Diagnostics{root.error()});
  policy::Diagnostics diagnostics;
  SchemaReader reader(file, diagnostics);
  Settings settings;
  if (reader.CheckMap(*root, "reeve.yaml", {{"schema", "channels", "uid-range", "guest-info", "log"}, {}})) {
    const auto section = [&](const char* key, auto read) {
      if (const YamlNode* node = SchemaReader::Find(*root, key)) read(*node);
    };
    const YamlNode* schema = reader.Require(*root, "schema", "reeve.yaml");
    if (schema != nullptr) reader.Integer(*schema, "schema", kSchema, kSchema);
    section("channels", [&](const YamlNode& node) { ReadChannels(reader, node, settings); });
    section("uid-range", [&](const YamlNode& node) { ReadUidRange(reader, node, settings); });
    section("guest-info", [&](const YamlNode& node) { ReadGuestInfo(reader, node, settings); });
    section("log", [&](const YamlNode& node) { ReadLog(reader, node, settings); });
  }
  if (!diagnostics.empty()) return std::unexpected(diagnostics);
  return settings;
}

}  // namespace reeve::config
