#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/wire/messages.h"
#include "base/bytes.h"
#include "base/result.h"

namespace reeve::wire {

// What only the warden knows of how the agent stands, for reevectl status. It tells the core when that one serves, and
// again when something of it has changed.
struct StatusFacts {
  int64_t started_at_s = 0;  // of the warden, by the wall clock
  uint32_t warden_pid = 0;
  uint32_t warden_uid = 0;  // who, beside root, may ask at the control socket
  uint32_t core_pid = 0;
  uint32_t log_pid = 0;                   // 0: none runs
  uint32_t core_start_count = 0;          // 1: the first one serves
  uint32_t landlock_level = 0;            // 0: the kernel has none
  bool has_cgroup = false;                // a version 2 tree that can be written
  std::string policy_note = {};           // why the configuration in force is not what its files say; empty: it is
  std::string last_core_end = {};         // how the core before this one ended; empty: there was none
  std::string controllers = {};           // of the tree, words with spaces between
  std::vector<std::string> missing = {};  // each: what is missing, and what follows from it

  bool operator==(const StatusFacts&) const = default;
};

// The payload of kStatusFacts: its struct and the texts behind it. A longer text than kMaxTextBytes is cut.
std::pair<StatusFactsHead, std::string> Encode(const StatusFacts& facts);
// Fails with kBadMessage.
Result<StatusFacts> DecodeStatusFacts(Bytes payload);

}  // namespace reeve::wire
