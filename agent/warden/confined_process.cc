#include "agent/warden/confined_process.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

// What the child says between fork and exec, read until it closes the pipe.
struct Report {
  UniqueFd pipe;
  std::string text;
};

void LogReport(const std::string& name, const std::string& text) {
  const sandbox::ConfineReport report = sandbox::ParseConfineReport(text);
  for (const std::string& remark : report.remarks) LogInfo(name + ": " + remark);
  if (!report.failure.empty()) LogError(name + " could not be confined: " + report.failure);
}

Status WatchReport(EventLoop& loop, UniqueFd pipe, std::string name) {
  REEVE_TRY(sys::SetNonBlocking(pipe.get()));
  auto report = std::make_shared<Report>(Report{std::move(pipe), ""});
  const int fd = report->pipe.get();
  return loop.Watch(fd, EPOLLIN, [&loop, report, name = std::move(name)](uint32_t) {
    uint8_t piece[512];
    const Result<size_t> count = sys::Read(report->pipe.get(), piece);
    if (!count && count.error().code() == Code::kUnavailable) return;
    if (count && *count > 0 && report->text.size() < sandbox::kMaxConfineReportBytes) {
      report->text += AsText(Bytes(piece).first(*count));
      return;
    }
    LogReport(name, report->text);
    loop.Forget(report->pipe.get());
  });
}

}  // namespace

std::vector<int> PlannedFds(const ConfinedSetup& setup) {
  std::vector<int> numbers;
  for (const auto& [fd, number] : setup.fds) numbers.push_back(number);
  return numbers;
}

std::string EmptyDirectoryIn(const std::string& run_directory) {
  return run_directory + "/empty";
}

Result<Child> StartConfined(EventLoop& loop, const ConfinedSetup& setup) {
  sys::TwoFds report = REEVE_TRY(sys::Pipe());
  sandbox::ChildPlan plan;
  plan.profile = setup.profile;
  plan.binary_fd = setup.files.binary.get();
  plan.argv = setup.argv;
  plan.plugin_fd = setup.files.plugin.get();
  plan.plugin_path = setup.plugin_path;
  plan.slave_mount_directory = EmptyDirectoryIn(setup.run_directory);
  plan.run_directory = setup.run_directory;
  plan.warden_pid = ::getpid();
  plan.report_fd = report.second.get();
  std::vector<int> kept{plan.binary_fd, plan.report_fd};
  if (plan.plugin_fd >= 0) kept.push_back(plan.plugin_fd);
  for (const auto& [fd, number] : setup.fds) {
    plan.fds.push_back({.fd = fd.get(), .number = number});
    kept.push_back(fd.get());
  }
  const ForkOptions options{.kept_fds = kept,
                            .clone_flags = sandbox::CloneFlagsFor(*setup.profile),
                            .dies_with_warden = setup.profile->dies_with_parent};
  Child child = REEVE_TRY(Fork(options, [&plan]() -> int { sandbox::ConfineAndExec(plan); }));
  REEVE_TRY(WatchReport(loop, std::move(report.first), setup.argv[0]));
  return child;
}

}  // namespace reeve::warden
