#include <unistd.h>

#include "agent/compile/lookups.h"
#include "agent/compile/resolve.h"
#include "base/log.h"
#include "base/sys.h"

// reeve-resolve: names in, numbers out (lookups.h). The one process that may load what nsswitch.conf names; it sees nothing
// of the host and nothing of the policy but names, and is ended when it takes longer than kResolveTimeoutS.

namespace reeve::compile {
namespace {

int Main() {
  SetLogProcess("reeve-resolve");
  ::alarm(kResolveTimeoutS);  // whoever started us also waits no longer; this is for when nobody does
  const Result<std::string> asked = sys::ReadToEnd(STDIN_FILENO, kMaxLookupBytes);
  if (!asked) return LogError(asked.error().message()), 1;
  const Status written = sys::WriteAll(STDOUT_FILENO, AsBytes(Resolve(*asked)));
  if (!written) return LogError(written.error().message()), 1;
  return 0;
}

}  // namespace
}  // namespace reeve::compile

int main() {
  return reeve::compile::Main();
}
