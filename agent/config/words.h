#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/profile.h"

// The words by which manifests ask and policies grant, and what they stand for. One table each.

namespace reeve::config {

// The keys of a manifest's maps (plugin-api/MANIFEST.md); entries of a list in `sandbox:` have `why` besides.
const std::vector<std::string>& ManifestKeys();
const std::vector<std::string>& TypeKeys();
const std::vector<std::string>& CommandKeys();
const std::vector<std::string>& SandboxKeys();
const std::vector<std::string>& InheritKeys();

const std::vector<std::string>& FlagWords();        // as CommandFlag counts
const std::vector<std::string>& FdWords();          // of `inherit`
const std::vector<std::string>& PromiseWords();     // as policy::Promise counts
const std::vector<std::string>& PathWords();        // as policy::PathAccess counts
const std::vector<std::string>& CapabilityWords();  // as the kernel counts, without CAP_
// Files below /proc that may be inherited: counters of the machine, nothing about processes.
const std::vector<std::string>& ProcFiles();

std::optional<uint64_t> CapabilityBit(std::string_view word);
// "SYS_TIME, SYS_ADMIN"
std::string CapabilityNames(uint64_t capabilities);

}  // namespace reeve::config
