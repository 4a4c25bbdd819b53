#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "plugins/accounts/helper_runs.h"
#include "reeve/plugin.hpp"

namespace reeve::accounts {

// guest-set-user-password and guest-ssh-*. Nothing is done here but telling a helper (helpers/contract.h) what the host wants, and the
// host what the helper said. Passwords are set one after the other, and so are one user's keys changed, so that no two helpers work
// on one file. A user whose helper is slow, and he can make it so, delays nobody else's keys.
class AccountsPlugin : public plugin::Plugin {
 public:
  // Of a worker's 64 descriptors each helper that is waited for takes three, and one that does not die takes one.
  static constexpr uint32_t kMaxConcurrency = 8;

  explicit AccountsPlugin(plugin::Agent& agent) : Plugin(agent), runs_(agent) {}

  void Cancelled(uint64_t request_id) override;

  void SetUserPassword(const Request& request, Reply& reply);
  void GetKeys(const Request& request, Reply& reply);
  void AddKeys(const Request& request, Reply& reply);
  void RemoveKeys(const Request& request, Reply& reply);

 private:
  using Answer = void (*)(const HelperEnd&, Reply&);
  struct Asked {
    uint64_t request_id = 0;
    HelperCall call;
    Answer answer = nullptr;  // for a helper that ended by itself
  };
  void ChangeKeys(const Request& request, Reply& reply, const char* verb);
  void Ask(Reply& reply, Asked asked);
  void StartWhatMay();
  void Run(Asked asked);
  void Finish(uint64_t request_id, const HelperEnd& end, Answer answer);
  Reply TakeReply(uint64_t request_id) { return std::move(replies_.extract(request_id).mapped()); }

  HelperRuns runs_;
  std::list<Asked> waiting_;           // for their lanes, the oldest first
  std::map<uint64_t, Reply> replies_;  // by request
};

}  // namespace reeve::accounts
