#include "plugins/exec/exec_records.h"

#include <algorithm>
#include <string>

namespace reeve::exec {

Status ExecRecords::CheckRoom() const {
  const auto is_finished = [](const auto& entry) { return entry.second->is_finished(); };
  if (records_.size() < kMaxRecords || std::ranges::any_of(records_, is_finished)) return {};
  return Fail(Code::kTooLarge, "too many programs: " + std::to_string(kMaxRecords) + " run already");
}

ExecRecord& ExecRecords::Add(ExecRecord record) {
  std::erase_if(records_, [&](const auto& entry) {
    const ExecRecord& old = *entry.second;
    const bool goes = old.pid == record.pid && old.channel == record.channel && old.is_finished();
    if (goes) captured_bytes_ -= old.captured_bytes();
    return goes;
  });
  if (records_.size() >= kMaxRecords) Erase(OldestFinished());
  record.serial = ++last_serial_;
  return *records_.emplace(record.serial, std::make_unique<ExecRecord>(std::move(record))).first->second;
}

Result<ExecRecord*> ExecRecords::Find(uint32_t channel, int64_t pid) {
  for (auto entry = records_.rbegin(); entry != records_.rend(); ++entry) {
    ExecRecord& record = *entry->second;
    if (record.channel == channel && record.pid == pid && !record.run) return &record;
  }
  return Fail(Code::kNotFound, "PID " + std::to_string(pid) + " does not exist");
}

ExecRecord* ExecRecords::FindSerial(uint64_t serial) {
  const auto found = records_.find(serial);
  return found == records_.end() ? nullptr : found->second.get();
}

ExecRecord* ExecRecords::FindRun(uint64_t request_id) {
  const auto waits = [&](const auto& entry) {
    return entry.second->run && entry.second->run->request_id() == request_id;
  };
  const auto found = std::ranges::find_if(records_, waits);
  return found == records_.end() ? nullptr : found->second.get();
}

void ExecRecords::Erase(uint64_t serial) {
  Erase(records_.find(serial));
}

void ExecRecords::Erase(Records::iterator record) {
  if (record == records_.end()) return;
  captured_bytes_ -= record->second->captured_bytes();
  records_.erase(record);
}

ExecRecords::Records::iterator ExecRecords::OldestFinished() {
  const auto is_finished = [](const auto& entry) { return entry.second->is_finished(); };
  return std::ranges::find_if(records_, is_finished);
}

bool ExecRecords::KeepBytes(size_t count) {
  while (captured_bytes_ + count > kMaxCapturedBytes) {
    const auto oldest = OldestFinished();
    if (oldest == records_.end()) return false;
    Erase(oldest);
  }
  captured_bytes_ += count;
  return true;
}

bool ExecRecords::Expire(uint64_t now_ms) {
  bool is_any_left = false;
  for (auto entry = records_.begin(); entry != records_.end();) {
    const auto current = entry++;
    if (!current->second->is_finished()) continue;
    if (now_ms - current->second->finished_ms >= kKeepFinishedMs) {
      Erase(current);
    } else {
      is_any_left = true;
    }
  }
  return is_any_left;
}

}  // namespace reeve::exec
