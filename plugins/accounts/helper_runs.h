#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/accounts/helper_input.h"
#include "reeve/plugin.hpp"

namespace reeve::accounts {

// A helper that is to run.
struct HelperCall {
  std::vector<std::string> words;
  HelperInput input;
  std::string user;  // whom it is for
  std::string lane;  // no two that work on the same things run at once
};

// How a helper ended, or why it never began.
struct HelperEnd {
  bool has_begun = false;
  plugin::Refusal refusal;       // when it has not
  std::optional<int> exit_code;  // absent: ended by a signal, or nobody knows
  bool was_timed_out = false;    // ended at its rule's timeout
  std::string output;            // what it said, standard error too
  bool is_output_cut = false;    // it said more than is kept
};

// Helpers that run for requests: fed, drained, and followed to their ends, also when nobody waits for them any more. One for each
// request. Not thread-safe. REQUIRES: SIGPIPE is ignored.
class HelperRuns {
 public:
  using OnEnd = std::function<void(const HelperEnd&)>;

  // `agent` is lent. It is told how many helpers are followed.
  explicit HelperRuns(plugin::Agent& agent) : agent_(agent) {}

  // Asks the agent to run it. Its input is overwritten once it was handed over. `on_end` is called once, from the loop or from here,
  // unless the request is abandoned first.
  void Start(uint64_t request_id, HelperCall call, OnEnd on_end);
  // Nobody waits for the request's helper any more: it is killed.
  void Abandon(uint64_t request_id);
  // An abandoned helper for that user has not ended: his home directory, say, is on a file system that does not answer.
  bool IsStuck(const std::string& user) const;
  // Somebody waits for a helper of that lane.
  bool IsBusy(const std::string& lane) const;

 private:
  struct Run {
    HelperCall call;
    OnEnd on_end;  // empty: abandoned
    size_t written = 0;
    HelperEnd end;
    bool has_ended = false;
    uint64_t program = 0;
    uint64_t timer = 0;
    plugin::Descriptor status, in, out;
  };
  void Follow(uint64_t request_id, plugin::Started started);
  void Watch(uint64_t request_id, int fd, uint32_t events, void (HelperRuns::*on_ready)(uint64_t, Run&));
  void OnStatus(uint64_t request_id, Run& run);
  void OnInput(uint64_t request_id, Run& run);
  void OnOutput(uint64_t request_id, Run& run);
  void FinishIfOver(uint64_t request_id, Run& run);
  void Finish(uint64_t request_id);
  void Kill(Run& run);
  void Close(plugin::Descriptor& fd);

  plugin::Agent& agent_;
  std::map<uint64_t, std::unique_ptr<Run>> runs_;
};

}  // namespace reeve::accounts
