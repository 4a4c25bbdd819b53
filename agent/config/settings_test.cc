#include "agent/config/settings.h"

#include <gtest/gtest.h>

namespace reeve::config {
namespace {

std::string ProblemOf(const std::string& text) {
  const auto settings = ParseSettings("r.yaml", text);
  return settings ? "" : settings.error()[0].ToString();
}

TEST(SettingsTest, ReadsChannelsRangeAndLog) {
  const auto settings = ParseSettings("r.yaml", R"(schema: 1
channels:
  - {name: host}
  - {name: local, transport: unix, path: /run/x.sock, sync-timeout: never}
  - {name: line, transport: isa-serial}
  - {name: v, protocol: qga, transport: vsock, path: "-1:1234", sync-timeout: 2s}
uid-range: 90000-90063
guest-info: {version: 8.2}
log: {file: /var/log/reeve.log, verbose: true}
)");
  ASSERT_TRUE(settings.has_value()) << settings.error()[0].ToString();
  ASSERT_EQ(settings->channels.size(), 4u);
  EXPECT_EQ(settings->channels[0].path, kDefaultPort);
  EXPECT_EQ(settings->channels[0].sync_timeout_ms, 500u);
  EXPECT_EQ(settings->channels[1].sync_timeout_ms, UINT32_MAX);
  EXPECT_EQ(settings->channels[2].transport, Transport::kIsaSerial);
  EXPECT_EQ(settings->channels[2].path, kDefaultTerminal);
  EXPECT_EQ(settings->channels[3].transport, Transport::kVsockListen);
  EXPECT_EQ(settings->guest_info_version, "8.2");
  EXPECT_EQ(settings->first_uid, 90000u);
  EXPECT_EQ(settings->uid_count, 64u);
  EXPECT_TRUE(settings->is_verbose);
}

TEST(SettingsTest, EachMistakeIsToldWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"channels: []", "1:1: reeve.yaml needs 'schema'"},
      {"schema: 1\nchanels: []", "2:1: unknown key 'chanels' in reeve.yaml; did you mean 'channels'?"},
      {"schema: 1\nchannels: {}", "2:11: channels must be a list, not a map"},
      {"schema: 1\nchannels: [{path: /x}]", "2:12: a channel needs 'name'"},
      {"schema: 1\nchannels: [{name: control}]", "2:19: name 'control' is that of reevectl's socket"},
      {"schema: 1\nchannels: [{name: a, protocol: reeve}]", "2:32: protocol 'reeve' is not supported by this version"},
      {"schema: 1\nchannels: [{name: A B}]", "2:19: name must be of a-z, 0-9, '-', '_' and '.'"},
      {"schema: 1\nchannels: [{name: a, transport: unix}]", "2:12: channel 'a' needs a 'path'"},
      {"schema: 1\nchannels: [{name: a, transport: unix, path: x}]",
       "2:45: path must be an absolute path without '..', not 'x'"},
      {"schema: 1\nchannels: [{name: a, transport: tcp}]",
       "2:33: transport must be one of virtio-serial, isa-serial, unix, vsock, not 'tcp'"},
      {"schema: 1\nchannels: [{name: a, protocol: ovirt}]", "2:32: protocol 'ovirt' is not supported by this version"},
      {"schema: 1\nchannels: [{name: a, transport: vsock, path: '1'}]",
       "2:46: path of a vsock channel must be CID:PORT, as -1:1234"},
      {"schema: 1\nchannels: [{name: a}, {name: b}]",
       "2:23: two channels have the path /dev/virtio-ports/org.qemu.guest_agent.0"},
      {"schema: 1\nchannels: [{name: a}, {name: a, path: /x}]", "2:23: channel 'a' stands twice"},
      {"schema: 1\nuid-range: 78000", "2:12: uid-range must be FIRST-LAST, as 78000-78255"},
      {"schema: 1\nuid-range: 0-100", "2:12: uid-range must be 16 to 65536 numbers from 1000 to 2147483647"},
      {"schema: 1\nuid-range: 78000-78001", "2:12: uid-range must be 16 to 65536 numbers from 1000 to 2147483647"},
      {"schema: 1\nguest-info: {version: 8.2-x}",
       "2:23: guest-info.version must be numbers with dots between, as 8.2.0"},
      {"schema: 1\nguest-info: {version: 8..2}",
       "2:23: guest-info.version must be numbers with dots between, as 8.2.0"},
      {"schema: 1\nguest-info: {name: x}", "2:14: unknown key 'name' in guest-info"},
      {"schema: 1\nlog: {file: x}", "2:13: log.file must be an absolute path without '..', not 'x'"},
      {"schema: 1\nlog: {verbose: yes}", "2:16: log.verbose must be true or false"},
      {"schema: 1\nlog: {syslog: true}", "2:7: key 'syslog' of log is not supported by this version"},
  };
  for (const auto& [text, expected] : mistakes) {
    EXPECT_EQ(ProblemOf(text), "r.yaml:" + expected) << text;
  }
}

}  // namespace
}  // namespace reeve::config
