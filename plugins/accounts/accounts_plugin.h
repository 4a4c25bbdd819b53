#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/accounts/helper_runs.h"
#include "reeve/plugin.hpp"

namespace reeve::accounts {

// guest-set-user-password and guest-ssh-*. Nothing is done here but telling a helper (helpers/contract.h) what the host wants, and the
// host what the helper said. One request at a time, so that no two helpers work on one file.
class AccountsPlugin : public plugin::Plugin {
 public:
  explicit AccountsPlugin(plugin::Agent& agent) : Plugin(agent), runs_(agent) {}

  void Cancelled(uint64_t request_id) override;

  void SetUserPassword(const Request& request, Reply& reply);
  void GetKeys(const Request& request, Reply& reply);
  void AddKeys(const Request& request, Reply& reply);
  void RemoveKeys(const Request& request, Reply& reply);

 private:
  using Answer = void (*)(const HelperEnd&, Reply&);
  void ChangeKeys(const Request& request, Reply& reply, const char* verb);
  // `answer` is for a helper that ended by itself.
  void Ask(const Request& request, Reply& reply, std::vector<std::string> words, const std::string& user,
           std::string input, Answer answer);
  void Finish(uint64_t request_id, const HelperEnd& end, Answer answer);

  HelperRuns runs_;
  std::map<uint64_t, Reply> replies_;  // by request
};

}  // namespace reeve::accounts
