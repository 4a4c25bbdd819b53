#pragma once

#include <cstdint>
#include <span>

#include "agent/sandbox/filter/filter_table.h"
#include "base/bytes.h"
#include "base/result.h"

struct seccomp_data;

// Our own interpreter of seccomp's BPF, and the proof that a compiled program does what its table says.

namespace reeve::sandbox {

// The program's return value (SECCOMP_RET_*). Fails on what seccomp(2) would not take: an unknown
// instruction, a jump out of the program, a read outside struct seccomp_data.
Result<uint32_t> RunProgram(Bytes program, const seccomp_data& call);

struct Proof {
  uint64_t calls_compared = 0;
};

// Compares program and table over the call numbers 0 to kLastNumber, each also with the x32 bit and under two
// foreign architectures, with argument vectors made of every value that the table tests, its neighbours, and
// random ones. `vectors_per_tested_call` for calls with argument tests. Fails naming the first call on which
// they differ.
Result<Proof> ProveFilter(Bytes program, const FilterTable& table, uint32_t vectors_per_tested_call);

inline constexpr int kLastNumber = 600;  // above every call of today's kernels
// Enough that each proof compares more than 100,000 calls and still takes some ten milliseconds.
inline constexpr uint32_t kVectorsPerTestedCall = 4096;

}  // namespace reeve::sandbox
