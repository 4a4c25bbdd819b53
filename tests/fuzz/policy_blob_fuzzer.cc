#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "agent/config/blob.h"
#include "base/digest.h"
#include "policy/decide.h"

// Any block is refused or decodes into a configuration that encodes to the same block and can be asked. Header and
// checksum are made good first, so that the reader behind them is reached.

namespace {

constexpr size_t kHeaderBytes = 32;

void Require(bool holds) {
  if (!holds) std::abort();
}

reeve::config::Config SomeConfig() {
  using namespace reeve;
  config::Config config;
  config::Plugin& core = config.plugins.emplace_back();
  core.name = "core";
  core.types.emplace_back().kind = config::TypeSpec::Kind::kObject;
  core.commands.push_back({"guest-ping", config::ArgumentCheck::kNone, 0, 0, 0});
  policy::ProgramRule& rule = config.policy.programs.emplace_back();
  rule.run = "/bin/x";
  rule.args = {{{.kind = policy::Matcher::Kind::kRepeat, .maximum = 1, .of = {{.text = "a"}}}}};
  config.policy.directories.emplace_back().path = "/srv";
  return config;
}

std::vector<uint8_t> Sealed(const uint8_t* data, size_t size) {
  static const std::vector<uint8_t> good = *reeve::config::Encode(SomeConfig());
  std::vector<uint8_t> block(good.begin(), good.begin() + kHeaderBytes);
  // What is given is laid over a good block, so that small inputs are small changes.
  block.insert(block.end(), good.begin() + kHeaderBytes, good.end());
  for (size_t i = 0; i + 2 < size; i += 3) {
    const size_t at = kHeaderBytes + (data[i] | static_cast<size_t>(data[i + 1]) << 8) % (block.size() - kHeaderBytes);
    block[at] = data[i + 2];
  }
  if (size % 3 == 1) block.resize(kHeaderBytes + data[size - 1] % (block.size() - kHeaderBytes));
  if (size % 3 == 2) block.resize(block.size() + data[size - 1]);
  const uint64_t checksum = reeve::DigestOf(reeve::Bytes(block).subspan(kHeaderBytes));
  const uint64_t total = block.size();
  std::memcpy(block.data() + 16, &total, sizeof total);
  std::memcpy(block.data() + 24, &checksum, sizeof checksum);
  return block;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> block = Sealed(data, size);
  (void)reeve::config::Decode({data, size});
  const auto config = reeve::config::Decode(block);
  if (!config) return 0;
  const auto again = reeve::config::Encode(*config);
  Require(again.has_value() && *again == block);
  const auto decider = reeve::policy::Decider::Create(config->policy);
  if (!decider) return 0;
  (void)decider->Program({}, {.path = "/bin/x"});
  (void)decider->File({}, {"/srv/a", 1});
  (void)decider->Command({}, {"guest-ping", false});
  return 0;
}
