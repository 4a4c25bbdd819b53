#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/start/qemu_ga_conf.h"

// Any text is a configuration or is refused; a configuration that is dumped says the same when it is read, and is dumped as
// the same text again (each list turns round on its way, so twice).

namespace {

using reeve::start::ApplyConfiguration;
using reeve::start::DumpConfiguration;
using reeve::start::Options;

void Require(bool holds) {
  if (!holds) std::abort();
}

Options MustRead(const std::string& text) {
  Options options;
  Require(ApplyConfiguration(text, options).has_value());
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Options options;
  const auto applied = ApplyConfiguration({reinterpret_cast<const char*>(data), size}, options);
  if (!applied) {
    Require(!applied.error().message().empty());
    return 0;
  }
  // A method that is not there is dumped as an empty one, which is the same.
  const std::string first = DumpConfiguration(options);
  const Options again = MustRead(first);
  Require(again.path == options.path && again.log_file == options.log_file && again.pid_file == options.pid_file);
  Require(again.fsfreeze_hook == options.fsfreeze_hook && again.is_daemon == options.is_daemon);
  Require(DumpConfiguration(MustRead(DumpConfiguration(again))) == first);
  return 0;
}
