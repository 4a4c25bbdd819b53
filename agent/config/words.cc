#include "agent/config/words.h"

#include <algorithm>

namespace reeve::config {

const std::vector<std::string>& ManifestKeys() {
  static const std::vector<std::string> keys = {"manifest",     "id",        "version", "vendor",   "licence", "abi",
                                                "handle-block", "idle-exit", "types",   "commands", "sandbox"};
  return keys;
}

const std::vector<std::string>& TypeKeys() {
  static const std::vector<std::string> keys = {"enum", "object", "alternate"};
  return keys;
}

const std::vector<std::string>& CommandKeys() {
  static const std::vector<std::string> keys = {"arguments", "deadline", "check", "asks", "object", "flags"};
  return keys;
}

const std::vector<std::string>& SandboxKeys() {
  static const std::vector<std::string> keys = {"promises",   "paths",    "memory",       "file-size",
                                                "open-files", "tasks",    "capabilities", "inherit",
                                                "namespaces", "programs", "directories"};
  return keys;
}

const std::vector<std::string>& InheritKeys() {
  static const std::vector<std::string> keys = {"fd", "proc", "state", "listen", "mode"};
  return keys;
}

const std::vector<std::string>& FlagWords() {
  static const std::vector<std::string> words = {
      "changes-state", "while-frozen", "idempotent",     "no-success-reply",
      "asks-warden",   "secret-input", "never-deniable", "program-ends-with-request"};
  return words;
}

const std::vector<std::string>& FdWords() {
  static const std::vector<std::string> words = {"mountinfo", "netlink-route", "system-bus", "journal"};
  return words;
}

const std::vector<std::string>& PromiseWords() {
  static const std::vector<std::string> words = {"stdio",  "threads", "rpath",    "netlink-route",
                                                 "accept", "freeze",  "set-clock"};
  return words;
}

const std::vector<std::string>& PathWords() {
  static const std::vector<std::string> words = {"read", "read-execute", "read-directory", "read-write"};
  return words;
}

const std::vector<std::string>& CapabilityWords() {
  static const std::vector<std::string> words = {"CHOWN",
                                                 "DAC_OVERRIDE",
                                                 "DAC_READ_SEARCH",
                                                 "FOWNER",
                                                 "FSETID",
                                                 "KILL",
                                                 "SETGID",
                                                 "SETUID",
                                                 "SETPCAP",
                                                 "LINUX_IMMUTABLE",
                                                 "NET_BIND_SERVICE",
                                                 "NET_BROADCAST",
                                                 "NET_ADMIN",
                                                 "NET_RAW",
                                                 "IPC_LOCK",
                                                 "IPC_OWNER",
                                                 "SYS_MODULE",
                                                 "SYS_RAWIO",
                                                 "SYS_CHROOT",
                                                 "SYS_PTRACE",
                                                 "SYS_PACCT",
                                                 "SYS_ADMIN",
                                                 "SYS_BOOT",
                                                 "SYS_NICE",
                                                 "SYS_RESOURCE",
                                                 "SYS_TIME",
                                                 "SYS_TTY_CONFIG",
                                                 "MKNOD",
                                                 "LEASE",
                                                 "AUDIT_WRITE",
                                                 "AUDIT_CONTROL",
                                                 "SETFCAP",
                                                 "MAC_OVERRIDE",
                                                 "MAC_ADMIN",
                                                 "SYSLOG",
                                                 "WAKE_ALARM",
                                                 "BLOCK_SUSPEND",
                                                 "AUDIT_READ",
                                                 "PERFMON",
                                                 "BPF",
                                                 "CHECKPOINT_RESTORE"};
  return words;
}

const std::vector<std::string>& ProcFiles() {
  static const std::vector<std::string> files = {
      "loadavg", "meminfo", "stat",   "diskstats",    "net/dev",         "net/route",  "net/ipv6_route",
      "cpuinfo", "uptime",  "vmstat", "pressure/cpu", "pressure/memory", "pressure/io"};
  return files;
}

std::optional<uint64_t> CapabilityBit(std::string_view word) {
  const auto& words = CapabilityWords();
  const auto found = std::ranges::find(words, word);
  if (found == words.end()) return std::nullopt;
  return uint64_t{1} << (found - words.begin());
}

std::string CapabilityNames(uint64_t capabilities) {
  std::string names;
  for (size_t i = 0; i < CapabilityWords().size(); i++) {
    if ((capabilities >> i & 1) != 0) names += (names.empty() ? "" : ", ") + CapabilityWords()[i];
  }
  return names;
}

}  // namespace reeve::config
