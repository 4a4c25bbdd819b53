#include "agent/start/status_facts.h"

#include <unistd.h>

#include <ctime>
#include <utility>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/landlock.h"
#include "base/sys.h"

namespace reeve::start {
namespace {

constexpr size_t kMaxControllersBytes = 4096;

bool HasWord(const std::string& words, const std::string& word) {
  return (" " + words + " ").find(" " + word + " ") != std::string::npos;
}

void LookAtGroups(wire::StatusFacts& facts) {
  const Result<sandbox::CgroupTree> tree = sandbox::CgroupTree::Find();
  if (!tree) {
    facts.missing.push_back("control groups: what a program leaves behind does not end with it (" +
                            tree.error().message() + ")");
    return;
  }
  facts.has_cgroup = true;
  facts.controllers = sys::ReadFile(tree->path() + "/cgroup.controllers", kMaxControllersBytes).value_or("");
  while (facts.controllers.ends_with('\n')) facts.controllers.pop_back();
  for (const char* wanted : {"memory", "pids"}) {
    if (HasWord(facts.controllers, wanted)) continue;
    facts.missing.push_back("controller " + std::string(wanted) +
                            " of control groups: its limits do not hold programs");
  }
}

}  // namespace

wire::StatusFacts GatherFacts(std::string policy_note) {
  wire::StatusFacts facts;
  facts.started_at_s = std::time(nullptr);
  facts.warden_pid = static_cast<uint32_t>(::getpid());
  facts.warden_uid = ::geteuid();
  facts.landlock_level = sandbox::LandlockLevel();
  facts.policy_note = std::move(policy_note);
  if (facts.landlock_level == 0)
    facts.missing.emplace_back("Landlock: only their own root, user and filter keep workers from files");
  LookAtGroups(facts);
  return facts;
}

}  // namespace reeve::start
