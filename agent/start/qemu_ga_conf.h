#pragma once

#include <string>
#include <string_view>

#include "agent/start/options.h"
#include "base/result.h"

// qemu-ga's own configuration file: the options of its command line as keys of the group [general].

namespace reeve::start {

struct ConfigurationFile {
  std::string path;
  bool is_required = false;  // named with -c: it must be there
};

// Which file is meant: of -c (`option`), else $QGA_CONF (`environment`; null when unset), else the default. Pure.
ConfigurationFile WhichConfigurationFile(const std::optional<std::string>& option, const char* environment);

// Puts what the file says over `options`. Fails, naming it, when it cannot be read or understood, is not a regular file, or
// others than root may write it or a directory on its way. Before serving: it may sleep on the file system.
Status LoadConfiguration(const ConfigurationFile& file, Options& options);

// The same for its text. Unknown keys and groups mean nothing. Pure.
Status ApplyConfiguration(std::string_view text, Options& options);

// The file that says the same as `options`, in qemu-ga's order (-D). Pure.
std::string DumpConfiguration(const Options& options);

}  // namespace reeve::start
