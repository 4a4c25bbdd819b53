#include "agent/config/effective_sandbox.h"

#include <algorithm>

#include "agent/config/words.h"
#include "policy/decide.h"

namespace reeve::config {
namespace {

using policy::PluginRules;
using policy::Promise;

// Half-read requests, queued replies and one reply of 48 MiB in base64 stand in the core at one time.
constexpr uint64_t kCoreDataBytes = 512ull << 20;
// Clients of all channels, and two rings, two pipes and a socket for each worker.
constexpr uint32_t kCoreOpenFiles = 1024;
constexpr uint32_t kOwnTasks = 8;

bool Contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

class Intersection {
 public:
  Intersection(const SandboxRequest& request, const PluginRules& rules) : request_(request), rules_(rules) {}

  EffectiveSandbox Make() {
    Promises();
    Paths();
    Capabilities();
    Inherited();
    Namespaces();
    Limits();
    return std::move(made_);
  }

 private:
  void Miss(std::string what) { made_.not_granted.push_back(std::move(what)); }

  // The base's promise is everybody's, and threads are no danger within limits.
  void Promises() {
    made_.profile.promises = {Promise::kStdio};
    for (Promise promise : request_.promises) {
      if (promise == Promise::kStdio) continue;
      const std::string& word = PromiseWords()[static_cast<size_t>(promise)];
      if (promise == Promise::kThreads || Contains(rules_.promises, word)) {
        made_.profile.promises.push_back(promise);
      } else {
        Miss("promise " + word);
      }
    }
    made_.profile.makes_threads = Has(Promise::kThreads);
    // The worker of a freeze outlives the warden by the moment that it needs to thaw (design, section 6), and may
    // not wait for a page of a disk that it froze itself.
    made_.profile.dies_with_parent = !Has(Promise::kFreeze);
    made_.profile.locks_memory = Has(Promise::kFreeze);
  }
  bool Has(Promise promise) const {
    return std::ranges::find(made_.profile.promises, promise) != made_.profile.promises.end();
  }
  void Paths() {
    for (const policy::PathGrant& wish : request_.paths) {
      const std::string& word = PathWords()[static_cast<size_t>(wish.access)];
      const bool is_granted = std::ranges::any_of(rules_.paths, [&](const auto& grant) {
        const bool is_inside = wish.path == grant.second || policy::IsBelow(wish.path, grant.second);
        return is_inside && (grant.first == word || (grant.first == "read-write" && word == "read"));
      });
      if (is_granted) {
        made_.profile.paths.push_back(wish);
      } else {
        Miss(word + " " + wish.path);
      }
    }
  }
  void Capabilities() {
    uint64_t granted = 0;
    for (const std::string& word : rules_.capabilities) granted |= CapabilityBit(word).value_or(0);
    made_.profile.capabilities = request_.capabilities & granted;
    const uint64_t missing = request_.capabilities & ~granted;
    if (missing != 0) Miss("capabilities " + CapabilityNames(missing));
  }
  void Inherited() {
    for (const policy::InheritedFd& wish : request_.inherited) {
      if (Contains(rules_.inherit, wish.name)) {
        made_.profile.inherited.push_back(wish);
      } else {
        Miss("inherit " + wish.name);
      }
    }
  }
  bool HasNamespace(bool is_wanted, const char* word) {
    if (!is_wanted) return false;
    if (Contains(rules_.namespaces, word)) return true;
    Miss(std::string("namespace ") + word);
    return false;
  }
  void Namespaces() {
    made_.profile.has_host_net = HasNamespace(request_.wants_host_net, "host-net");
    made_.profile.has_host_uts = HasNamespace(request_.wants_host_uts, "host-uts");
    if (HasNamespace(request_.wants_host_mounts, "host-mounts")) {
      made_.profile.mounts = policy::MountView::kRecursiveSlave;
    }
  }
  template <typename T>
  void Limit(T wish, std::optional<T> grant, const char* name, T& limit) {
    const T most = std::max(limit, grant.value_or(limit));
    if (wish > most) Miss(std::string(name) + " " + std::to_string(wish) + " (granted: " + std::to_string(most) + ")");
    limit = std::min(wish, most);
  }
  void Limits() {
    policy::ResourceLimits& limits = made_.profile.limits;
    Limit(request_.limits.data_bytes, rules_.memory_bytes, "memory", limits.data_bytes);
    Limit(request_.limits.file_bytes, rules_.file_bytes, "file-size", limits.file_bytes);
    Limit(request_.limits.open_files, rules_.open_files, "open-files", limits.open_files);
    Limit(request_.limits.tasks, rules_.tasks, "tasks", limits.tasks);
    // mlockall needs room for all of it.
    if (made_.profile.locks_memory) limits.locked_bytes = limits.data_bytes;
  }

  const SandboxRequest& request_;
  const PluginRules& rules_;
  EffectiveSandbox made_;
};

policy::SandboxProfile OwnSandbox(const char* name, policy::Role role, uint32_t uid, uint32_t landlock_minimum) {
  policy::SandboxProfile profile;
  profile.name = name;
  profile.role = role;
  profile.uid = uid;
  profile.landlock_minimum = landlock_minimum;
  profile.promises = {Promise::kStdio};
  profile.limits.tasks = kOwnTasks;
  return profile;
}

}  // namespace

EffectiveSandbox Intersect(const Manifest& manifest, const PluginRules* rules, uint32_t landlock_minimum) {
  static const PluginRules kNothing;
  EffectiveSandbox made = Intersection(manifest.sandbox, rules == nullptr ? kNothing : *rules).Make();
  made.profile.name = manifest.name;
  made.profile.landlock_minimum = landlock_minimum;
  return made;
}

policy::SandboxProfile CoreSandbox(uint32_t uid, uint32_t landlock_minimum) {
  policy::SandboxProfile profile = OwnSandbox("core", policy::Role::kCore, uid, landlock_minimum);
  profile.promises.push_back(Promise::kAccept);
  profile.limits.data_bytes = kCoreDataBytes;
  profile.limits.open_files = kCoreOpenFiles;
  return profile;
}

policy::SandboxProfile LogSandbox(uint32_t uid, uint32_t landlock_minimum) {
  policy::SandboxProfile profile = OwnSandbox("log", policy::Role::kLog, uid, landlock_minimum);
  profile.limits.file_bytes = UINT64_MAX;  // its files are rotated from outside
  return profile;
}

}  // namespace reeve::config
