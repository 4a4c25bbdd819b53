#include "plugins/system/switch_file.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/sys.h"

namespace reeve::system {

namespace {

using Kind = SwitchFile::Kind;

SwitchFile Refused(plugin::Refusal refusal) {
  return {.kind = Kind::kRefused, .fd = {}, .refusal = std::move(refusal)};
}

plugin::Refusal NotAsked(const std::string& path) {
  return {0, "the agent cannot be asked to open " + path};
}

// No directory is ever opened for a worker: that it is one says that it is there.
void LookForDirectory(plugin::Agent& agent, uint64_t request_id, const std::string& directory,
                      const std::function<void(SwitchFile)>& on_found) {
  const int32_t asked = agent.Open(request_id, directory, REEVE_ACCESS_READ, 0, [on_found](plugin::Opened opened) {
    if (opened.fd || opened.refusal.error_number == EISDIR)
      return on_found({.kind = Kind::kNoSwitch, .fd = {}, .refusal = {}});
    if (opened.refusal.error_number == ENOENT) return on_found({.kind = Kind::kNoSuchThing, .fd = {}, .refusal = {}});
    on_found(Refused(std::move(opened.refusal)));
  });
  if (asked != REEVE_OK) on_found(Refused(NotAsked(directory)));
}

}  // namespace

void OpenSwitch(plugin::Agent& agent, uint64_t request_id, const std::string& directory, const std::string& name,
                const std::function<void(SwitchFile)>& on_found) {
  const std::string path = directory + "/" + name;
  const int32_t asked =
      agent.Open(request_id, path, REEVE_ACCESS_READ | REEVE_ACCESS_WRITE, 0,
                 [&agent, request_id, directory, on_found](plugin::Opened opened) {
                   if (opened.fd) return on_found({.kind = Kind::kOpen, .fd = std::move(opened.fd), .refusal = {}});
                   if (opened.refusal.error_number == ENOENT)
                     return LookForDirectory(agent, request_id, directory, on_found);
                   on_found(Refused(std::move(opened.refusal)));
                 });
  if (asked != REEVE_OK) on_found(Refused(NotAsked(path)));
}

Result<std::string> ReadSwitch(int fd, const std::string& path) {
  std::array<uint8_t, 256> state{};
  const std::string tried = "pread(\"" + path + "\")";
  const Result<size_t> size = sys::ReadAt(fd, state, 0);
  if (!size) return Fail(Error::System(size.error().system_errno(), tried));
  if (*size == 0) return Fail(Code::kBadMessage, tried + ": unexpected EOF");
  return std::string(reinterpret_cast<const char*>(state.data()), *size);
}

Status WriteSwitch(int fd, std::string_view state, const std::string& path) {
  ssize_t written = -1;
  do written = ::pwrite(fd, state.data(), state.size(), 0);
  while (written < 0 && errno == EINTR);
  if (written < 0) return FailErrno("pwrite(\"" + path + "\")");
  return {};
}

}  // namespace reeve::system
