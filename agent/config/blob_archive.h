#pragma once

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/config/blob_fields.h"
#include "base/bytes.h"

// Records of fixed size in a flat block. A string, vector, optional or map is an (offset, count) pair in the record, and
// its content stands in a part of the block of its own. Parts follow one another in the order in which the fields are
// visited, without gap; the reader insists on that, so no byte of a block can be named twice and what comes out is
// never larger than what went in by more than a constant factor.

namespace reeve::config::blob {

struct Part {
  uint32_t offset = 0;  // from the start of the block
  uint32_t count = 0;
};

template <typename T>
inline constexpr bool kIsVector = false;
template <typename T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <typename T>
inline constexpr bool kIsPair = false;
template <typename A, typename B>
inline constexpr bool kIsPair<std::pair<A, B>> = true;
template <typename T>
inline constexpr bool kIsMap = false;
template <typename K, typename V>
inline constexpr bool kIsMap<std::map<K, V>> = true;

template <typename T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;
template <typename T>
concept Parted = std::same_as<T, std::string> || kIsVector<T> || kIsOptional<T> || kIsMap<T>;

// How many bytes a T takes within a record.
template <typename T>
size_t SizeOf();

struct Sizer {
  size_t bytes = 0;
  template <typename... T>
  void operator()(const T&...) {
    ((bytes += SizeOf<T>()), ...);
  }
};

template <typename T>
size_t SizeOf() {
  if constexpr (Scalar<T>) {
    return sizeof(T);
  } else if constexpr (Parted<T>) {
    return sizeof(Part);
  } else if constexpr (kIsPair<T>) {
    return SizeOf<typename T::first_type>() + SizeOf<typename T::second_type>();
  } else {
    static const size_t size = [] {
      Sizer sizer;
      const T value{};
      Fields(sizer, value);
      return sizer.bytes;
    }();
    return size;
  }
}

class Writer {
 public:
  template <typename T>
  void Record(size_t at, const T& value) {
    const size_t outer = std::exchange(cursor_, at);
    Put(value);
    cursor_ = outer;
  }
  template <typename... T>
  void operator()(const T&... values) {
    (Put(values), ...);
  }
  // Room for `bytes` more at the end; returns where.
  size_t Allocate(size_t bytes) {
    const size_t at = block_.size();
    block_.resize(at + bytes);
    return at;
  }
  std::vector<uint8_t>& block() { return block_; }

 private:
  template <Scalar T>
  void Put(const T& value) {
    std::memcpy(block_.data() + cursor_, &value, sizeof value);
    cursor_ += sizeof value;
  }
  void PutPart(size_t offset, size_t count) {
    Put(static_cast<uint32_t>(offset));
    Put(static_cast<uint32_t>(count));
  }
  void Put(const std::string& text) {
    const size_t at = Allocate(text.size());
    std::memcpy(block_.data() + at, text.data(), text.size());
    PutPart(at, text.size());
  }
  template <typename List>
  void PutList(const List& list) {
    using Element = std::remove_cvref_t<decltype(*list.begin())>;
    const size_t at = Allocate(list.size() * SizeOf<Element>());
    PutPart(at, list.size());
    size_t index = 0;
    for (const auto& element : list) Record(at + SizeOf<Element>() * index++, element);
  }
  template <typename T>
    requires(!Scalar<T>)
  void Put(const T& value) {
    if constexpr (kIsVector<T>) {
      PutList(value);
    } else if constexpr (kIsMap<T>) {
      PutList(std::vector<std::pair<typename T::key_type, typename T::mapped_type>>(value.begin(), value.end()));
    } else if constexpr (kIsOptional<T>) {
      PutList(value ? std::vector<typename T::value_type>{*value} : std::vector<typename T::value_type>{});
    } else if constexpr (kIsPair<T>) {
      Put(value.first);
      Put(value.second);
    } else {
      Fields(*this, value);
    }
  }

  std::vector<uint8_t> block_;
  size_t cursor_ = 0;
};

// After the first thing that is wrong nothing more is read; `problem()` says what it was.
class Reader {
 public:
  // The parts of `block` begin at `first_part`.
  Reader(Bytes block, size_t first_part) : block_(block), next_part_(first_part) {}

  template <typename T>
  void Record(size_t at, T& value) {
    const size_t outer = std::exchange(cursor_, at);
    Get(value);
    cursor_ = outer;
  }
  template <typename... T>
  void operator()(T&... values) {
    (Get(values), ...);
  }
  const char* problem() const { return problem_; }
  size_t problem_at() const { return problem_at_; }
  size_t next_part() const { return next_part_; }

 private:
  // Records within records (matchers repeat matchers); deeper than any that the compiler writes.
  static constexpr int kMaxDepth = 12;

  void Refuse(const char* problem) {
    if (problem_ != nullptr) return;
    problem_ = problem;
    problem_at_ = cursor_;
  }
  // REQUIRES: the record that the cursor is in lies within the block (TakePart and Decode see to that).
  template <Scalar T>
  void Get(T& value) {
    if (problem_ != nullptr) return;
    if constexpr (std::same_as<T, bool>) {
      const uint8_t byte = block_[cursor_];
      if (byte > 1) return Refuse("a flag is neither 0 nor 1");
      value = byte == 1;
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number;
      std::memcpy(&number, block_.data() + cursor_, sizeof number);
      if (number > static_cast<std::underlying_type_t<T>>(kLast<T>)) return Refuse("a value is not in its enumeration");
      value = static_cast<T>(number);
    } else {
      std::memcpy(&value, block_.data() + cursor_, sizeof value);
    }
    cursor_ += sizeof value;
  }
  // The next part, of `count` records of `size` bytes; false when it is not where the next part must be or too long.
  bool TakePart(size_t size, Part& part) {
    Get(part.offset);
    Get(part.count);
    if (problem_ != nullptr) return false;
    if (part.offset != next_part_) {
      Refuse("a part is not where it must be");
    } else if (part.count > (block_.size() - next_part_) / size) {
      Refuse("a part reaches beyond the end");
    } else {
      next_part_ += part.count * size;
    }
    return problem_ == nullptr;
  }
  void Get(std::string& text) {
    Part part;
    if (TakePart(1, part)) text = AsText(block_.subspan(part.offset, part.count));
  }
  template <typename Element>
  void GetList(std::vector<Element>& list) {
    Part part;
    if (!TakePart(SizeOf<Element>(), part)) return;
    if (++depth_ > kMaxDepth) Refuse("records are nested too deep");
    list.resize(problem_ == nullptr ? part.count : 0);
    for (size_t i = 0; i < list.size() && problem_ == nullptr; i++) {
      Record(part.offset + i * SizeOf<Element>(), list[i]);
    }
    depth_--;
  }
  template <typename T>
    requires(!Scalar<T>)
  void Get(T& value) {
    if constexpr (kIsVector<T>) {
      GetList(value);
    } else if constexpr (kIsMap<T>) {
      std::vector<std::pair<typename T::key_type, typename T::mapped_type>> pairs;
      GetList(pairs);
      for (auto& pair : pairs) {
        if (!value.insert(std::move(pair)).second) Refuse("a key stands twice");
      }
    } else if constexpr (kIsOptional<T>) {
      std::vector<typename T::value_type> list;
      GetList(list);
      if (list.size() > 1) return Refuse("an optional value stands twice");
      if (!list.empty()) value = std::move(list[0]);
    } else if constexpr (kIsPair<T>) {
      Get(value.first);
      Get(value.second);
    } else {
      Fields(*this, value);
    }
  }

  Bytes block_;
  size_t next_part_;
  size_t cursor_ = 0;
  int depth_ = 0;
  const char* problem_ = nullptr;
  size_t problem_at_ = 0;
};

}  // namespace reeve::config::blob
