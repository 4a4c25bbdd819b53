#include "plugins/file/file_reader.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "base/base64_stream.h"
#include "base/sys.h"

namespace reeve::file {

namespace {

std::unexpected<Error> FailedToRead(std::string_view why) {
  return Fail(Code::kSystem, "failed to read file: " + std::string(why));
}

std::unexpected<Error> Unsent() {
  return Fail(Code::kTimedOut, "the reply could not be sent");
}

// How much a file that knows its size still has from its position on; nothing for pipes, devices, most of
// /proc. By lseek(2), because fstat needs a path-taking system call in some C libraries.
std::optional<uint64_t> RestOf(int fd) {
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  if (position < 0) return std::nullopt;
  const off_t end = ::lseek(fd, 0, SEEK_END);
  if (end < 0) return std::nullopt;
  ::lseek(fd, position, SEEK_SET);
  if (end <= position) return std::nullopt;
  return static_cast<uint64_t>(end - position);
}

std::string Count(uint64_t count) {
  return "\"count\": " + std::to_string(count);
}
std::string Eof(bool is_at_end) {
  return is_at_end ? "\"eof\": true" : "\"eof\": false";
}

}  // namespace

Status FileReader::Read(int fd, int64_t count, plugin::Reply& reply) {
  if (count < 0 || count > kMaxCount) {
    return Fail(Code::kInvalidArgument, "value '" + std::to_string(count) + "' is invalid for argument count");
  }
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  Status answered = Answer(fd, static_cast<uint64_t>(count), reply);
  if (!answered && position >= 0) ::lseek(fd, position, SEEK_SET);
  return answered;
}

// The host reads `count` before the data in qemu-ga's order of members. It is known when all was read already
// or the file knows its size; else the data goes first, so that it need not be kept. What a pipe gave before
// it ran dry is an answer; only when there was nothing at all the host gets the error.
Status FileReader::Answer(int fd, uint64_t count, plugin::Reply& reply) {
  Progress read = REEVE_TRY(FillBuffer(fd, std::min<uint64_t>(count, kPieceBytes)));
  if (read.is_starved && read.bytes == 0) return FailedToRead(ErrnoText(EAGAIN));
  uint64_t total = count;
  bool is_total_known = true;
  if (read.bytes == count || read.is_at_end || read.is_starved) {
    total = read.bytes;
  } else if (const std::optional<uint64_t> rest = RestOf(fd)) {
    total = std::min(count, read.bytes + *rest);
  } else {
    is_total_known = false;
  }
  Base64Encoder encoder;
  if (!reply.Write(is_total_known ? "{" + Count(total) + ", \"buf-b64\": \"" : "{\"buf-b64\": \"") ||
      !EncodeBase64To(reply, encoder, Buffered(read.bytes))) {
    return Unsent();
  }
  REEVE_TRY(Continue(fd, total, encoder, read, reply));
  if (is_total_known && read.bytes < total) return FailedToRead("it became shorter while it was read");
  const bool is_at_end = read.is_at_end || (is_total_known && !read.is_starved && total < count);
  const std::string tail = is_total_known ? "" : Count(read.bytes) + ", ";
  if (!FinishBase64To(reply, encoder) || !reply.Write("\", " + tail + Eof(is_at_end) + "}")) return Unsent();
  reply.Finish();
  return {};
}

Status FileReader::Continue(int fd, uint64_t wanted, Base64Encoder& encoder, Progress& so_far, plugin::Reply& reply) {
  while (so_far.bytes < wanted && !so_far.is_at_end && !so_far.is_starved) {
    const Progress piece = REEVE_TRY(FillBuffer(fd, std::min<uint64_t>(wanted - so_far.bytes, kPieceBytes)));
    if (!EncodeBase64To(reply, encoder, Buffered(piece.bytes))) return Unsent();
    so_far = {so_far.bytes + piece.bytes, piece.is_at_end, piece.is_starved};
  }
  return {};
}

Result<FileReader::Progress> FileReader::FillBuffer(int fd, uint64_t wanted) {
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  Progress progress;
  while (progress.bytes < wanted) {
    uint8_t* const place = reinterpret_cast<uint8_t*>(buffer_.data()) + progress.bytes;
    const Result<size_t> got = sys::Read(fd, {place, wanted - progress.bytes});
    progress.is_starved = !got && got.error().code() == Code::kUnavailable;
    progress.is_at_end = got && *got == 0;
    if (progress.is_starved || progress.is_at_end) break;
    if (!got) return FailedToRead(ErrnoText(got.error().system_errno()));
    progress.bytes += *got;
  }
  return progress;
}

}  // namespace reeve::file
