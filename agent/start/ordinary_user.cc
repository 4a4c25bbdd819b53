#include "agent/start/ordinary_user.h"

namespace reeve::start {

Status SettleUser(uint32_t uid, const EnvironmentReader& environment, Options& options) {
  if (uid == 0 && options.is_unprivileged)
    return Fail(Code::kInvalidArgument, "--unprivileged is for an ordinary user, and this is root");
  if (uid == 0) return {};
  if (!options.is_unprivileged)
    return Fail(Code::kDenied, "this takes root; --unprivileged serves as an ordinary user, with less protection");
  if (options.run_directory == kDefaultRunDirectory) {
    const std::string runtime = environment("XDG_RUNTIME_DIR");
    if (runtime.empty()) return Fail(Code::kInvalidArgument, "there is no XDG_RUNTIME_DIR: --statedir is needed");
    options.run_directory = runtime + "/reeve";
  }
  options.home = environment("HOME");
  if (options.state_directory == kDefaultStateDirectory) {
    const std::string state = environment("XDG_STATE_HOME");
    options.state_directory = (state.empty() ? options.home + "/.local/state" : state) + "/reeve";
  }
  return {};
}

}  // namespace reeve::start
