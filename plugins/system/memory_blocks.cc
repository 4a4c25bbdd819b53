#include "plugins/system/memory_blocks.h"

#include <cerrno>
#include <utility>

namespace reeve::system {

namespace {

using system_manifest::GuestMemoryBlock;
using system_manifest::GuestMemoryBlockResponse;
using Response = system_manifest::GuestMemoryBlockResponseType;

GuestMemoryBlockResponse ResultOf(const GuestMemoryBlock& wanted, Response response, int error_code = 0) {
  GuestMemoryBlockResponse result;
  result.phys_index = wanted.phys_index;
  result.response = response;
  if (error_code != 0) result.error_code = error_code;
  return result;
}

Status SwitchTo(bool online, int fd) {
  const std::string state = REEVE_TRY(ReadSwitch(fd, "state"));
  if (online == state.starts_with("online")) return {};
  return WriteSwitch(fd, online ? "online" : "offline", "state");
}

GuestMemoryBlockResponse Switch(const GuestMemoryBlock& wanted, const SwitchFile& file) {
  switch (file.kind) {
    case SwitchFile::Kind::kNoSuchThing:
      return ResultOf(wanted, Response::kNotFound, ENOENT);
    case SwitchFile::Kind::kNoSwitch:
      if (wanted.online) return ResultOf(wanted, Response::kSuccess);
      return ResultOf(wanted, Response::kOperationNotSupported, ENOENT);
    case SwitchFile::Kind::kRefused:
      return ResultOf(wanted, Response::kOperationFailed,
                      file.refusal.error_number == 0 ? EACCES : file.refusal.error_number);
    case SwitchFile::Kind::kOpen:
      break;
  }
  const Status switched = SwitchTo(wanted.online, file.fd.get());
  if (switched) return ResultOf(wanted, Response::kSuccess);
  const int error_number = switched.error().system_errno();
  return ResultOf(wanted, Response::kOperationFailed, error_number == 0 ? EIO : error_number);
}

// The kernel's name for a block takes its number as a signed one.
std::string NumberOf(const GuestMemoryBlock& block) {
  return std::to_string(static_cast<int64_t>(block.phys_index));
}

}  // namespace

void MemoryBlocks::Set(const Pending& request, std::vector<GuestMemoryBlock> wanted) {
  if (wanted.size() > kMaxAtOnce) {
    return request->Fail(REEVE_ERROR_LIMIT, std::to_string(wanted.size()) + " memory blocks are more than the " +
                                                std::to_string(kMaxAtOnce) + " that one request may name");
  }
  const auto work = std::make_shared<Work>();
  work->request = request;
  work->wanted = std::move(wanted);
  Next(work);
}

void MemoryBlocks::Next(const std::shared_ptr<Work>& work) {
  // What is not tried any more is for the host to try again.
  if (work->request->is_late(agent_.NowMs())) {
    while (work->results.size() < work->wanted.size())
      work->results.push_back(ResultOf(work->wanted[work->results.size()], Response::kOperationFailed, EAGAIN));
  }
  if (work->results.size() == work->wanted.size()) return work->request->ReturnValue(work->results);
  const std::string directory = directory_ + NumberOf(work->wanted[work->results.size()]);
  OpenSwitch(agent_, work->request->id(), directory, "state",
             [this, work](const SwitchFile& file) { OnSwitch(work, file); });
}

void MemoryBlocks::OnSwitch(const std::shared_ptr<Work>& work, const SwitchFile& file) {
  if (!work->request->is_open()) return;
  const bool is_by_policy = file.kind == SwitchFile::Kind::kRefused && file.refusal.error_number == 0;
  // Nothing was done yet, and the reason is worth more than a number.
  if (is_by_policy && work->results.empty()) return work->request->Fail(REEVE_ERROR_DENIED, file.refusal.text);
  work->results.push_back(Switch(work->wanted[work->results.size()], file));
  Next(work);
}

}  // namespace reeve::system
