#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fsfreeze_commands.hpp"
#include "plugins/fsfreeze/freeze_cycle.h"
#include "plugins/fsfreeze/settings.h"
#include "reeve/plugin.hpp"

namespace reeve::fsfreeze {

// The commands: each a question to the one FreezeCycle, or a trim. What waits for a disk is done by threads.
class FsfreezePlugin : public plugin::Plugin {
 public:
  // A thaw has to reach a freeze that is under way, and a status waits for it.
  static constexpr uint32_t kMaxConcurrency = 32;

  using Plugin::Plugin;

  void Configure(const plugin::Arguments& settings) override;
  void Activate() override;
  void Start() override;
  void Cancelled(uint64_t request_id) override;
  void Deactivate() override;

  void Status(const Request& request, const fsfreeze_manifest::GuestFsfreezeStatus& arguments, Reply& reply);
  void Freeze(const Request& request, const fsfreeze_manifest::GuestFsfreezeFreeze& arguments, Reply& reply);
  void FreezeList(const Request& request, const fsfreeze_manifest::GuestFsfreezeFreezeList& arguments, Reply& reply);
  void FreezeDisks(const Request& request, const fsfreeze_manifest::FsfreezeFreezeDisks& arguments, Reply& reply);
  void Thaw(const Request& request, const fsfreeze_manifest::GuestFsfreezeThaw& arguments, Reply& reply);
  void Trim(const Request& request, const fsfreeze_manifest::GuestFstrim& arguments, Reply& reply);
  void Report(const Request& request, const fsfreeze_manifest::FsfreezeReport& arguments, Reply& reply);
  void Renew(const Request& request, const fsfreeze_manifest::FsfreezeRenew& arguments, Reply& reply);

 protected:
  // Called once, by Start.
  virtual Result<World> MakeWorld();

 private:
  using Choice = Result<std::vector<Target>>;
  void BeginFreeze(const Request& request, Reply& reply, FreezeCycle::Choose choose);
  void Answer(uint64_t request_id, const Result<size_t>& count);
  Choice LessExcluded(Choice targets) const;
  void FinishTrim(uint64_t request_id, std::vector<TrimReport> reports);

  Settings settings_;
  World world_;
  TrimGate gate_;
  std::unique_ptr<FreezeCycle> cycle_;
  uint64_t freeze_request_ = 0;
  std::map<uint64_t, Reply> replies_;  // by request: what waits for a freeze, a thaw or a trim
};

}  // namespace reeve::fsfreeze
