#include "storage/thaw_all.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <ranges>

#include "base/sys.h"
#include "storage/mount_point.h"

namespace reeve::storage {
namespace {

constexpr size_t kMaxMountinfoBytes = 24 << 20;  // as of whoever froze (mounts.h)
// One that is thawed may set another free to be reached.
constexpr int kPasses = 3;
// Nobody froze one file system more often; somebody may be freezing it again and again.
constexpr int kMaxThaws = 64;

struct Mount {
  Device device;
  std::string path;
};

std::string_view NextField(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

bool TakeNumber(std::string_view text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsOctal(std::string_view text) {
  return text.size() >= 3 && std::ranges::all_of(text.substr(0, 3), [](char c) { return c >= '0' && c <= '7'; });
}

// Space, tab, newline and backslash stand as \NNN (proc(5)).
std::string Unescaped(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const bool is_escape = text.front() == '\\' && IsOctal(text.substr(1));
    plain += is_escape ? static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0')) : text.front();
    text.remove_prefix(is_escape ? 4 : 1);
  }
  return plain;
}

// Of mountinfo the device and the mount point are all that matters here: reeved links no library for the rest.
std::vector<Mount> ParseMounts(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    NextField(line);  // its number
    NextField(line);  // its parent's
    const std::string_view device = NextField(line);
    NextField(line);  // what of the file system is mounted
    const std::string_view path = NextField(line);
    const size_t colon = device.find(':');
    Mount mount;
    if (colon == std::string_view::npos || !TakeNumber(device.substr(0, colon), mount.device.major) ||
        !TakeNumber(device.substr(colon + 1), mount.device.minor) || !path.starts_with('/'))
      continue;
    mount.path = Unescaped(path);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool IsMounted(const std::vector<Mount>& mounts, const Device& device, const std::string& path) {
  return std::ranges::any_of(mounts, [&](const Mount& mount) { return mount.device == device && mount.path == path; });
}

// Where the file system of `entry` may be reached: where it was frozen, then by its other mounts, the latest first. Only what
// the table says is touched: whoever wrote the list may have been taken over, and have named what holds its openers for ever.
std::vector<std::string> PlacesOf(const FreezeEntry& entry, const std::vector<Mount>& mounts) {
  std::vector<std::string> places;
  if (mounts.empty() || IsMounted(mounts, entry.device, entry.mount_point)) places.push_back(entry.mount_point);
  for (const Mount& mount : std::views::reverse(mounts)) {
    if (mount.device == entry.device && std::ranges::find(places, mount.path) == places.end())
      places.push_back(mount.path);
  }
  return places;
}

// What is open at `path` is of that device. stat(2) has another made-up number for btrfs than mountinfo (one for each
// subvolume): there it is what is mounted last at this path.
bool IsOf(const Device& device, const Device& opened, const std::string& path, const std::vector<Mount>& mounts) {
  if (device.major != 0) return opened == device;
  if (opened.major != 0) return false;
  const auto last = std::ranges::find(mounts.rbegin(), mounts.rend(), path, &Mount::path);
  return last != mounts.rend() && last->device == device;
}

class Thawing {
 public:
  explicit Thawing(ThawCalls& calls) : calls_(calls) {}

  ThawReport Run(std::span<const FreezeEntry> entries) {
    std::vector<const FreezeEntry*> left;
    for (const FreezeEntry& entry : std::views::reverse(entries)) left.push_back(&entry);
    for (int pass = 0; pass < kPasses && !left.empty(); ++pass) {
      report_.failures.clear();
      const Result<std::string> text = calls_.Mountinfo();
      mounts_ = text ? ParseMounts(*text) : std::vector<Mount>();
      std::erase_if(left, [this](const FreezeEntry* entry) { return ThawOne(*entry); });
    }
    return std::move(report_);
  }

 private:
  // False: it could not be reached, or not be thawed.
  bool ThawOne(const FreezeEntry& entry) {
    std::string why = entry.mount_point + ": its file system is not mounted there any more";
    for (const std::string& place : PlacesOf(entry, mounts_)) {
      const Result<UniqueFd> opened = calls_.OpenMountPoint(place);
      if (!opened) why = opened.error().message();
      if (!opened) continue;
      const Result<Device> device = calls_.DeviceOf(opened->get());
      if (!device || !IsOf(entry.device, *device, place, mounts_)) continue;
      const Status thawed = ThawOpened(opened->get(), entry);
      if (thawed) return true;
      why = place + ": " + thawed.error().message();
    }
    report_.failures.push_back(std::move(why));
    return false;
  }

  Status ThawOpened(int fd, const FreezeEntry& entry) {
    for (int i = 0; i < kMaxThaws; ++i) {
      const Status thawed = calls_.Thaw(fd);
      if (thawed && i == 0) report_.thawed.push_back(entry.mount_point);
      if (!thawed) return i > 0 || thawed.error().system_errno() == EINVAL ? Status() : thawed;
    }
    return {};
  }

  ThawCalls& calls_;
  std::vector<Mount> mounts_;
  ThawReport report_;
};

}  // namespace

Result<std::string> KernelThawCalls::Mountinfo() {
  if (::lseek(mountinfo_fd_, 0, SEEK_SET) < 0) return FailErrno("read mountinfo");
  return sys::ReadToEnd(mountinfo_fd_, kMaxMountinfoBytes);
}

Result<UniqueFd> KernelThawCalls::OpenMountPoint(const std::string& path) {
  return storage::OpenMountPoint(path);
}

Result<Device> KernelThawCalls::DeviceOf(int fd) {
  const struct stat status = REEVE_TRY(sys::Stat(fd));
  return Device{major(status.st_dev), minor(status.st_dev)};
}

Status KernelThawCalls::Thaw(int fd) {
  if (::ioctl(fd, FITHAW, 0) < 0) return FailErrno("thaw");
  return {};
}

ThawReport ThawAll(std::span<const FreezeEntry> entries, ThawCalls& calls) {
  return Thawing(calls).Run(entries);
}

}  // namespace reeve::storage
