#pragma once

#include <string>

#include "base/result.h"

namespace reeve::start {

// Where the rest of the installation is, seen from where this executable stands: a build tree (bin/, plugins/, share/) or a
// prefix (sbin/, libexec/reeve/, lib/reeve/plugins/, share/reeve/).
struct Layout {
  std::string binaries;  // reeve-core, reeve-worker, reeve-log, reeve-compile, reeve-resolve
  std::string plugins;
  std::string profiles;
  std::string policies;  // the packages' own drop-ins
};

// Fails when /proc cannot tell. Before serving: it looks at files.
Result<Layout> FindLayout();
// The same for an executable at `path`; `is_build_tree` says whether the others stand beside it. Pure.
Layout LayoutFor(const std::string& path, bool is_build_tree);

}  // namespace reeve::start
