#include "agent/sandbox/filter/filter_evaluate.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace reeve::sandbox {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kForeign[] = {AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64};
// Vectors for a call that no rule tests, whose verdict no argument may change.
constexpr uint32_t kVectorsPerPlainCall = 32;
// The proof must be the same each time.
constexpr uint64_t kSeed = 20260101;

// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). All filters are proved at each start, with
// millions of numbers; those of the standard library's engines were half of what a start took.
class Random {
 public:
  uint64_t operator()() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }

 private:
  uint64_t state_ = kSeed;
};

using Arguments = std::array<uint64_t, 6>;

bool IsKnown(uint16_t code) {
  switch (code) {
    case BPF_RET | BPF_K:
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_JMP | BPF_JA:
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_K:
      return true;
    default:
      return false;
  }
}

// The farthest instruction that may follow the one at `at`.
size_t Reach(const sock_filter& now, size_t at) {
  if (now.code == (BPF_JMP | BPF_JA)) return at + 1 + now.k;
  if (BPF_CLASS(now.code) == BPF_JMP) return at + 1 + std::max(now.jt, now.jf);
  return now.code == (BPF_RET | BPF_K) ? at : at + 1;
}

// What Execute relies on: every instruction is known, reads inside the call, and is followed by another one.
Status CheckInstructions(std::span<const sock_filter> program) {
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& now = program[at];
    const std::string place = "instruction " + std::to_string(at) + " of the filter ";
    if (!IsKnown(now.code)) return Fail(Code::kInvalidArgument, place + "is not one that we know");
    if (now.code == (BPF_LD | BPF_W | BPF_ABS) && (now.k % 4 != 0 || now.k >= sizeof(seccomp_data))) {
      return Fail(Code::kInvalidArgument, place + "reads outside the call");
    }
    if (Reach(now, at) >= program.size()) {
      return Fail(Code::kInvalidArgument, place + "leads out of it, without a verdict");
    }
  }
  return {};
}

bool IsTaken(const sock_filter& jump, uint32_t accumulator) {
  switch (jump.code) {
    case BPF_JMP | BPF_JEQ | BPF_K:
      return accumulator == jump.k;
    case BPF_JMP | BPF_JGT | BPF_K:
      return accumulator > jump.k;
    case BPF_JMP | BPF_JGE | BPF_K:
      return accumulator >= jump.k;
    default:
      return (accumulator & jump.k) != 0;
  }
}

// REQUIRES: CheckInstructions. Jumps go forward only, so this ends.
uint32_t Execute(std::span<const sock_filter> program, const seccomp_data& call) {
  std::array<uint32_t, sizeof(seccomp_data) / 4> words;
  std::memcpy(words.data(), &call, sizeof call);
  uint32_t accumulator = 0;
  for (size_t at = 0;; ++at) {
    const sock_filter& now = program[at];
    switch (BPF_CLASS(now.code)) {
      case BPF_RET:
        return now.k;
      case BPF_LD:
        accumulator = words[now.k / 4];
        break;
      case BPF_ALU:
        accumulator &= now.k;
        break;
      default:
        at += now.code == (BPF_JMP | BPF_JA) ? now.k : IsTaken(now, accumulator) ? now.jt : now.jf;
    }
  }
}

uint32_t ReturnFor(const Action& action) {
  switch (action.verdict) {
    case Verdict::kAllow:
      return SECCOMP_RET_ALLOW;
    case Verdict::kRefuse:
      return SECCOMP_RET_ERRNO | action.error;
    case Verdict::kKill:
      return SECCOMP_RET_KILL_PROCESS;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

std::vector<sock_filter> Instructions(Bytes program) {
  std::vector<sock_filter> instructions(program.size() / sizeof(sock_filter));
  std::memcpy(instructions.data(), program.data(), instructions.size() * sizeof(sock_filter));
  return instructions;
}

// Compares one program with one table.
class Prover {
 public:
  Prover(std::vector<sock_filter> program, const FilterTable& table) : program_(std::move(program)), table_(table) {}

  Status Prove(int number, uint32_t vectors) {
    std::vector<CallRule> rules;
    for (const CallRule& rule : table_.rules) {
      if (rule.number == number) rules.push_back(rule);
    }
    const FilterTable one{table_.otherwise, rules};
    const bool is_tested = std::any_of(rules.begin(), rules.end(), [](const CallRule& r) { return !r.tests.empty(); });
    for (uint32_t i = 0; i < (is_tested ? vectors : kVectorsPerPlainCall); ++i) {
      const Arguments arguments = Draw(rules);
      REEVE_TRY(Compare(AUDIT_ARCH_X86_64, static_cast<uint32_t>(number), arguments,
                        ReturnFor(Judge(one, number, arguments))));
      if (i >= kVectorsPerPlainCall) continue;
      REEVE_TRY(
          Compare(AUDIT_ARCH_X86_64, static_cast<uint32_t>(number) | kX32Bit, arguments, SECCOMP_RET_KILL_PROCESS));
      for (const uint32_t foreign : kForeign) {
        REEVE_TRY(Compare(foreign, static_cast<uint32_t>(number), arguments, SECCOMP_RET_KILL_PROCESS));
      }
    }
    return {};
  }

  uint64_t compared() const { return compared_; }

 private:
  Status Compare(uint32_t architecture, uint32_t number, const Arguments& arguments, uint32_t planned) {
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = architecture;
    std::copy(arguments.begin(), arguments.end(), call.args);
    const uint32_t is = Execute(program_, call);
    ++compared_;
    if (is == planned) return {};
    return Fail(Code::kInvalidArgument, Describe(architecture, number, arguments) + " is judged " + std::to_string(is) +
                                            " by the filter and " + std::to_string(planned) + " by its table");
  }

  static std::string Describe(uint32_t architecture, uint32_t number, const Arguments& arguments) {
    std::string text = "call " + std::to_string(number) + " of architecture " + std::to_string(architecture) + " with";
    for (const uint64_t argument : arguments) text += " " + std::to_string(argument);
    return text;
  }

  // A rule is satisfied on purpose, then at most one bit is turned and at most one argument is anything at
  // all; the high halves, which nothing tests, are anything always.
  Arguments Draw(const std::vector<CallRule>& rules) {
    Arguments arguments;
    for (uint64_t& argument : arguments) argument = DrawValue();
    if (!rules.empty() && random_() % 8 != 0) {
      const CallRule& aim = rules[random_() % rules.size()];
      for (const ArgumentTest& test : aim.tests) {
        uint64_t& argument = arguments[test.index];
        argument = (argument & ~uint64_t{test.mask}) | test.value;
      }
      if (random_() % 2 == 0) arguments[random_() % 6] ^= 1ull << random_() % 32;
      if (random_() % 8 == 0) arguments[random_() % 6] = DrawValue();
    }
    return arguments;
  }

  uint64_t DrawValue() {
    const uint64_t choice = random_(), drawn = random_();
    const uint64_t high = choice % 2 == 0 ? 0 : drawn & ~uint64_t{UINT32_MAX};
    switch (choice / 2 % 4) {
      case 0:
        return high;
      case 1:
        return high | UINT32_MAX;
      case 2:
        return high | drawn % 64;
      default:
        return high | (drawn & UINT32_MAX);
    }
  }

  std::vector<sock_filter> program_;
  const FilterTable& table_;
  Random random_;
  uint64_t compared_ = 0;
};

Result<std::vector<sock_filter>> Checked(Bytes program) {
  if (program.empty() || program.size() % sizeof(sock_filter) != 0) {
    return Fail(Code::kInvalidArgument, "a filter of " + std::to_string(program.size()) + " bytes is none");
  }
  std::vector<sock_filter> instructions = Instructions(program);
  REEVE_TRY(CheckInstructions(instructions));
  return instructions;
}

}  // namespace

Result<uint32_t> RunProgram(Bytes program, const seccomp_data& call) {
  return Execute(REEVE_TRY(Checked(program)), call);
}

Result<Proof> ProveFilter(Bytes program, const FilterTable& table, uint32_t vectors_per_tested_call) {
  Prover prover(REEVE_TRY(Checked(program)), table);
  for (int number = 0; number <= kLastNumber; ++number) REEVE_TRY(prover.Prove(number, vectors_per_tested_call));
  return Proof{prover.compared()};
}

}  // namespace reeve::sandbox
