#include "agent/config/blob.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "base/digest.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::config {
namespace {

policy::SandboxProfile SomeSandbox() {
  policy::SandboxProfile sandbox;
  sandbox.name = "clock";
  sandbox.uid = 78002;
  sandbox.capabilities = uint64_t{1} << 25;
  sandbox.mounts = policy::MountView::kRecursiveSlave;
  sandbox.promises = {policy::Promise::kStdio, policy::Promise::kSetClock};
  sandbox.paths = {{"/usr/share/zoneinfo", policy::PathAccess::kRead}};
  sandbox.inherited = {{policy::InheritedFd::Kind::kState, "state:x", "x", 0640}};
  sandbox.load_filter = std::vector<uint8_t>(16, 7);
  sandbox.run_filter = std::vector<uint8_t>(8, 9);
  return sandbox;
}

Plugin SomePlugin() {
  Plugin plugin;
  plugin.name = "core";
  plugin.id = "org.reeve.core";
  plugin.types = {
      {.kind = TypeSpec::Kind::kInt, .name = "", .enum_values = {}, .members = {}, .alternatives = {}},
      {.kind = TypeSpec::Kind::kObject,
       .name = "",
       .enum_values = {},
       .members = {{"id", 0, false}},
       .alternatives = {}},
      {.kind = TypeSpec::Kind::kAlternate, .name = "W", .enum_values = {}, .members = {}, .alternatives = {0}}};
  plugin.commands = {{"guest-sync", ArgumentCheck::kNone, kNeverDeniable, 0, 1, 1, "id"}};
  plugin.sandbox = SomeSandbox();
  return plugin;
}

policy::Policy SomePolicy() {
  using policy::Matcher;
  policy::Policy policy;
  policy.name = "n";
  policy.default_origin = {"/etc/reeve/policy.yaml", 3};
  policy.commands.deny = {{"guest-*", {"f", 1}}};
  policy.channels = {{"b", {"f", 2}, 2, std::nullopt, {}}};
  policy::ProgramRule rule;
  rule.name = "r";
  rule.run = "/bin/x";
  rule.args = {{},
               {{.kind = Matcher::Kind::kRepeat,
                 .minimum = 1,
                 .maximum = 2,
                 .of = {{.kind = Matcher::Kind::kOneOf, .texts = {"a", std::string("b\0c", 3)}}}}}};
  rule.as = {"acme", 1000, 1000, {1000, 4}, "/home/acme"};
  rule.env_set = {{"A", "1"}, {"B", "2"}};
  rule.program = {"/usr/bin/x", 5, 6};
  policy.programs = {rule};
  policy.program_denies = {{"*", Matcher{.kind = Matcher::Kind::kPrefix, .text = "--x"}, {"f", 9}}};
  policy.plugins.resize(1);
  policy.plugins[0].name = "p";
  policy.plugins[0].paths = {{"read", "/x"}};
  policy.plugins[0].memory_bytes = 7;
  policy.command_deadline_ms = {{"guest-ping", 5}};
  return policy;
}

Config SomeConfig() {
  Config config;
  config.generation = 42;
  config.run_directory = "/run/reeve";
  config.channels = {{"c", Protocol::kQga, Transport::kUnixListen, "/run/x.sock", UINT32_MAX, 0600}};
  config.plugins = {SomePlugin()};
  config.policy = SomePolicy();
  config.core = SomeSandbox();
  config.program_filters = {{}, {}, std::vector<uint8_t>(24, 1), {}, {}, {}};
  config.warnings = {"one", ""};
  return config;
}

std::vector<uint8_t> SomeBlock() {
  return *Encode(SomeConfig());
}

TEST(BlobTest, WhatGoesInComesOut) {
  const auto config = Decode(SomeBlock());
  REEVE_ASSERT_OK(config);
  EXPECT_EQ(config->generation, 42u);
  EXPECT_EQ(config->channels[0].path, "/run/x.sock");
  EXPECT_EQ(config->channels[0].socket_mode, 0600u);
  EXPECT_EQ(config->plugins[0].commands[0].flags, kNeverDeniable);
  EXPECT_EQ(config->plugins[0].types[1].members[0].name, "id");
  EXPECT_EQ(config->plugins[0].sandbox.inherited[0].mode, 0640u);
  EXPECT_EQ(config->policy.channels[0].match_vsock_cid, 2u);
  EXPECT_FALSE(config->policy.channels[0].match_unix_uid.has_value());
  const policy::ProgramRule& rule = config->policy.programs[0];
  ASSERT_EQ(rule.args.size(), 2u);
  EXPECT_TRUE(rule.args[0].empty());
  EXPECT_EQ(rule.args[1][0].of[0].texts[1], std::string("b\0c", 3));
  EXPECT_EQ(rule.as.groups, (std::vector<uint32_t>{1000, 4}));
  EXPECT_EQ(rule.env_set.at("B"), "2");
  EXPECT_EQ(config->policy.program_denies[0].arg_any->text, "--x");
  EXPECT_EQ(config->policy.plugins[0].memory_bytes, 7u);
  EXPECT_EQ(config->warnings.size(), 2u);
  EXPECT_EQ(*Encode(*config), SomeBlock());
}

TEST(BlobTest, EveryCutIsRefused) {
  const std::vector<uint8_t> block = SomeBlock();
  for (size_t size = 0; size < block.size(); size++) {
    EXPECT_THAT(Decode(Bytes(block).first(size)), FailsWith(Code::kBadMessage)) << size;
  }
}

TEST(BlobTest, EveryFlippedByteIsRefused) {
  std::vector<uint8_t> block = SomeBlock();
  for (size_t at = 0; at < block.size(); at++) {
    block[at] ^= 0x41;
    EXPECT_FALSE(Decode(block).has_value()) << at;
    block[at] ^= 0x41;
  }
  EXPECT_TRUE(Decode(block).has_value());
}

// As the header's checksum, so that changed bytes reach the reader behind it.
void Seal(std::vector<uint8_t>& block) {
  constexpr size_t kHeaderBytes = 32;
  const uint64_t checksum = DigestOf(Bytes(block).subspan(kHeaderBytes));
  const uint64_t size = block.size();
  std::memcpy(block.data() + 16, &size, sizeof size);
  std::memcpy(block.data() + 24, &checksum, sizeof checksum);
}

TEST(BlobTest, ADamagedBlockWithAGoodChecksumIsReadSafelyOrRefused) {
  const std::vector<uint8_t> good = SomeBlock();
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 20'000; i++) {
    std::vector<uint8_t> block = good;
    for (int n = 0; n < 3; n++) block[32 + random() % (block.size() - 32)] = static_cast<uint8_t>(random());
    Seal(block);
    refused += !Decode(block).has_value();
  }
  EXPECT_GT(refused, 1000);
}

TEST(BlobTest, BytesBehindTheLastPartAreRefused) {
  std::vector<uint8_t> block = SomeBlock();
  block.push_back(0);
  Seal(block);
  EXPECT_THAT(Decode(block), FailsSaying("bytes that belong to nothing"));
}

TEST(BlobTest, AnotherLayoutIsRefused) {
  std::vector<uint8_t> block = SomeBlock();
  block[8]++;
  Seal(block);
  EXPECT_THAT(Decode(block), FailsSaying("another version"));
}

TEST(BlobTest, RefusesWhatDoesNotHold) {
  const auto refuses = [](auto change, const char* text) {
    Config config = SomeConfig();
    change(config);
    EXPECT_THAT(Encode(config), FailsSaying(text));
  };
  refuses([](Config& c) { c.plugins.clear(); }, "no plugin stands for the core");
  refuses([](Config& c) { c.plugins.push_back(c.plugins[0]); }, "stands twice");
  refuses([](Config& c) { c.plugins[0].commands[0].arguments = 0; }, "no object");
  refuses([](Config& c) { c.plugins[0].commands[0].arguments = 99; }, "no object");
  refuses([](Config& c) { c.plugins[0].commands[0].flags = 1u << 31; }, "unknown flags");
  refuses([](Config& c) { c.plugins[0].types[1].members[0].type = 3; }, "has no type");
  refuses([](Config& c) { c.plugins[0].types[2].alternatives[0] = 2; }, "an alternate");
  refuses([](Config& c) { c.core.run_filter.pop_back(); }, "not whole");
  refuses([](Config& c) { c.policy.programs[0].args[1][0].of.clear(); }, "repetition of nothing");
  refuses([](Config& c) { c.warnings.assign(1, std::string(9 << 20, 'x')); }, "larger than 8 MiB");
}

TEST(BlobTest, DeepMatchersAreRefusedNotFollowed) {
  Config config = SomeConfig();
  policy::Matcher deep;
  for (int i = 0; i < 64; i++) deep = {.kind = policy::Matcher::Kind::kRepeat, .of = {deep}};
  config.policy.programs[0].args = {{deep}};
  EXPECT_FALSE(Encode(config).has_value());
}

TEST(BlobTest, TravelsInASealedFile) {
  const auto fd = ToSealedFile(SomeBlock());
  REEVE_ASSERT_OK(fd);
  EXPECT_THAT(FromSealedFile(fd->get()), IsOk());
  EXPECT_LT(::write(fd->get(), "x", 1), 0);
  EXPECT_LT(::ftruncate(fd->get(), 0), 0);
}

TEST(BlobTest, RefusesAFileThatIsNotSealed) {
  const auto fd = sys::MemoryFile("open", 0);
  REEVE_ASSERT_OK(fd);
  REEVE_ASSERT_OK(sys::WriteAll(fd->get(), SomeBlock()));
  EXPECT_THAT(FromSealedFile(fd->get()), FailsSaying("not sealed"));
}

}  // namespace
}  // namespace reeve::config
