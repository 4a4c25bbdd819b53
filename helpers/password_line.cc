#include "helpers/password_line.h"

#include <algorithm>

namespace reeve::helpers {

Status CheckUserName(std::string_view name) {
  constexpr std::string_view kForbidden(":\n\0", 3);
  if (!name.empty() && name.find_first_of(kForbidden) == std::string_view::npos) return {};
  return Fail(Code::kInvalidArgument, "forbidden characters in username");
}

Status CheckPassword(std::string_view password, PasswordForm form) {
  // chpasswd would cut a line at a NUL. A crypted one stands in /etc/shadow as it is, where a colon begins the next field; crypt(5)
  // makes none of these.
  const auto is_forbidden = [form](char c) {
    if (c == '\n' || c == '\0') return true;
    const auto code = static_cast<unsigned char>(c);
    return form == PasswordForm::kCrypted && (c == ':' || code <= ' ' || code >= 0x7f);
  };
  if (std::ranges::none_of(password, is_forbidden)) return {};
  return Fail(Code::kInvalidArgument, "forbidden characters in raw password");
}

}  // namespace reeve::helpers
