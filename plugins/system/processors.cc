#include "plugins/system/processors.h"

#include <cerrno>
#include <utility>

namespace reeve::system {

using system_manifest::GuestLogicalProcessor;

void Processors::Set(const Pending& request, std::vector<GuestLogicalProcessor> wanted) {
  const auto work = std::make_shared<Work>();
  work->request = request;
  work->wanted = std::move(wanted);
  Next(work);
}

void Processors::Next(const std::shared_ptr<Work>& work) {
  const bool is_over = work->done == work->wanted.size() || work->done == kMaxAtOnce;
  if (is_over || (work->done > 0 && work->request->is_late(agent_.NowMs())))
    return work->request->ReturnValue(static_cast<int64_t>(work->done));
  const int64_t id = work->wanted[work->done].logical_id;
  OpenSwitch(agent_, work->request->id(), DirectoryOf(id), "online", [this, work](const SwitchFile& file) {
    if (!work->request->is_open()) return;
    if (const Status switched = Switch(work->wanted[work->done], file); switched) {
      ++work->done;
      return Next(work);
    } else if (work->done == 0) {
      const bool is_refused = switched.error().code() == Code::kDenied && switched.error().system_errno() == 0;
      return work->request->Fail(is_refused ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED, switched.error().message());
    }
    work->request->ReturnValue(static_cast<int64_t>(work->done));
  });
}

Status Processors::Switch(const GuestLogicalProcessor& wanted, const SwitchFile& file) const {
  const std::string directory = DirectoryOf(wanted.logical_id), path = directory + "/online";
  switch (file.kind) {
    case SwitchFile::Kind::kNoSuchThing:
      return Fail(Error::System(ENOENT, "Could not open '" + directory + "/'"));
    case SwitchFile::Kind::kNoSwitch:
      if (wanted.online) return {};
      return Fail(Code::kUnsupported, "logical processor #" + std::to_string(wanted.logical_id) + " can't be offlined");
    case SwitchFile::Kind::kRefused:
      if (file.refusal.error_number == 0) return Fail(Code::kDenied, file.refusal.text);
      return Fail(Error::System(file.refusal.error_number, "open(\"" + path + "\")"));
    case SwitchFile::Kind::kOpen:
      break;
  }
  const std::string state = REEVE_TRY(ReadSwitch(file.fd.get(), path));
  if (wanted.online == (state[0] != '0')) return {};
  return WriteSwitch(file.fd.get(), wanted.online ? "1" : "0", path);
}

}  // namespace reeve::system
