#include "agent/config/unprivileged.h"

namespace reeve::config {
namespace {

constexpr uint32_t kRoot = 0;

void TakeFrom(policy::SandboxProfile& profile, uint32_t uid) {
  profile.uid = uid;
  profile.is_unprivileged = true;
}

void TakeFrom(policy::RunAs& as, const policy::RunAs& self, const policy::Origin& origin, Config& config) {
  if (as.uid == kRoot) {
    as = self;
  } else if (as.uid != self.uid) {
    config.warnings.push_back(origin.ToString() + ": unprivileged: to act as user '" + as.name +
                              "' takes root; what this rule allows will fail");
  }
}

void CheckConfinement(const policy::ProgramRule& rule, Config& config) {
  // What nobody here has written is refused when it is asked for, and not warned of at each start.
  if (!policy::TakesRoot(rule.confine) || rule.is_of_profile) return;
  config.warnings.push_back(rule.origin.ToString() + ": unprivileged: to confine a program so takes root; what rule '" +
                            rule.name + "' allows will be refused");
}

}  // namespace

void TakePrivileges(const policy::RunAs& self, Config& config) {
  config.warnings.push_back("unprivileged: all of Reeve runs as uid " + std::to_string(self.uid) +
                            " with that user's rights, and rules for root mean that user");
  config.warnings.emplace_back(
      "unprivileged: system-call filters, Landlock, no_new_privs and limits hold; missing are a uid for each process, "
      "mount, "
      "network and other namespaces, an empty capability bounding set, and limits on tasks");
  TakeFrom(config.core, self.uid);
  TakeFrom(config.log_process, self.uid);
  for (Plugin& plugin : config.plugins) {
    TakeFrom(plugin.sandbox, self.uid);
    if (plugin.sandbox.capabilities == 0) continue;
    // What needs none of them is answered; the rest the kernel refuses, as it does to qemu-ga of that user.
    plugin.sandbox.capabilities = 0;
    config.warnings.push_back("unprivileged: plugin " + plugin.name +
                              " is without its capabilities, which take root to give; what needs them will fail");
  }
  policy::EachProgramRule(config.policy, [&](policy::ProgramRule& rule) {
    CheckConfinement(rule, config);
    if (!policy::TakesRoot(rule.confine)) TakeFrom(rule.as, self, rule.origin, config);
  });
  policy::EachDirectory(
      config.policy, [&](policy::FileDirectory& directory) { TakeFrom(directory.as, self, directory.origin, config); });
}

}  // namespace reeve::config
