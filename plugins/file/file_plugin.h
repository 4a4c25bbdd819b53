#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "file_commands.hpp"
#include "plugins/file/file_reader.h"
#include "plugins/file/file_writer.h"
#include "plugins/file/handle_table.h"
#include "reeve/plugin.hpp"

namespace reeve::file {

// The guest-file-* commands. Opens through the agent, which has the rights; reads and writes on what it was
// given.
class FilePlugin : public plugin::Plugin {
 public:
  // Opens of several channels may wait at once: one on a dead mount takes seconds.
  static constexpr uint32_t kMaxConcurrency = 32;

  using Plugin::Plugin;

  // Throws when the agent gives no handle numbers.
  void Start() override;
  void Cancelled(uint64_t request_id) override;

  void Open(const Request& request, const file_manifest::GuestFileOpen& arguments, Reply& reply);
  void Close(const Request& request, const file_manifest::GuestFileClose& arguments, Reply& reply);
  void Read(const Request& request, const file_manifest::GuestFileRead& arguments, Reply& reply);
  void Write(const Request& request, const file_manifest::GuestFileWrite& arguments, Reply& reply);
  void Seek(const Request& request, const file_manifest::GuestFileSeek& arguments, Reply& reply);
  void Flush(const Request& request, const file_manifest::GuestFileFlush& arguments, Reply& reply);

 private:
  struct PendingOpen {
    Reply reply;
    uint32_t channel;
    bool appends;
    std::string path;
    std::string mode;
  };
  void FinishOpen(uint64_t request_id, plugin::Opened opened);
  Result<const OpenFile*> FileOf(const Request& request, int64_t handle) const;

  std::optional<HandleTable> handles_;  // from Start on
  std::map<uint64_t, PendingOpen> pending_opens_;
  FileReader reader_;
  FileWriter writer_;
};

}  // namespace reeve::file
