#include "agent/sandbox/confine_child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/descriptors.h"
#include "agent/sandbox/inherited.h"
#include "agent/sandbox/landlock.h"
#include "agent/sandbox/libraries.h"
#include "agent/sandbox/limits.h"
#include "agent/sandbox/namespaces.h"
#include "agent/sandbox/private_root.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

using policy::InheritedFd;
using policy::MountView;
using policy::PathAccess;

constexpr int kFailedToConfine = 127;
constexpr std::string_view kRemark = "remark: ";
constexpr std::string_view kFailure = "failure: ";

bool HasPrivateRoot(const ChildPlan& plan) {
  return plan.profile->mounts == MountView::kPrivateRoot && !plan.profile->is_unprivileged;
}

// A mount of its own for the plugin, beside the machine's.
bool MountsPlugin(const ChildPlan& plan) {
  return plan.plugin_fd >= 0 && plan.profile->mounts == MountView::kRecursiveSlave && !plan.profile->is_unprivileged;
}

MountAccess MountAccessFor(PathAccess access) {
  if (access == PathAccess::kReadWrite) return MountAccess::kReadWrite;
  return access == PathAccess::kReadExecute ? MountAccess::kReadExecute : MountAccess::kRead;
}

// The child between fork and exec. Each step is a method; their order is kSteps.
class Child {
 public:
  explicit Child(const ChildPlan& plan) : plan_(plan), profile_(*plan.profile) {}

  Status CheckPlan();
  Status StartSession();
  Status DefaultSignals();
  Status ArrangeFds();
  Status OpenInheritedFds();
  Status TakeFiles();
  Status Limit();
  Status UnshareNamespaces();
  Status EnterTree();
  Status PrepareLandlock();
  Status PassCapabilities();
  Status DropRoot();
  Status AssertDropped();
  Status ConnectBus();
  Status ForbidNewPrivileges();
  Status DieWithWarden();
  Status EnterLandlock();
  Status Execute();

  // Out of the way of the fixed numbers. Without it nothing can be reported.
  Status LiftReport();
  void Report(std::string_view kind, const std::string& text);

 private:
  // By the descriptor's own file, wherever the present root is. Only with /proc, so before EnterTree.
  Result<UniqueFd> Reopen(int fd);
  Result<UniqueFd> OpenOrEmpty(const InheritedFd& wanted);
  Status TakeLibraries();
  Status TakeGrants();
  Status AllowPath(const std::string& path, PathAccess access);
  bool NeedsBus() const;
  void Remark(const std::string& text) { Report(kRemark, text); }

  const ChildPlan& plan_;
  const policy::SandboxProfile& profile_;
  UniqueFd binary_;
  UniqueFd plugin_;
  UniqueFd report_;
  Libraries libraries_;
  TakenMounts mounts_;
  std::vector<policy::PathGrant> grants_;  // those that exist
  std::optional<LandlockRules> landlock_;
};

// What forces the order stands at the steps. Two stand earlier than their nature asks:
// inherited descriptors and files are opened while this process still sees what the warden sees, as a private
// root has no /proc.
struct Step {
  const char* name;
  Status (Child::*run)();
  bool needs_root = false;
};
constexpr Step kSteps[] = {
    {"plan", &Child::CheckPlan},
    {"session", &Child::StartSession},
    {"signals", &Child::DefaultSignals},
    {"descriptors", &Child::ArrangeFds},
    {"inherited", &Child::OpenInheritedFds},
    {"files", &Child::TakeFiles},
    {"limits", &Child::Limit},
    {"namespaces", &Child::UnshareNamespaces, true},
    {"root", &Child::EnterTree},
    {"landlock rules", &Child::PrepareLandlock},
    {"capabilities", &Child::PassCapabilities, true},
    {"user", &Child::DropRoot, true},
    {"root is gone", &Child::AssertDropped},
    {"system bus", &Child::ConnectBus},
    {"no new privileges", &Child::ForbidNewPrivileges},
    {"parent", &Child::DieWithWarden},
    {"landlock", &Child::EnterLandlock},
    {"exec", &Child::Execute},
};

Status Child::CheckPlan() {
  if (profile_.uid == 0) return Fail(Code::kInvalidArgument, "a confined process cannot be root");
  if (profile_.run_filter.empty()) return Fail(Code::kInvalidArgument, "the profile has no filter");
  if (MountsPlugin(plan_) && plan_.slave_mount_directory.empty()) {
    return Fail(Code::kInvalidArgument, "no directory for the plugin");
  }
  if (profile_.is_unprivileged && profile_.capabilities != 0) {
    return Fail(Code::kUnsupported, "its capabilities take root to give");
  }
  return {};
}

Status Child::StartSession() {
  if (::setsid() < 0) return FailErrno("start a session");
  return {};
}

Status Child::DefaultSignals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);  // fails for SIGKILL, SIGSTOP and libc's own
  sigset_t none;
  ::sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) < 0) return FailErrno("unblock signals");
  return {};
}

Status Child::ArrangeFds() {
  binary_ = REEVE_TRY(DuplicateHigh(plan_.binary_fd));
  std::vector<int> kept{report_.get(), binary_.get()};
  if (plan_.plugin_fd >= 0) {
    plugin_ = REEVE_TRY(DuplicateHigh(plan_.plugin_fd));
    kept.push_back(plugin_.get());
  }
  return ArrangeDescriptors(plan_.fds, kept);
}

// A kernel without IPv6 has no net/ipv6_route: then there is nothing to read, which is no reason not to start.
Result<UniqueFd> Child::OpenOrEmpty(const InheritedFd& wanted) {
  auto opened = OpenInherited(wanted, plan_.run_directory, profile_.uid);
  if (opened || wanted.kind != InheritedFd::Kind::kProcFile || opened.error().code() != Code::kNotFound) return opened;
  Remark("inherited: " + opened.error().message() + "; it reads as empty");
  return sys::Open("/dev/null", O_RDONLY);
}

Status Child::OpenInheritedFds() {
  int number = kFirstInheritedFd;
  for (const InheritedFd& wanted : profile_.inherited) {
    if (wanted.kind != InheritedFd::Kind::kSystemBus) {
      UniqueFd opened = REEVE_TRY(OpenOrEmpty(wanted));
      // It may have got this very number: out of the way first, so that placing it makes it survive exec.
      REEVE_TRY(MoveHigh(opened));
      REEVE_TRY(PlaceAt(opened.get(), number));
    }
    ++number;
  }
  return {};
}

Result<UniqueFd> Child::Reopen(int fd) {
  return sys::Open("/proc/self/fd/" + std::to_string(fd), O_RDONLY);
}

bool Child::NeedsBus() const {
  for (const InheritedFd& wanted : profile_.inherited) {
    if (wanted.kind == InheritedFd::Kind::kSystemBus) return true;
  }
  return false;
}

Status Child::TakeLibraries() {
  if (!HasPrivateRoot(plan_)) return {};
  REEVE_TRY(mounts_.Take(libraries_.loader, libraries_.loader, MountAccess::kReadExecute));
  for (const std::string& file : libraries_.files) REEVE_TRY(mounts_.Take(file, file, MountAccess::kReadExecute));
  return {};
}

Status Child::TakeGrants() {
  for (const policy::PathGrant& grant : profile_.paths) {
    if (::access(grant.path.c_str(), F_OK) < 0) {
      Remark("files: granted path " + grant.path + " does not exist");
      continue;
    }
    if (HasPrivateRoot(plan_)) REEVE_TRY(mounts_.Take(grant.path, grant.path, MountAccessFor(grant.access)));
    grants_.push_back(grant);
  }
  return {};
}

Status Child::TakeFiles() {
  const UniqueFd binary = REEVE_TRY(Reopen(binary_.get()));
  UniqueFd plugin;
  std::vector<int> elf_fds{binary.get()};
  if (plugin_) {
    plugin = REEVE_TRY(Reopen(plugin_.get()));
    elf_fds.push_back(plugin.get());
    if (!profile_.is_unprivileged) {
      REEVE_TRY(mounts_.TakeFd(plugin_.get(), kPluginPath, MountAccess::kReadExecute));
    }
  }
  libraries_ = REEVE_TRY(NeededLibraries(elf_fds));
  REEVE_TRY(TakeLibraries());
  REEVE_TRY(TakeGrants());
  if (HasPrivateRoot(plan_) && NeedsBus()) {
    REEVE_TRY(mounts_.Take(kSystemBusPath, kSystemBusPath, MountAccess::kRead));
  }
  return {};
}

Status Child::Limit() {
  std::vector<std::string> remarks;
  const LimitTasks tasks = profile_.is_unprivileged ? LimitTasks::kNo : LimitTasks::kYes;
  REEVE_TRY(ApplyLimits(profile_.limits, tasks, remarks));
  for (const std::string& remark : remarks) Remark("limits: " + remark);
  return VolunteerForOutOfMemory();
}

Status Child::UnshareNamespaces() {
  return UnshareFor(profile_);
}

Status Child::EnterTree() {
  const char* directory = "/";
  ::umask(0);  // the tree's directories must be searchable for the new user
  if (HasPrivateRoot(plan_)) {
    REEVE_TRY(std::move(mounts_).PivotInto());
  } else if (MountsPlugin(plan_)) {
    REEVE_TRY(std::move(mounts_).MountAt(plan_.slave_mount_directory));
    directory = plan_.slave_mount_directory.c_str();
  }
  ::umask(0077);
  // Entered while this is root: the new user may not be allowed to search what leads there.
  if (::chdir(directory) < 0) return FailErrno("chdir " + std::string(directory));
  return {};
}

Status Child::AllowPath(const std::string& path, PathAccess access) {
  const UniqueFd file = REEVE_TRY(sys::Open(path, O_PATH));
  return landlock_->Allow(file.get(), access);
}

// Rules are made while root can still reach every granted path; only entering the domain comes last.
Status Child::PrepareLandlock() {
  const uint32_t level = LandlockLevel();
  if (level < profile_.landlock_minimum) {
    return Fail(Code::kUnsupported, "this kernel has Landlock level " + std::to_string(level) + ", policy demands " +
                                        std::to_string(profile_.landlock_minimum));
  }
  if (level == 0) {
    Remark("landlock: this kernel has none; mounts and filters stand alone");
    return {};
  }
  landlock_ = REEVE_TRY(LandlockRules::Create());
  REEVE_TRY(landlock_->Allow(binary_.get(), PathAccess::kReadExecute));
  if (!libraries_.loader.empty()) REEVE_TRY(AllowPath(libraries_.loader, PathAccess::kReadExecute));
  for (const std::string& file : libraries_.files) REEVE_TRY(AllowPath(file, PathAccess::kReadExecute));
  if (plugin_) REEVE_TRY(landlock_->Allow(plugin_.get(), PathAccess::kReadExecute));
  for (const policy::PathGrant& grant : grants_) REEVE_TRY(AllowPath(grant.path, grant.access));
  return {};
}

// Ambient capabilities are what survives exec for a user that is not root; all of this needs CAP_SETPCAP,
// which is gone with the uid.
Status Child::PassCapabilities() {
  REEVE_TRY(SetInheritable(profile_.capabilities));
  REEVE_TRY(SetAmbient(profile_.capabilities));
  REEVE_TRY(DropBoundingSet());
  return LockSecurebits();
}

Status Child::DropRoot() {
  REEVE_TRY(BecomeUser(profile_.uid, profile_.uid, {}));
  const uint64_t wanted = profile_.capabilities;
  return WriteCapabilities({.effective = wanted, .permitted = wanted, .inheritable = wanted});
}

Status Child::AssertDropped() {
  return AssertNotRootAgain(profile_.uid);
}

Status Child::ConnectBus() {
  int number = kFirstInheritedFd;
  for (const InheritedFd& wanted : profile_.inherited) {
    if (wanted.kind == InheritedFd::Kind::kSystemBus) {
      const UniqueFd bus = REEVE_TRY(ConnectSystemBus());
      if (bus.get() == number) return sys::SetCloseOnExec(bus.get(), false);
      REEVE_TRY(PlaceAt(bus.get(), number));
    }
    ++number;
  }
  return {};
}

Status Child::ForbidNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return FailErrno("set no_new_privs");
  return {};
}

// After the uid change, which clears the parent-death signal. The parent may have died before the signal was
// set.
Status Child::DieWithWarden() {
  if (!profile_.dies_with_parent) return {};
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return FailErrno("set the parent-death signal");
  const bool sees_warden = CloneFlagsFor(profile_) == 0;
  const pid_t expected = sees_warden ? plan_.warden_pid : 0;  // a parent outside is 0 in here
  if (::getppid() != expected) return Fail(Code::kClosed, "the warden is gone");
  return {};
}

Status Child::EnterLandlock() {
  if (!landlock_) return {};
  return landlock_->Restrict();
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Status Child::Execute() {
  const std::vector<char*> argv = Pointers(plan_.argv);
  const std::vector<char*> environment = Pointers(plan_.environment);
  ::syscall(SYS_execveat, binary_.get(), "", argv.data(), environment.data(), AT_EMPTY_PATH);
  return FailErrno("execute " + (plan_.argv.empty() ? std::string("the binary") : plan_.argv.front()));
}

Status Child::LiftReport() {
  report_ = REEVE_TRY(DuplicateHigh(plan_.report_fd));
  return {};
}

// Never fails: who cannot report still ends with kFailedToConfine.
void Child::Report(std::string_view kind, const std::string& text) {
  (void)sys::WriteAll(report_.get(), AsBytes(std::string(kind) + text + "\n"));
}

}  // namespace

std::string PluginPathIn(const ChildPlan& plan) {
  if (plan.plugin_fd < 0) return {};
  if (plan.profile->is_unprivileged) return plan.plugin_path;
  return HasPrivateRoot(plan) ? kPluginPath : std::string(".") + kPluginPath;
}

uint64_t CloneFlagsFor(const policy::SandboxProfile& profile) {
  return profile.has_host_pid || profile.is_unprivileged ? 0 : CLONE_NEWPID;
}

void ConfineAndExec(const ChildPlan& plan) {
  Child child(plan);
  if (!child.LiftReport()) ::_exit(kFailedToConfine);
  for (const Step& step : kSteps) {
    if (step.needs_root && plan.profile->is_unprivileged) continue;
    const Status done = (child.*step.run)();
    if (done) continue;
    child.Report(kFailure, "step '" + std::string(step.name) + "': " + done.error().message());
    break;
  }
  ::_exit(kFailedToConfine);
}

ConfineReport ParseConfineReport(const std::string& text) {
  ConfineReport report;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    start = end + 1;
    if (line.starts_with(kRemark)) report.remarks.push_back(line.substr(kRemark.size()));
    if (line.starts_with(kFailure)) report.failure = line.substr(kFailure.size());
  }
  return report;
}

}  // namespace reeve::sandbox
