#pragma once

#include <expected>
#include <string>
#include <vector>

#include "agent/compile/options.h"
#include "policy/parse.h"

// Which files the policy is made of (policy/REFERENCE.md, "Layers"), and their texts.

namespace reeve::compile {

// More drop-ins than anybody reads; a directory with more is somebody's mistake.
inline constexpr size_t kMaxPolicyFiles = 256;

struct PolicyPlace {
  std::string path;
  enum class Kind : uint8_t { kFile, kDirectory } kind = Kind::kFile;
  bool may_be_absent = true;
};

// From the lowest to the highest.
std::vector<PolicyPlace> PolicyPlaces(const Options& options);

struct PolicyFile {
  enum class State : uint8_t { kRead, kMasked, kSwitchedOff };
  std::string path;
  State state = State::kRead;
  std::string masked_by;  // kMasked: the file of the same name in a higher directory
};

struct PolicyLayers {
  std::vector<PolicyFile> files;          // all that stand there, from the lowest to the highest
  std::vector<policy::PolicyText> texts;  // of those that are read
  std::vector<std::string> warnings;
};

// One file that may not be trusted or cannot be read refuses the whole: one line for each. A file that goes while it is
// read counts as if it had not been there.
std::expected<PolicyLayers, std::vector<std::string>> ReadPolicyLayers(const Options& options);

// What to let a confined process open, so that it can read them: the places, and where links in them lead.
std::vector<std::string> PolicyReadPaths(const Options& options);

}  // namespace reeve::compile
