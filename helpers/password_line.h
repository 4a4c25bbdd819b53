#pragma once

#include <string.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"

namespace reeve::helpers {

enum class PasswordForm { kPlain, kCrypted };

// What chpasswd reads: one line, `user:password`. Fails with kInvalidArgument, in qemu-ga's words, when that line would say something
// else than it was meant to. Pure.
Status CheckUserName(std::string_view name);
Status CheckPassword(std::string_view password, PasswordForm form);

// Memory for a secret: of one place and size, never copied, overwritten at the end.
template <size_t kSize>
class SecretBuffer {
 public:
  SecretBuffer() = default;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer() { Wipe(); }
  std::span<char, kSize> bytes() { return bytes_; }
  void Wipe() { ::explicit_bzero(bytes_, kSize); }

 private:
  char bytes_[kSize] = {};
};

}  // namespace reeve::helpers
