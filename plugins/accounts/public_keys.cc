#include "plugins/accounts/public_keys.h"

#include <algorithm>
#include <string_view>

#include "helpers/contract.h"

namespace reeve::accounts {
namespace {

bool IsControl(char c) {
  const auto code = static_cast<unsigned char>(c);
  return (code < 0x20 && c != '\t') || code == 0x7f;
}

bool IsKey(std::string_view key) {
  if (key.ends_with('\r')) key.remove_suffix(1);
  return !key.starts_with('#') && std::ranges::none_of(key, IsControl);
}

}  // namespace

Result<std::string> KeyLines(const std::vector<std::string>& keys) {
  std::string lines;
  for (const std::string& key : keys) {
    if (!IsKey(key)) return Fail(Code::kInvalidArgument, "invalid OpenSSH public key: '" + key + "'");
    lines.append(key).push_back('\n');
  }
  if (lines.size() >= helpers::kMaxKeysBytes)
    return Fail(Code::kTooLarge, "the keys are larger than " + std::to_string(helpers::kMaxKeysBytes) + " bytes");
  return lines;
}

}  // namespace reeve::accounts
