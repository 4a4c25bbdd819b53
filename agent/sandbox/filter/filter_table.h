#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/profile.h"

// Which system calls a process may make, as a table of values: the source from which filters are compiled and
// the measure against which they are proven. Pure.

namespace reeve::sandbox {

// Holds when the low 32 bits of argument `index`, masked, are `value`. There is no other comparison:
// less-than rules are merged wrongly by the library that we compile with, and the kernel ignores the high
// half of these arguments.
struct ArgumentTest {
  uint8_t index = 0;
  uint32_t mask = 0;
  uint32_t value = 0;
  bool operator==(const ArgumentTest&) const = default;
};

enum class Verdict : uint8_t { kAllow, kRefuse, kKill };

struct Action {
  Verdict verdict = Verdict::kKill;
  uint16_t error = 0;  // the errno of kRefuse
  bool operator==(const Action&) const = default;
};

// `action` for call `number` when all tests hold. Rules of one call with different actions never overlap
// (checked by CheckTable), so their order means nothing.
struct CallRule {
  const char* name;
  int number;
  std::vector<ArgumentTest> tests;
  Action action;
};

struct FilterTable {
  Action otherwise;  // for every call without a rule that holds
  std::vector<CallRule> rules;
  bool is_for_programs = false;  // of a rule, not ours: what is never allowed is another list
};

enum class FilterStage : uint8_t { kLoad, kRun };

// The filter of a process of ours. The load table allows whatever the run table allows (filters only stack).
FilterTable TableFor(const policy::SandboxProfile& profile, FilterStage stage);

// A table's own rules: no two rules of one call overlap with different actions, no test reads beyond six
// arguments, no value outside its mask, no never-listed call (never_list.h; of a program: NeverForPrograms) allowed but by its compiled-in exception, at
// most kMaxRules rules.
Status CheckTable(const FilterTable& table);
// Debian's libseccomp 2.5 mishandles very large filters; far above what any table needs.
inline constexpr size_t kMaxRules = 512;

// What the table says of one call. `arguments` are six.
Action Judge(const FilterTable& table, int number, std::span<const uint64_t, 6> arguments);

}  // namespace reeve::sandbox
