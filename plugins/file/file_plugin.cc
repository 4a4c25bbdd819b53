#include "plugins/file/file_plugin.h"

#include <errno.h>
#include <unistd.h>

#include "plugins/file/open_mode.h"

namespace reeve::file {

namespace {

int32_t StatusOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return REEVE_ERROR_ARGUMENT;
    case Code::kNotFound:
      return REEVE_ERROR_NOT_FOUND;
    case Code::kDenied:
      return REEVE_ERROR_DENIED;
    case Code::kTooLarge:
      return REEVE_ERROR_LIMIT;
    case Code::kTimedOut:
      return REEVE_ERROR_CANCELLED;
    default:
      return REEVE_ERROR_FAILED;
  }
}

void Answer(plugin::Reply& reply, const Error& error) {
  reply.Fail(StatusOf(error.code()), error.message());
}

// The agent's text begins with the path, which the host's frame has already; policy's part of it stays. Where
// there is no such text the errno speaks.
std::string WhyNotOpened(const std::string& path, const plugin::Refusal& refusal) {
  const std::string prefix = path + ": ";
  if (refusal.text.starts_with(prefix)) return refusal.text.substr(prefix.size());
  if (refusal.error_number != 0) return ErrnoText(refusal.error_number);
  return refusal.text;
}

std::string FailedToOpen(const std::string& path, const std::string& mode, const std::string& why) {
  return "failed to open file '" + path + "' (mode: '" + mode + "'): " + why;
}

// qemu-ga's first schema had whence as a number; the names came later (GuestFileWhence).
Result<int> WhenceOf(const file_manifest::GuestFileWhence& whence) {
  static constexpr int kWhences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  if (const auto* word = std::get_if<file_manifest::QGASeek>(&whence)) return kWhences[static_cast<size_t>(*word)];
  const int64_t code = std::get<int64_t>(whence);
  if (code >= 0 && code < std::ssize(kWhences)) return kWhences[code];
  return Fail(Code::kInvalidArgument, "invalid whence code " + std::to_string(code));
}

}  // namespace

void FilePlugin::Start() {
  const plugin::Agent::Block block = agent().HandleBlock();
  if (block.count == 0) throw plugin::Failure(REEVE_ERROR_UNSUPPORTED, "the agent reserved no handle numbers");
  handles_.emplace(block.first, block.count);
}

void FilePlugin::Cancelled(uint64_t request_id) {
  auto pending = pending_opens_.extract(request_id);
  if (!pending.empty()) pending.mapped().reply.Fail(REEVE_ERROR_CANCELLED, "the file could not be opened in time");
}

void FilePlugin::Open(const Request& request, const file_manifest::GuestFileOpen& arguments, Reply& reply) {
  const std::string& path = arguments.path;
  const std::string mode = arguments.mode.value_or("r");
  const std::optional<OpenMode> parsed = ParseOpenMode(mode);
  if (!parsed) return reply.Fail(REEVE_ERROR_ARGUMENT, "invalid file open mode '" + mode + "'");
  if (const Status room = handles_->CheckRoom(); !room) return Answer(reply, room.error());
  // Neither is a path to the kernel, so the agent is not asked.
  if (path.empty() || path.contains('\0')) {
    return reply.Fail(REEVE_ERROR_ARGUMENT, FailedToOpen(path, mode, ErrnoText(path.empty() ? ENOENT : EINVAL)));
  }
  const uint64_t id = request.id;
  const int32_t asked = agent().Open(id, path, parsed->access, parsed->flags,
                                     [this, id](plugin::Opened opened) { FinishOpen(id, std::move(opened)); });
  if (asked != REEVE_OK) return reply.Fail(asked, FailedToOpen(path, mode, "the agent cannot be asked"));
  pending_opens_.emplace(
      id, PendingOpen{std::move(reply), request.channel, (parsed->flags & REEVE_OPEN_APPEND) != 0, path, mode});
}

// The answer of a request that was cancelled meanwhile is closed again.
void FilePlugin::FinishOpen(uint64_t request_id, plugin::Opened opened) {
  OpenFile file{UniqueFd(opened.fd.Release()), opened.max_file_bytes};
  auto extracted = pending_opens_.extract(request_id);
  if (extracted.empty()) return;
  PendingOpen& pending = extracted.mapped();
  if (!file.fd) {
    const plugin::Refusal& refusal = opened.refusal;
    return pending.reply.Fail(refusal.error_number == EACCES ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED,
                              FailedToOpen(pending.path, pending.mode, WhyNotOpened(pending.path, refusal)));
  }
  file.appends = pending.appends;
  const Result<int64_t> handle = handles_->Add(pending.channel, std::move(file));
  if (!handle) return Answer(pending.reply, handle.error());
  agent().SetHeld(handles_->size());
  pending.reply.Return(std::to_string(*handle));
}

Result<const OpenFile*> FilePlugin::FileOf(const Request& request, int64_t handle) const {
  return handles_->Find(request.channel, handle);
}

void FilePlugin::Close(const Request& request, const file_manifest::GuestFileClose& arguments, Reply& reply) {
  Result<OpenFile> file = handles_->Remove(request.channel, arguments.handle);
  if (!file) return Answer(reply, file.error());
  agent().SetHeld(handles_->size());
  // close(2) may bring the error of an earlier write (NFS); the handle is gone all the same.
  if (::close(file->fd.Release()) != 0) {
    return reply.Fail(REEVE_ERROR_FAILED, "failed to close handle: " + ErrnoText(errno));
  }
  reply.Finish();
}

void FilePlugin::Read(const Request& request, const file_manifest::GuestFileRead& arguments, Reply& reply) {
  const Result<const OpenFile*> file = FileOf(request, arguments.handle);
  if (!file) return Answer(reply, file.error());
  const int64_t count = arguments.count.value_or(FileReader::kDefaultCount);
  const Status read = reader_.Read((*file)->fd.get(), count, reply);
  if (!read) Answer(reply, read.error());
}

void FilePlugin::Write(const Request& request, const file_manifest::GuestFileWrite& arguments, Reply& reply) {
  const Result<const OpenFile*> file = FileOf(request, arguments.handle);
  if (!file) return Answer(reply, file.error());
  const Result<uint64_t> written =
      writer_.Write(**file, arguments.buf_b64.encoded, arguments.count, [&reply] { return reply.is_cancelled(); });
  if (!written) return Answer(reply, written.error());
  reply.Return("{\"count\": " + std::to_string(*written) + ", \"eof\": false}");
}

void FilePlugin::Seek(const Request& request, const file_manifest::GuestFileSeek& arguments, Reply& reply) {
  const Result<const OpenFile*> file = FileOf(request, arguments.handle);
  if (!file) return Answer(reply, file.error());
  const Result<int> whence = WhenceOf(arguments.whence);
  if (!whence) return Answer(reply, whence.error());
  const off_t position = ::lseek((*file)->fd.get(), arguments.offset, *whence);
  if (position < 0) return reply.Fail(REEVE_ERROR_FAILED, "failed to seek file: " + ErrnoText(errno));
  reply.Return("{\"eof\": false, \"position\": " + std::to_string(position) + "}");
}

// There is nothing to flush: Write keeps nothing back. Like qemu-ga's, this is no fsync(2).
void FilePlugin::Flush(const Request& request, const file_manifest::GuestFileFlush& arguments, Reply& reply) {
  const Result<const OpenFile*> file = FileOf(request, arguments.handle);
  if (!file) return Answer(reply, file.error());
  reply.Finish();
}

}  // namespace reeve::file
