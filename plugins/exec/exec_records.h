#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "base/result.h"
#include "plugins/exec/exec_record.h"

namespace reeve::exec {

// The programs that hosts started, by channel and pid, with bounds on their number, their output and the time
// for which a finished one is kept: nobody may ever ask about it. Pure bookkeeping; not thread-safe.
class ExecRecords {
 public:
  static constexpr size_t kMaxRecords = 256;             // what open-files of the manifest leaves room for, four each
  static constexpr size_t kMaxCapturedBytes = 64 << 20;  // of all records
  static constexpr uint64_t kKeepFinishedMs = 60 * 60 * 1000;

  // Fails with kTooLarge when all records are of programs that still run: to be asked before one is started.
  [[nodiscard]] Status CheckRoom() const;

  // Takes a record; returns it with its serial. The oldest finished one goes when there are too many, and a
  // finished one of the same pid, which the kernel has given out again. REQUIRES: CheckRoom.
  ExecRecord& Add(ExecRecord record);

  // The youngest of that channel and pid that guest-exec started. Fails with kNotFound and the host's text.
  [[nodiscard]] Result<ExecRecord*> Find(uint32_t channel, int64_t pid);
  ExecRecord* FindSerial(uint64_t serial);   // nullptr: it is gone
  ExecRecord* FindRun(uint64_t request_id);  // that this exec-run waits for; nullptr: there is none
  void Erase(uint64_t serial);               // no error when it is gone

  // May `count` more bytes of output be kept? Finished records go, oldest first, until there is room.
  [[nodiscard]] bool KeepBytes(size_t count);

  // Drops what has been finished for kKeepFinishedMs. Returns whether finished records are left.
  bool Expire(uint64_t now_ms);

  size_t size() const { return records_.size(); }
  size_t captured_bytes() const { return captured_bytes_; }

 private:
  using Records = std::map<uint64_t, std::unique_ptr<ExecRecord>>;
  Records::iterator OldestFinished();
  void Erase(Records::iterator record);

  Records records_;  // by serial: the oldest first
  uint64_t last_serial_ = 0;
  size_t captured_bytes_ = 0;  // of all records
};

}  // namespace reeve::exec
