#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "reeve/plugin.hpp"

namespace reeve::inventory {

// What a program said that the agent was asked to run. Plain value.
struct ProgramOutput {
  // It does not run, since the machine has no such program.
  bool is_missing = false;
  // What it wrote to its standard output, or why that is not to be used: it was refused, it failed (with what it said),
  // it was ended, it said more than kMaxBytes, or more than was left of kMaxBytesOfAll.
  Result<std::string> text = std::string();

  static constexpr size_t kMaxBytes = 8u << 20;
  static constexpr size_t kMaxBytesOfAll = 24u << 20;
};

// Has programs run by the agent, under the policy's rules for this plugin, and reads what they print. Never waits; that they end
// at all is the business of their rules' timeouts. Of more than kMaxRunning the others wait for their turn. Not thread-safe.
class ProgramReader {
 public:
  using OnRead = std::function<void(ProgramOutput)>;

  // `agent` is lent, and told how many programs run.
  explicit ProgramReader(plugin::Agent& agent) : agent_(agent) {}

  // `words`: the name of a rule that policy has for this plugin, then the arguments. Standard input is empty. `on_read` is
  // called once, from the loop, or before this returns when the agent cannot even be asked.
  void Read(uint64_t request_id, std::vector<std::string> words, OnRead on_read);

  // Each has three descriptors, of 64 that a worker may have; one that cannot take what the warden sends it ends.
  static constexpr size_t kMaxRunning = 8;

 private:
  struct Question {
    uint64_t request_id = 0;
    std::vector<std::string> words;
    OnRead on_read;
  };
  struct Running {
    std::string name;
    plugin::Descriptor status;
    plugin::Descriptor output;
    plugin::Descriptor errors;
    std::string said;
    std::string complained;
    bool is_too_much = false;
    OnRead on_read;
  };
  void AskWaiting();
  void Ask(Question question);
  void EndOne(const OnRead& on_read, ProgramOutput output);
  void Follow(std::string name, plugin::Started started, OnRead on_read);
  void Watch(const plugin::Descriptor& fd, plugin::Agent::OnReady on_ready);
  size_t BytesLeft() const;
  void OnOutput(uint64_t serial);
  void OnErrors(uint64_t serial);
  void OnStatus(uint64_t serial);
  void Close(plugin::Descriptor& fd);

  plugin::Agent& agent_;
  std::deque<Question> waiting_;
  size_t under_way_ = 0;  // asked for, or running
  uint64_t next_serial_ = 1;
  std::map<uint64_t, Running> running_;
};

}  // namespace reeve::inventory
