#include "plugins/exec/signal_name.h"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <utility>

namespace reeve::exec {

namespace {

constexpr std::pair<std::string_view, int> kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},
};

}  // namespace

int SignalOfName(std::string_view name) {
  const auto* const found = std::ranges::find(kSignals, name, [](const auto& row) { return row.first; });
  return found == std::end(kSignals) ? SIGTERM : found->second;
}

}  // namespace reeve::exec
