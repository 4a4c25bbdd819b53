#include <unistd.h>

#include <string>
#include <vector>

#include "base/sys.h"
#include "helpers/contract.h"
#include "helpers/key_verbs.h"
#include "helpers/shut_in.h"
#include "helpers/user_lookup.h"

// reeve-keys VERB USER: contract.h. Begins as root, to look the user up and to become that user.

namespace reeve::helpers {
namespace {

Result<std::string> Run(KeyVerb verb, const std::string& user_name) {
  User user = REEVE_TRY(LookUpUser(user_name));
  REEVE_TRY(LookUpGroups(user));
  const std::vector<uint8_t> filter = REEVE_TRY(CompileShutInFilter());
  return CarryOut(verb, user, filter, STDIN_FILENO);
}

int Main(int argc, char** argv) {
  const std::optional<KeyVerb> verb = argc == 3 ? KeyVerbOf(argv[1]) : std::nullopt;
  if (!verb) return kExitUsage;
  const Result<std::string> said = Run(*verb, argv[2]);
  const std::string& text = said ? *said : said.error().message();
  if (!sys::WriteAll(said ? STDOUT_FILENO : STDERR_FILENO, AsBytes(text))) return kExitFailed;
  return said ? 0 : kExitFailed;
}

}  // namespace
}  // namespace reeve::helpers

int main(int argc, char** argv) {
  return reeve::helpers::Main(argc, argv);
}
