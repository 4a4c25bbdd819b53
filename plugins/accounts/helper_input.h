#pragma once

#include <string.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "helpers/contract.h"

namespace reeve::accounts {

// What a helper reads: what it was made of and the end mark of helpers/contract.h; or nothing. It may be a password: moved, never
// copied, and overwritten at its end.
class HelperInput {
 public:
  HelperInput() = default;
  explicit HelperInput(Bytes content) {
    bytes_.reserve(content.size() + 1);
    bytes_.assign(content.begin(), content.end());
    bytes_.push_back(static_cast<uint8_t>(helpers::kEndOfInput));
  }
  HelperInput(HelperInput&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  HelperInput& operator=(HelperInput&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HelperInput() { Wipe(); }

  Bytes bytes() const { return bytes_; }
  void Wipe() {
    if (!bytes_.empty()) ::explicit_bzero(bytes_.data(), bytes_.size());
    bytes_.clear();
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace reeve::accounts
