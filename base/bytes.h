#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace reeve {

using Bytes = std::span<const uint8_t>;

inline Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
Bytes BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

// Reads fixed-layout values out of bytes that are not trusted. Every read is checked against what is left; the first
// one that does not fit fails, and so do all that follow.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : rest_(bytes) {}

  // Copies the next sizeof(T) bytes into `value`, little-endian as the machine is (checked in sys.cc).
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] bool Take(T& value) {
    Bytes bytes;
    if (!TakeBytes(sizeof value, bytes)) return false;
    std::memcpy(&value, bytes.data(), sizeof value);
    return true;
  }
  // `bytes` is a view into what this reader was given.
  [[nodiscard]] bool TakeBytes(size_t count, Bytes& bytes) {
    if (count > rest_.size()) {
      rest_ = {};
      failed_ = true;
    }
    if (failed_) return false;
    bytes = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }
  bool is_at_end() const { return !failed_ && rest_.empty(); }
  Bytes rest() const { return rest_; }

 private:
  Bytes rest_;
  bool failed_ = false;
};

}  // namespace reeve
