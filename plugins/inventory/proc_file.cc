#include "plugins/inventory/proc_file.h"

#include "base/sys.h"

namespace reeve::inventory {
namespace {

constexpr size_t kPieceBytes = 16 << 10;

}  // namespace

Result<std::string> ReadWhole(int fd, size_t limit_bytes) {
  std::string text;
  for (;;) {
    const size_t before = text.size();
    if (before > limit_bytes) return Fail(Code::kTooLarge, "a file of /proc is too large");
    text.resize(before + kPieceBytes);
    const std::span<uint8_t> piece(reinterpret_cast<uint8_t*>(text.data()) + before, kPieceBytes);
    const size_t count = REEVE_TRY(sys::ReadAt(fd, piece, static_cast<off_t>(before)));
    text.resize(before + count);
    if (count == 0) return text;
  }
}

}  // namespace reeve::inventory
