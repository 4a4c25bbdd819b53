#pragma once

#include <linux/audit.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// What a taken-over process may try, one act each, with what must come of it. The acts are chosen so that
// they do nothing where no sandbox stands in the way: signal 0, bad descriptors, null pointers.

namespace reeve::attacks {

// How an attempt ends. A kill is the filter's own by nature (SIGSYS and the kernel's record). An errno is the
// filter's own when the same act without sandbox ends otherwise, which the test checks; kEnvironment marks
// the rest: refused by Landlock or by what is not there.
struct Outcome {
  enum class Kind : uint8_t { kKilled, kRefused, kEnvironment, kNotTried };
  Kind kind = Kind::kKilled;
  int error = 0;
};

constexpr Outcome Killed() {
  return {Outcome::Kind::kKilled, 0};
}
constexpr Outcome Refused(int error) {
  return {Outcome::Kind::kRefused, error};
}
constexpr Outcome Environment(int error) {
  return {Outcome::Kind::kEnvironment, error};
}
constexpr Outcome NotTried() {
  return {Outcome::Kind::kNotTried, 0};
}

struct Attack {
  const char* name;
  long number;                     // the call that the kernel's record names
  long (*act)();                   // as syscall(2): -1 and errno
  Outcome outcome;                 // of a worker in its run sandbox, and elsewhere unless said
  std::optional<Outcome> in_load;  // of a worker in its load sandbox
  std::optional<Outcome> in_core;  // of the core
  uint32_t architecture = AUDIT_ARCH_X86_64;
};

std::span<const Attack> AllAttacks();
const Attack* FindAttack(std::string_view name);

// socket(family, no such type): EINVAL from any kernel, so that another errno is the filter's.
inline constexpr int kLastFamily = 45;
long OpenSocketOfFamily(int family);

// A directory placed at this number in some tests (bypass B3).
inline constexpr int kLeakedDirectoryFd = 64;

}  // namespace reeve::attacks
