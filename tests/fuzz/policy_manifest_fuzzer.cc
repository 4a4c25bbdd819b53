#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/config/assemble.h"
#include "agent/config/blob.h"
#include "agent/config/manifest.h"
#include "agent/config/settings.h"

// Any text is a manifest or a list of mistakes, and likewise reeve.yaml. A manifest that is accepted can be assembled,
// encoded and decoded.

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reeve::config;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto settings = ParseSettings("reeve.yaml", text);
  if (!settings) Require(!settings.error().empty());
  auto manifest = ParseManifest("fuzz.plugin.yaml", text);
  if (!manifest) {
    Require(!manifest.error().empty());
    return 0;
  }
  Assembly parts;
  parts.manifests = {{Manifest{}, ""}, {std::move(*manifest), "/lib/fuzz.so"}};
  const auto config = Assemble(std::move(parts));
  if (!config) return 0;
  const auto block = Encode(*config);
  Require(block.has_value() && Decode(*block).has_value());
  return 0;
}
