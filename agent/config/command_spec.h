#pragma once

#include <cstdint>
#include <string>
#include <vector>

// One command as its manifest declares it: the only source of its name, arguments, flags and deadline.
// Plain values, read from the compiled configuration; thread-safe once built.

namespace reeve::config {

// A QAPI-like type. Types stand in one table of a manifest (Manifest::types) and name each other by index,
// so that the table is flat and a list of objects needs no recursion to store.
struct TypeSpec {
  enum class Kind : uint8_t {
    kString,
    kBase64,  // a string in JSON; the core does not decode it
    kInt,     // int64
    kUint64,  // negative integers are accepted and wrapped, as QAPI does
    kNumber,
    kBool,
    kEnum,       // a string out of `enum_values`
    kList,       // of `element`
    kObject,     // with `members`
    kAlternate,  // the first of `alternatives` whose JSON type fits; named `name` in errors
    kAny,
  };
  struct MemberSpec {
    std::string name;
    uint32_t type = 0;  // index into the table
    bool is_optional = false;
  };
  Kind kind = Kind::kAny;
  std::string name;  // kEnum, kObject, kAlternate: the schema's name, e.g. GuestFileWhence
  std::vector<std::string> enum_values;
  uint32_t element = 0;
  std::vector<MemberSpec> members;
  std::vector<uint32_t> alternatives;
};

// Flags, one word each in a manifest's `flags:`.
enum CommandFlag : uint32_t {
  kChangesState = 1u << 0,    // changes-state: audited as privileged
  kWhileFrozen = 1u << 1,     // while-frozen: allowed while file systems are frozen
  kIdempotent = 1u << 2,      // idempotent: may be sent again to a restarted worker
  kNoSuccessReply = 1u << 3,  // no-success-reply: success sends nothing (guest-shutdown)
  kAsksWarden = 1u << 4,      // asks-warden: announced to the warden before it goes to the worker
  kSecretInput = 1u << 5,     // secret-input: arguments never reach a log
  kNeverDeniable = 1u << 6,   // never-deniable: policy cannot refuse it (sync, ping, thaw)
  // program-ends-with-request: cancelled when nobody waits for its answer any more; a program that runs yet when it is
  // answered is killed
  kProgramEndsWithRequest = 1u << 7,
};

// Which question policy is asked about the arguments, beside whether the command may be issued at all.
enum class ArgumentCheck : uint8_t {
  kNone,
  kProgram,  // members path, arg, env, input-data: may this program run so (guest-exec)
  kFile,     // members path, mode (as fopen(3)): may this file be opened so (guest-file-open)
};

// The most that one request may ask for: a file for each processor or block of memory.
inline constexpr uint32_t kMaxAsks = 4096;

struct CommandSpec {
  std::string name;
  ArgumentCheck check = ArgumentCheck::kNone;
  uint32_t flags = 0;
  uint32_t deadline_ms = 0;  // 0: none
  uint32_t arguments = 0;    // index of a kObject type: what the command takes
  uint32_t asks = 1;         // kAsksWarden: how often one request of it may ask
  std::string object = {};   // the argument, a string, that the audit trail shows; empty: none, or that of `check`
  bool Has(CommandFlag flag) const { return (flags & flag) != 0; }
};

}  // namespace reeve::config
