#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"

// The policy decision: pure and lexical, the same in core and warden. No process, file, socket or clock in it; a look
// at the object itself (owner, type, links) is the warden's own, separate step. Deny beats allow.
// Thread-safe: a Decider does not change after Create.

namespace reeve::policy {

// Who asks.
struct Caller {
  enum class PeerKind : uint8_t { kSerial, kUnix, kVsock };
  std::string_view channel = {};
  PeerKind peer_kind = PeerKind::kSerial;
  uint32_t peer_number = 0;  // the uid of a unix peer, the CID of a vsock peer
};

enum class Verdict : uint8_t { kAllow, kDeny };

struct Decision {
  Verdict verdict = Verdict::kDeny;
  std::string rule;    // the rule that decided: "default", "commands.deny", "restart-nginx"
  Origin origin;       // where it stands
  std::string reason;  // one phrase for people
  // Index into Policy::programs or Policy::directories (PluginProgram, PluginFile: of PluginRules) when a rule of those
  // allowed, else kNoIndex.
  static constexpr uint32_t kNoIndex = UINT32_MAX;
  uint32_t index = kNoIndex;
  bool is_allowed() const { return verdict == Verdict::kAllow; }
};

// One rule that a decision looked at, and what became of it.
struct Considered {
  std::string rule;  // as in a Decision
  Origin origin;
  Verdict effect = Verdict::kDeny;  // what it would have decided
  bool decides = false;
  std::string outcome;  // why it decided or did not, one phrase for people
};
// In the order in which they were looked at. For explaining; a decision with one is the same as without.
using Trace = std::vector<Considered>;

struct CommandCall {
  std::string_view command;
  bool is_never_deniable = false;  // from the manifest: sync, ping, thaw; only the command line closes it
};

struct ProgramCall {
  std::string_view path = {};              // argv[0] as the host wrote it
  std::span<const std::string> args = {};  // argv[1..]
  std::span<const std::string> env = {};   // "NAME=value", as the host wrote it
  bool has_env = false;                    // an empty list is not an absent one
  bool has_stdin = false;
  uint64_t stdin_bytes = 0;
};

struct FileCall {
  std::string_view path;  // as the host wrote it
  FileAccessMask access = 0;
};

// On whose account a plugin asks for a program of its own.
enum class Asking : uint8_t {
  kForRequest,  // for a live request of one of its commands
  kStanding,    // for none; only for rules that are standing
};

class Decider {
 public:
  // Compiles the regular expressions. Fails, naming rule and origin, when one does not compile within its budget.
  // `policy` is lent for the life of the Decider.
  static Result<Decider> Create(const Policy& policy);
  Decider(Decider&&) noexcept;
  ~Decider();

  // Each question leaves in `trace`, where there is one, every rule that speaks of what is asked.
  Decision Command(const Caller& caller, const CommandCall& call, Trace* trace = nullptr) const;
  // Whether the call may run a program; an allowing decision names the rule by `index`.
  Decision Program(const Caller& caller, const ProgramCall& call, Trace* trace = nullptr) const;
  // Whether the call may open a file; an allowing decision names the directory by `index`. A path that is not absolute or not
  // lexically normal after removal of `.` and doubled slashes (a `..` remains) is denied under every profile but open.
  Decision File(const Caller& caller, const FileCall& call, Trace* trace = nullptr) const;
  // The same two for what the plugin's own commands ask for: only the plugin's own rules count, and the absolute `deny:`.
  // `call.path` is a rule's name, or the path under its `run`.
  Decision PluginProgram(std::string_view plugin, const ProgramCall& call, Asking asking, Trace* trace = nullptr) const;
  Decision PluginFile(std::string_view plugin, const FileCall& call, Trace* trace = nullptr) const;
  // Of that plugin; nullptr when policy does not name it.
  const PluginRules* RulesOf(std::string_view plugin) const;
  // The warden's later step: the program or file that the name came to, once links and PATH are resolved, against the
  // absolute `deny:` only. An allowing decision says nothing beyond that.
  Decision ResolvedProgram(const ProgramCall& call) const;
  Decision ResolvedFile(std::string_view resolved_path) const;
  // Whether Command would allow and, for exec and file commands, some arguments could pass: `enabled` of guest-info.
  bool CouldPass(const Caller& caller, const CommandCall& call, bool runs_programs, bool opens_files) const;

  const Policy& policy() const;

 private:
  struct Compiled;
  explicit Decider(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

// `path` with `.`, empty components and a trailing slash removed; "" when it is not absolute or has a `..` or a NUL.
std::string NormalPath(std::string_view path);

// Whether the normal path `path` is strictly below the normal path `directory`.
bool IsBelow(std::string_view path, std::string_view directory);

// The command's refusal, as the host reads it (design, section 2):
// `Command guest-exec has been disabled: policy rule 'default' in /etc/reeve/policy.yaml:3`
std::string CommandRefusal(std::string_view command, const Decision& decision);
// Decision M14: `guest-exec refused: /usr/bin/foo is not allowed by policy rule 'default' in FILE:LINE`
std::string ArgumentRefusal(std::string_view command, std::string_view what, const Decision& decision);

}  // namespace reeve::policy
