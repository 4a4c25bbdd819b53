#include "helpers/key_verbs.h"

#include <vector>

#include "base/sys.h"
#include "helpers/contract.h"
#include "helpers/key_file.h"
#include "helpers/key_lines.h"
#include "helpers/shut_in.h"
#include "helpers/whole_input.h"

namespace reeve::helpers {
namespace {

// False: there is no `.ssh`, and the verb needs none.
Result<bool> OpenFor(KeyVerb verb, KeyFile& file) {
  if (verb == KeyVerb::kGet || verb == KeyVerb::kRemove) return file.OpenDirectory();
  REEVE_TRY(file.OpenOrMakeDirectory());
  return true;
}

Result<std::string> Get(const KeyFile& file, bool is_open) {
  const std::optional<std::string> content = is_open ? REEVE_TRY(file.Read()) : std::nullopt;
  if (!content) return Fail(file.Missing());
  return ListKeys(*content);
}

// A file that says the same already is left alone.
Status Write(const KeyFile& file, const std::optional<std::string>& before, const std::string& after) {
  if (before == after) return {};
  if (after.size() > kMaxKeysBytes)
    return Fail(Code::kTooLarge, "there would be more than " + std::to_string(kMaxKeysBytes) + " bytes of keys");
  return file.Replace(after);
}

Status Add(const KeyFile& file, const std::vector<std::string_view>& keys) {
  const std::optional<std::string> before = REEVE_TRY(file.Read());
  return Write(file, before, AddKeys(before.value_or(""), keys));
}

Status Reset(const KeyFile& file, const std::vector<std::string_view>& keys) {
  REEVE_TRY(file.CheckReplaceable());
  return Write(file, std::nullopt, AddKeys("", keys));
}

Status Remove(const KeyFile& file, bool is_open, const std::vector<std::string_view>& keys) {
  if (!is_open) return {};
  const std::optional<std::string> before = REEVE_TRY(file.Read());
  if (!before) return {};
  return Write(file, before, RemoveKeys(*before, keys));
}

}  // namespace

std::optional<KeyVerb> KeyVerbOf(std::string_view word) {
  if (word == "get") return KeyVerb::kGet;
  if (word == "add") return KeyVerb::kAdd;
  if (word == "reset") return KeyVerb::kReset;
  if (word == "remove") return KeyVerb::kRemove;
  return std::nullopt;
}

Result<std::string> CarryOut(KeyVerb verb, const User& user, std::span<const uint8_t> filter, int input_fd) {
  REEVE_TRY(BecomeOnly(user));
  KeyFile file(user.home, user.uid);
  const bool is_open = REEVE_TRY(OpenFor(verb, file));
  REEVE_TRY(ShutIn(file.directory_fd(), filter));
  if (verb == KeyVerb::kGet) return Get(file, is_open);
  const std::string input = REEVE_TRY(sys::ReadToEnd(input_fd, kMaxKeysBytes));
  const std::vector<std::string_view> keys = LinesOf(REEVE_TRY(WholeInput(input)));
  if (verb == KeyVerb::kAdd) REEVE_TRY(Add(file, keys));
  if (verb == KeyVerb::kReset) REEVE_TRY(Reset(file, keys));
  if (verb == KeyVerb::kRemove) REEVE_TRY(Remove(file, is_open, keys));
  return std::string();
}

}  // namespace reeve::helpers
