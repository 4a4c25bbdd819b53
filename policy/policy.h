#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/profile.h"

// The policy as a model: what the texts (profile, drop-ins, /etc/reeve/policy.yaml) come to once merged and checked.
// Plain values; made by policy/parse, carried in the compiled configuration, read by policy/decide in core and warden.
// Everything that needed a look at the machine (users, programs) is already numbers and resolved paths.

namespace reeve::policy {

// Where a rule stands, for every refusal: "/etc/reeve/policy.yaml:12".
struct Origin {
  std::string file;
  uint32_t line = 0;
  std::string ToString() const { return file + ":" + std::to_string(line); }
};

// A list of command names with `*` as wildcard, as written after allow: or deny:.
struct NamePattern {
  std::string pattern;  // "guest-file-*", "*", "guest-exec"
  Origin origin;
};

struct CommandRules {
  std::vector<NamePattern> allow;
  std::vector<NamePattern> deny;
};

// One argument matcher (REFERENCE.md, "Programs").
struct Matcher {
  enum class Kind : uint8_t {
    kLiteral,   // text
    kOneOf,     // texts
    kInt,       // minimum..maximum, decimal without sign tricks
    kPath,      // lexically normal, absolute; under `text`, or equal to it when `is_equals`
    kRegex,     // RE2, whole argument, at most `max_bytes`
    kPrefix,    // begins with `text`
    kUsername,  // POSIX portable user name characters, and none of `texts`
    kAny,       // anything of at most `max_bytes`
    kRepeat,    // `of` between minimum and maximum times; last in its list
  };
  Kind kind = Kind::kLiteral;
  std::string text = {};
  std::vector<std::string> texts = {};
  int64_t minimum = 0;
  int64_t maximum = 0;
  bool is_equals = false;
  uint32_t max_bytes = 0;
  std::vector<Matcher> of = {};  // kRepeat: exactly one
};

// A user resolved when the policy was compiled: numbers only afterwards.
struct RunAs {
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  std::string home;
};

// Where a program stood when the policy was compiled.
struct ProgramIdentity {
  std::string resolved_path;  // empty: was not there; the rule is kept and says so when used
  uint64_t device = 0;
  uint64_t inode = 0;
};

// More than this of one output is never kept: qemu-ga's cap, and what holds where a rule says nothing.
inline constexpr uint64_t kMaxOutputBytes = 16 << 20;

struct ProgramRule {
  std::string name;  // the key under exec.rules, or under `programs` of a plugin
  Origin origin;
  std::string
      run;  // as written; "*" is any program (profile open); a plugin's, without slash: one of Reeve's own helpers
  ProgramIdentity program;
  std::vector<std::vector<Matcher>>
      args;                      // alternatives; the first that matches the whole argv[1..] wins. None: no arguments
  bool allows_any_args = false;  // `args: any` (profile open)
  RunAs as;                      // root unless said
  Confinement confine = Confinement::kService;
  uint32_t timeout_ms = 0;    // 0: none (open)
  uint64_t output_bytes = 0;  // captured per stream; 0: kMaxOutputBytes
  bool allows_stdin = false;
  uint32_t stdin_max_bytes = 0;       // 0 with allows_stdin: the default cap
  bool inherits_environment = false;  // open: qemu-ga's semantics, host's env replaces it
  std::vector<std::string> env_keep;  // names that the host may set
  std::map<std::string, std::string> env_set;
  std::string state_directory;  // kService: the one directory it may write; empty: none
  std::string reason;
  bool is_of_profile = false;  // written by a profile and changed by no file
  bool is_standing = false;    // a plugin's: its manifest says that it may be run without a live request
};

enum class FileAccess : uint8_t { kRead = 1, kWrite = 2, kCreate = 4 };
using FileAccessMask = uint8_t;

struct FileDirectory {
  std::string id;
  Origin origin;
  std::string path;  // absolute, lexically normal; "/" under `open`
  FileAccessMask access = 0;
  RunAs as;
  std::vector<std::string> match;  // globs below the directory, "!" excludes; empty: everything
  uint64_t max_file_bytes = 0;     // 0: no limit of its own
  bool follows_symlinks_within = false;
  bool allows_any_type = false;  // open: any file but a directory
  std::string reason;
  bool is_of_profile = false;  // written by a profile and changed by no file
};

struct FilePathDeny {
  std::string glob;
  Origin origin;
};
struct ProgramDeny {
  std::string run;
  std::optional<Matcher> arg_any;
  Origin origin;
};

struct ChannelRules {
  std::string name;  // from reeve.yaml
  Origin origin;
  std::optional<uint32_t> match_vsock_cid;
  std::optional<uint32_t> match_unix_uid;
  CommandRules commands;
};

// What a policy says of one plugin: its grants and settings.
struct PluginRules {
  std::string name;
  Origin origin;
  bool is_of_profile = false;  // no file but the profile speaks of it
  bool is_enabled = true;
  std::vector<std::string> promises;
  std::vector<std::pair<std::string, std::string>> paths;  // access word, path
  std::optional<uint64_t> memory_bytes;
  std::optional<uint32_t> open_files;
  std::optional<uint32_t> tasks;
  std::optional<uint64_t> file_bytes;  // UINT64_MAX: unlimited
  std::vector<std::string> capabilities;
  std::vector<std::string> inherit;     // "mountinfo", "proc:loadavg", "state:fsfreeze", "listen:pam"
  std::vector<std::string> namespaces;  // "host-net", "host-uts", "host-mounts"
  std::optional<uint32_t> idle_exit_ms;
  std::string settings_json;  // `settings:` as JSON text, handed to the plugin's configure()
  // What its own commands may have run and opened; of no use to the host. In a compiled configuration only what its manifest asks for.
  std::vector<ProgramRule> programs;
  std::vector<FileDirectory> directories;
};

struct AuditRules {
  enum class Decisions : uint8_t { kNone, kDenied, kDeniedAndPrivileged, kAll };
  Decisions decisions = Decisions::kDeniedAndPrivileged;
  std::vector<std::string> sinks;  // "journal", "syslog", "stderr", "file:/path"
};

// When a worker that crashed may start again. The first crash delays nothing; the second one within `period_ms` delays
// the next start by `initial_ms`, each further one by twice as much, at most by `max_ms`; the `budget`-th quarantines
// its plugin.
struct RestartRules {
  uint32_t initial_ms = 1000;
  uint32_t max_ms = 60'000;
  uint32_t budget = 5;
  uint32_t period_ms = 600'000;
};

enum class BaseProfile : uint8_t { kMinimal, kStandard, kOpen };

struct Policy {
  std::string name;
  Origin default_origin;  // the `profile:` line (else line 1): where rule 'default' stands in a refusal
  BaseProfile profile = BaseProfile::kStandard;
  CommandRules commands;          // of the files; the profile's own follow in profile_commands
  CommandRules profile_commands;  // also the commands that a rule under exec or files opens by itself
  std::vector<ChannelRules> channels;
  std::vector<ProgramRule> programs;
  std::vector<ProgramDeny> program_denies;
  std::vector<FileDirectory> directories;
  std::vector<FilePathDeny> file_denies;
  std::vector<PluginRules> plugins;
  AuditRules audit;
  uint32_t max_deadline_ms = 0;                         // 0: the manifest's stand
  std::map<std::string, uint32_t> command_deadline_ms;  // lowered per command
  uint32_t landlock_minimum = 0;
  RestartRules restart;
};

// Every rule that runs a program, and every one that opens files: the host's, then those of plugins.
template <typename AnyPolicy, typename Visit>
void EachProgramRule(AnyPolicy& policy, Visit visit) {
  for (auto& rule : policy.programs) visit(rule);
  for (auto& plugin : policy.plugins)
    for (auto& rule : plugin.programs) visit(rule);
}
template <typename AnyPolicy, typename Visit>
void EachDirectory(AnyPolicy& policy, Visit visit) {
  for (auto& directory : policy.directories) visit(directory);
  for (auto& plugin : policy.plugins)
    for (auto& directory : plugin.directories) visit(directory);
}

}  // namespace reeve::policy
