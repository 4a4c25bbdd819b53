#include "plugins/file/file_writer.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/sys.h"

namespace reeve::file {

namespace {

std::unexpected<Error> FailedToWrite(const Error& error) {
  return Fail(error.code(), "failed to write to file: " + ErrnoText(error.system_errno()));
}

Status WriteWhole(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const Result<size_t> written = sys::Write(fd, bytes);
    if (!written) return FailedToWrite(written.error());
    bytes = bytes.subspan(*written);
  }
  return {};
}

// Where the next write ends. What has no position (a pipe) does not grow.
uint64_t EndOfWrite(const OpenFile& file, uint64_t count) {
  const off_t position = ::lseek(file.fd.get(), 0, SEEK_CUR);
  if (position < 0) return 0;
  if (!file.appends) return static_cast<uint64_t>(position) + count;
  const off_t end = ::lseek(file.fd.get(), 0, SEEK_END);
  ::lseek(file.fd.get(), position, SEEK_SET);
  return static_cast<uint64_t>(end) + count;
}

Status CheckSize(const OpenFile& file, uint64_t count) {
  if (file.max_file_bytes == 0 || count == 0 || EndOfWrite(file, count) <= file.max_file_bytes) return {};
  return Fail(Code::kTooLarge, "failed to write to file: " + ErrnoText(EFBIG) + " (policy allows " +
                                   std::to_string(file.max_file_bytes) + " bytes)");
}

}  // namespace

Result<uint64_t> FileWriter::Write(const OpenFile& file, std::string_view base64, std::optional<int64_t> count,
                                   const IsCancelled& is_cancelled) {
  const uint64_t decoded_bytes = REEVE_TRY(DecodedBytes(base64));
  if (count && (*count < 0 || static_cast<uint64_t>(*count) > decoded_bytes)) {
    return Fail(Code::kInvalidArgument, "value '" + std::to_string(*count) + "' is invalid for argument count");
  }
  const uint64_t wanted = count ? static_cast<uint64_t>(*count) : decoded_bytes;
  REEVE_TRY(CheckSize(file, wanted));
  REEVE_TRY(WriteDecoded(file.fd.get(), base64, wanted, is_cancelled));
  return wanted;
}

// A bad character at the end of a value must not leave half of it in the file: all is checked first.
Result<uint64_t> FileWriter::DecodedBytes(std::string_view base64) {
  decoder_.Reset();
  uint64_t total = 0;
  for (size_t at = 0; at < base64.size(); at += kPieceChars) {
    only_piece_ = REEVE_TRY(decoder_.Decode(base64.substr(at, kPieceChars)));
    total += only_piece_.size();
  }
  REEVE_TRY(decoder_.Finish());
  return total;
}

Status FileWriter::WriteDecoded(int fd, std::string_view base64, uint64_t count, const IsCancelled& is_cancelled) {
  if (base64.empty()) return {};
  if (base64.size() <= kPieceChars) return WriteWhole(fd, only_piece_.first(count));
  for (size_t at = 0; count > 0; at += kPieceChars) {
    if (is_cancelled()) return Fail(Code::kTimedOut, "cancelled");
    Bytes piece = REEVE_TRY(decoder_.Decode(base64.substr(at, kPieceChars)));
    piece = piece.first(std::min<uint64_t>(count, piece.size()));
    REEVE_TRY(WriteWhole(fd, piece));
    count -= piece.size();
  }
  return {};
}

}  // namespace reeve::file
