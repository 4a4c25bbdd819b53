#include "agent/start/layout.h"

#include <limits.h>
#include <unistd.h>

namespace reeve::start {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory == "/" ? "/" + name : directory + "/" + name;
}

}  // namespace

Layout LayoutFor(const std::string& path, bool is_build_tree) {
  const std::string here = ParentOf(path);
  const std::string prefix = ParentOf(here);
  if (is_build_tree)
    return {.binaries = here,
            .plugins = Join(prefix, "plugins"),
            .profiles = Join(prefix, "share/reeve/profiles"),
            .policies = Join(prefix, "lib/reeve/policy.d")};
  return {.binaries = Join(prefix, REEVE_LIBEXEC_DIRECTORY "/reeve"),
          .plugins = Join(prefix, REEVE_LIB_DIRECTORY "/reeve/plugins"),
          .profiles = Join(prefix, REEVE_SHARE_DIRECTORY "/reeve/profiles"),
          // Not in the directory of an architecture: packages of every kind put theirs here.
          .policies = Join(prefix, "lib/reeve/policy.d")};
}

Result<Layout> FindLayout() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length < 0 || length == static_cast<ssize_t>(sizeof path)) return FailErrno("read /proc/self/exe");
  const std::string executable(path, static_cast<size_t>(length));
  const bool is_build_tree = ::access(Join(ParentOf(executable), "reeve-core").c_str(), F_OK) == 0;
  return LayoutFor(executable, is_build_tree);
}

}  // namespace reeve::start
