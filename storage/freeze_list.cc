#include "storage/freeze_list.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/sys.h"

namespace reeve::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// The file: a Head, then entries, each an EntryHead, its path, and zeros up to a multiple of kAlignment; zeros behind the
// last. Every part has a sum of its own, so that damage costs only the part that it is in.
constexpr uint64_t kHeadMagic = 0x315a455246525252;  // "RRRFREZ1"
constexpr uint32_t kEntryMagic = 0x65465252;         // "RRFe"
constexpr size_t kAlignment = 8;
constexpr uint64_t kNoTime = UINT64_MAX;
// A head that is being written may be read half old and half new.
constexpr int kReadTries = 3;

struct Head {
  uint64_t magic = kHeadMagic;
  uint32_t sum = 0;  // of all behind it
  uint32_t state = 0;
  uint64_t time_left_ms = kNoTime;
  int64_t began_at_ns = 0;
  int64_t written_at_ns = 0;
  uint64_t reserved[3] = {};
};
static_assert(sizeof(Head) == 64);

struct EntryHead {
  uint32_t magic = kEntryMagic;
  uint32_t sum = 0;  // of all behind it, the path included
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t path_bytes = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(EntryHead) == 24);

// FNV-1a: against accidents, not against an enemy, who could not write here.
uint32_t SumOf(std::string_view bytes) {
  uint32_t sum = 0x811c9dc5;
  for (const char byte : bytes) sum = (sum ^ static_cast<uint8_t>(byte)) * 0x01000193;
  return sum;
}

std::string_view BehindSum(const Head& head) {
  return AsText(BytesOf(head)).substr(offsetof(Head, state));
}

size_t Padded(size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

bool IsMountPoint(std::string_view path) {
  return path.starts_with('/') && path.size() <= kMaxMountPointBytes && path.find('\0') == std::string_view::npos;
}

bool TakeHead(std::string_view bytes, FreezeList& list) {
  Head head;
  if (bytes.size() < sizeof head) return false;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != kHeadMagic || head.sum != SumOf(BehindSum(head))) return false;
  if (head.state > static_cast<uint32_t>(FreezeListState::kFrozen)) return false;
  list.state = static_cast<FreezeListState>(head.state);
  // What is longer than any clock runs is no time.
  if (head.time_left_ms <= static_cast<uint64_t>(milliseconds::max().count() / 1'000'000))
    list.time_left = milliseconds(head.time_left_ms);
  list.began_at = nanoseconds(head.began_at_ns);
  list.written_at = nanoseconds(head.written_at_ns);
  return true;
}

// The entry that `bytes` begin with, and how many bytes it takes; 0: there is none.
size_t TakeEntry(std::string_view bytes, FreezeEntry& entry) {
  EntryHead head;
  if (bytes.size() < sizeof head) return 0;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != kEntryMagic || head.path_bytes > kMaxMountPointBytes) return 0;
  const size_t size = sizeof head + head.path_bytes;
  if (size > bytes.size() || head.sum != SumOf(bytes.substr(0, size).substr(offsetof(EntryHead, major)))) return 0;
  const std::string_view path = bytes.substr(sizeof head, head.path_bytes);
  if (!IsMountPoint(path)) return 0;
  entry = {{head.major, head.minor}, std::string(path)};
  return Padded(size);
}

bool IsZero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == 0; });
}

void TakeEntries(std::string_view rest, FreezeList& list) {
  while (!rest.empty()) {
    FreezeEntry entry;
    const size_t size = TakeEntry(rest, entry);
    if (size > 0) list.entries.push_back(std::move(entry));
    const size_t step = std::min(size > 0 ? size : kAlignment, rest.size());
    if (size == 0 && !IsZero(rest.substr(0, step))) list.is_damaged = true;
    rest.remove_prefix(step);
  }
}

std::string EncodeEntry(const FreezeEntry& entry) {
  EntryHead head;
  head.major = entry.device.major;
  head.minor = entry.device.minor;
  head.path_bytes = static_cast<uint32_t>(entry.mount_point.size());
  std::string bytes(AsText(BytesOf(head)));
  bytes += entry.mount_point;
  head.sum = SumOf(std::string_view(bytes).substr(offsetof(EntryHead, major)));
  bytes.replace(0, sizeof head, AsText(BytesOf(head)));
  bytes.resize(Padded(bytes.size()));
  return bytes;
}

}  // namespace

nanoseconds MonotonicNow() {
  timespec spec{};
  ::clock_gettime(CLOCK_MONOTONIC, &spec);
  return std::chrono::seconds(spec.tv_sec) + nanoseconds(spec.tv_nsec);
}

FreezeList ParseFreezeList(std::string_view bytes) {
  FreezeList list;
  if (IsZero(bytes)) return list;
  const bool has_head = TakeHead(bytes, list);
  list.is_damaged = !has_head;
  // Where the head stands, something else may stand that is as good as any other entry.
  TakeEntries(bytes.substr(has_head ? sizeof(Head) : 0), list);
  if (list.state == FreezeListState::kNothing && !list.entries.empty()) list.is_damaged = true;
  if (list.is_damaged && !list.entries.empty()) list.state = FreezeListState::kFreezing;
  return list;
}

std::optional<milliseconds> TimeLeftAt(const FreezeList& list, nanoseconds now) {
  if (!list.time_left) return std::nullopt;
  const nanoseconds passed = std::clamp<nanoseconds>(now - list.written_at, nanoseconds(0), kLongestStep);
  return std::max(*list.time_left - std::chrono::duration_cast<milliseconds>(passed), milliseconds(0));
}

Result<FreezeList> FreezeListFile::Read() const {
  FreezeList list;
  for (int i = 0; i < kReadTries; ++i) {
    std::string bytes(kMaxFreezeListBytes, '\0');
    const auto into = std::span(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size());
    size_t size = 0;
    while (size < bytes.size()) {
      const size_t count = REEVE_TRY(sys::ReadAt(fd_, into.subspan(size), static_cast<off_t>(size)));
      if (count == 0) break;
      size += count;
    }
    list = ParseFreezeList(std::string_view(bytes).substr(0, size));
    if (!list.is_damaged) break;
  }
  return list;
}

Status FreezeListFile::Begin(std::optional<milliseconds> time_left) {
  head_ = {};
  head_.state = FreezeListState::kFreezing;
  head_.time_left = time_left;
  head_.began_at = MonotonicNow();
  end_ = sizeof(Head);
  REEVE_TRY(WipeFrom(end_));
  return WriteHead();
}

void FreezeListFile::Adopt(const FreezeList& list) {
  head_ = list;
  head_.entries.clear();
  // Behind whatever there is, be it damaged.
  const auto status = sys::Stat(fd_);
  end_ = status ? Padded(std::max<size_t>(static_cast<size_t>(status->st_size), sizeof(Head))) : kMaxFreezeListBytes;
}

Status FreezeListFile::Add(const FreezeEntry& entry) {
  if (!IsMountPoint(entry.mount_point))
    return Fail(Code::kInvalidArgument, "'" + entry.mount_point + "' is no mount point");
  const std::string bytes = EncodeEntry(entry);
  if (end_ + bytes.size() > kMaxFreezeListBytes)
    return Fail(Code::kTooLarge, "more file systems than the list of frozen ones holds");
  REEVE_TRY(WriteAt(bytes, end_));
  end_ += bytes.size();
  return {};
}

Status FreezeListFile::SetFrozen() {
  head_.state = FreezeListState::kFrozen;
  return WriteHead();
}

Status FreezeListFile::SetTimeLeft(std::optional<milliseconds> time_left) {
  head_.time_left = time_left;
  return WriteHead();
}

Status FreezeListFile::Clear() {
  head_ = {};
  end_ = sizeof(Head);
  return WipeFrom(0);
}

Status FreezeListFile::WriteHead() {
  Head head;
  head.state = static_cast<uint32_t>(head_.state);
  if (head_.time_left) head.time_left_ms = static_cast<uint64_t>(std::max<int64_t>(0, head_.time_left->count()));
  head.began_at_ns = head_.began_at.count();
  head.written_at_ns = MonotonicNow().count();
  head.sum = SumOf(BehindSum(head));
  return WriteAt(AsText(BytesOf(head)), 0);
}

Status FreezeListFile::WriteAt(std::string_view bytes, size_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FailErrno("write the list of frozen file systems");
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<size_t>(count);
  }
  return {};
}

// The run sandbox cuts no file, so what is not to be read is made zeros.
Status FreezeListFile::WipeFrom(size_t offset) {
  const auto size = static_cast<size_t>(REEVE_TRY(sys::Stat(fd_)).st_size);
  if (size <= offset) return {};
  return WriteAt(std::string(std::min(size, kMaxFreezeListBytes) - offset, '\0'), offset);
}

}  // namespace reeve::storage
