#include "plugins/system/power.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace reeve::system {

// One mode, and what carries it out.
struct Power::Way {
  std::string_view mode;
  const char* program;
  const char* option;  // of shutdown
};

namespace {

constexpr const char* kShutdown = "shutdown";

}  // namespace

void Power::Shutdown(const Pending& request, const std::optional<std::string>& mode) {
  static constexpr std::array<Way, 3> kWays = {
      {{"powerdown", "poweroff", "-P"}, {"halt", "halt", "-H"}, {"reboot", "reboot", "-r"}}};
  const auto* const way = std::ranges::find(kWays, mode.value_or("powerdown"), &Way::mode);
  if (way == kWays.end()) {
    // Without its last bracket, as hosts know it.
    return request->Fail(REEVE_ERROR_ARGUMENT, "mode is invalid (valid values are: halt|powerdown|reboot");
  }
  programs_.Run(request->id(), {way->program}, [this, request, way](const ProgramEnd& end) {
    if (!request->is_open()) return;
    if (end.is_missing()) return RunShutdown(request, *way);
    Answer(request, way->program, end);
  });
}

void Power::RunShutdown(const Pending& request, const Way& way) {
  programs_.Run(request->id(), {kShutdown, "-h", way.option, "+0", "hypervisor initiated shutdown"},
                [request](const ProgramEnd& end) {
                  if (request->is_open()) Answer(request, kShutdown, end);
                });
}

void Power::Answer(const Pending& request, const std::string& program, const ProgramEnd& end) {
  if (end.is_success()) return request->Succeed();
  request->Fail(FailureStatus(end), FailureText("shutdown", program, end));
}

}  // namespace reeve::system
