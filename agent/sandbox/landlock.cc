#include "agent/sandbox/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

// linux/landlock.h after Linux 6.1, which are Debian 12's headers.
constexpr uint64_t kTruncate = 1ull << 14;
constexpr uint64_t kIoctlDevice = 1ull << 15;
constexpr uint64_t kBindTcp = 1ull << 0;
constexpr uint64_t kConnectTcp = 1ull << 1;
constexpr uint64_t kScopeAbstractSocket = 1ull << 0;
constexpr uint64_t kScopeSignal = 1ull << 1;

struct RulesetAttributes {  // struct landlock_ruleset_attr of level 6
  uint64_t handled_files = 0;
  uint64_t handled_network = 0;
  uint64_t scoped = 0;
};

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kReadDirectory = LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kExecute = LANDLOCK_ACCESS_FS_EXECUTE;
constexpr uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                            LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
                            LANDLOCK_ACCESS_FS_REFER | kTruncate;
constexpr uint64_t kMakeDevices = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;
// What a rule on a file that is no directory may hold.
constexpr uint64_t kRightsOfFiles = kReadFile | kExecute | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;

uint64_t FileRightsOfLevel(uint32_t level) {
  uint64_t rights = (1ull << 13) - 1;
  if (level >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (level >= 3) rights |= kTruncate;
  if (level >= 5) rights |= kIoctlDevice;
  return rights;
}

uint64_t RightsFor(policy::PathAccess access) {
  switch (access) {
    case policy::PathAccess::kRead:
      return kReadFile | kReadDirectory;
    case policy::PathAccess::kReadExecute:
      return kReadFile | kReadDirectory | kExecute;
    case policy::PathAccess::kReadDirectory:
      return kReadDirectory;
    case policy::PathAccess::kReadWrite:
      return kReadFile | kReadDirectory | kWrite;
  }
  return 0;
}

// Older kernels know a shorter structure and refuse a longer one with anything in its tail.
size_t AttributesSize(uint32_t level) {
  if (level >= 6) return sizeof(RulesetAttributes);
  return level >= 4 ? offsetof(RulesetAttributes, scoped) : offsetof(RulesetAttributes, handled_network);
}

Result<UniqueFd> CreateRuleset(const RulesetAttributes& attributes, uint32_t level) {
  const long fd = ::syscall(SYS_landlock_create_ruleset, &attributes, AttributesSize(level), 0);
  if (fd < 0) return FailErrno("create a Landlock ruleset");
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace

uint32_t LandlockLevel() {
  const long level = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return level < 0 ? 0 : static_cast<uint32_t>(level);
}

Result<LandlockRules> LandlockRules::Create() {
  const uint32_t level = std::min(LandlockLevel(), kKnownLevel);
  if (level == 0) return Fail(Code::kUnsupported, "this kernel has no Landlock");
  RulesetAttributes attributes{.handled_files = FileRightsOfLevel(level)};
  if (level >= 4) attributes.handled_network = kBindTcp | kConnectTcp;
  if (level >= 6) attributes.scoped = kScopeAbstractSocket | kScopeSignal;
  return LandlockRules(REEVE_TRY(CreateRuleset(attributes, level)), attributes.handled_files);
}

Result<LandlockRules> LandlockRules::CreateForWriting() {
  const uint32_t level = std::min(LandlockLevel(), kKnownLevel);
  // Below level 3 a file can be emptied by name without any right to write it.
  if (level < 3) return Fail(Code::kUnsupported, "this kernel's Landlock cannot refuse truncation");
  return RefuseWriting(level);
}

Result<LandlockRules> LandlockRules::CreateForSpecialFiles() {
  const uint32_t level = std::min(LandlockLevel(), kKnownLevel);
  if (level == 0) return Fail(Code::kUnsupported, "this kernel has no Landlock");
  return RefuseWriting(level);
}

Result<LandlockRules> LandlockRules::CreateAgainstOtherProcesses() {
  const uint32_t level = std::min(LandlockLevel(), kKnownLevel);
  if (level == 0) return Fail(Code::kUnsupported, "this kernel has no Landlock");
  // A ruleset must handle something. Moving between directories is refused by each one that does not allow it.
  const uint64_t handled = level >= 2 ? LANDLOCK_ACCESS_FS_REFER : kMakeDevices;
  LandlockRules rules(REEVE_TRY(CreateRuleset({.handled_files = handled}, level)), handled);
  const UniqueFd root = REEVE_TRY(sys::Open("/", O_PATH | O_DIRECTORY));
  REEVE_TRY(rules.Allow(root.get(), policy::PathAccess::kReadWrite));
  return rules;
}

Result<LandlockRules> LandlockRules::RefuseWriting(uint32_t level) {
  const RulesetAttributes attributes{.handled_files = (kWrite | kMakeDevices) & FileRightsOfLevel(level)};
  return LandlockRules(REEVE_TRY(CreateRuleset(attributes, level)), attributes.handled_files);
}

Status LandlockRules::Allow(int fd, policy::PathAccess access) {
  const struct stat file = REEVE_TRY(sys::Stat(fd));
  uint64_t rights = RightsFor(access) & handled_;
  if (!S_ISDIR(file.st_mode)) rights &= kRightsOfFiles;
  if (rights == 0) return {};
  const landlock_path_beneath_attr rule{.allowed_access = rights, .parent_fd = fd};
  if (::syscall(SYS_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
    return FailErrno("add a Landlock rule");
  }
  return {};
}

Status LandlockRules::Restrict() const {
  if (::syscall(SYS_landlock_restrict_self, ruleset_.get(), 0) < 0) return FailErrno("enter the Landlock domain");
  return {};
}

}  // namespace reeve::sandbox
