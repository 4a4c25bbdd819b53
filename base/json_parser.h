#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/json_lexer.h"
#include "base/json_value.h"
#include "base/result.h"

namespace reeve::json {

// Tokens in one value: qemu-ga's limit.
inline constexpr size_t kMaxTokens = 2 * 1024 * 1024;

// Puts tokens together to values, one after the other. Strings are moved, not copied. Not thread-safe.
class Parser {
 public:
  enum class Outcome : uint8_t {
    kMore,      // the value goes on
    kComplete,  // TakeValue() has it
    kWrong,     // this token cannot stand here, as error() says; Reset() has to follow
  };

  // REQUIRES: one of the kinds kLeftBrace to kKeyword.
  [[nodiscard]] Outcome Push(Token& token);
  Value TakeValue();
  // QEMU's text for the last kWrong, without position.
  const std::string& error() const { return error_; }
  // The error is that a limit was met: such texts stand without position, and without `JSON parse error, `.
  bool is_limit_error() const { return is_limit_error_; }
  // Brackets that are open, after kWrong with the offending token counted in (a closer without opener is
  // not).
  size_t open_braces() const { return open_braces_; }
  size_t open_brackets() const { return open_brackets_; }

  // Between two values.
  bool is_idle() const { return stack_.empty(); }
  void Reset();

 private:
  enum class Expects : uint8_t { kValue, kFirstElement, kFirstKey, kKey, kColon, kSeparator };

  // Orders an object's members by their keys; holds indices because members move as the object grows.
  struct KeyLess {
    using is_transparent = void;
    const Object* object;
    bool operator()(uint32_t a, uint32_t b) const { return (*object)[a].key < (*object)[b].key; }
    bool operator()(uint32_t a, std::string_view b) const { return (*object)[a].key < b; }
    bool operator()(std::string_view a, uint32_t b) const { return a < (*object)[b].key; }
  };
  using KeyIndex = std::set<uint32_t, KeyLess>;
  struct Container {
    Value* value;  // its address stays: what holds it does not grow while it is open
    bool is_object;
    std::unique_ptr<KeyIndex> keys;  // of a large object
  };

  Outcome TakeScalar(Token& token);
  Outcome Open(bool is_object);
  Outcome Close();
  Outcome TakeKey(Token& token);
  Outcome TakeSeparator(const Token& token);
  Outcome Add(Value value);
  Value* Place(Value value);
  bool HasKey(Container& container, std::string_view key) const;
  Outcome Wrong(std::string error);
  Outcome Limit(std::string error);
  void Count(Token::Kind kind);

  Expects expects_ = Expects::kValue;
  std::vector<Container> stack_;
  Value root_;
  size_t tokens_ = 0;
  size_t open_braces_ = 0;
  size_t open_brackets_ = 0;
  std::string error_;
  bool is_limit_error_ = false;
};

// The one value that `text` holds, in the same dialect, with white space around it and nothing else.
// Fails with kBadMessage: `<line>:<column>: JSON parse error, <detail>`.
[[nodiscard]] Result<Value> Parse(std::string_view text);

// `<line>:<column>: JSON parse error, <detail>`, as release 11.1.3 says it.
std::string ParseErrorText(const Position& position, std::string_view detail);

}  // namespace reeve::json
