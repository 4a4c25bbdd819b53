#ifndef REEVE_JSON_HPP
#define REEVE_JSON_HPP

// A light reader of a request's arguments and a writer of replies, for plugins in C++17 and later. The reader takes the
// canonical JSON that the core hands over and never copies a string that has no escapes: base64 of 48 MiB is read in
// place. Not for text from elsewhere: it trusts the core's check and promises only never to read out of bounds.

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reeve::plugin {

namespace json_internal {

inline constexpr size_t kNone = std::string_view::npos;

inline size_t SkipSpace(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  return at;
}

// One past the closing quote of the string that begins at `at`; kNone when it has no end.
inline size_t SkipString(std::string_view text, size_t at) {
  for (size_t from = at + 1; from < text.size();) {
    const void* quote = std::memchr(text.data() + from, '"', text.size() - from);
    if (quote == nullptr) return kNone;
    const size_t found = static_cast<size_t>(static_cast<const char*>(quote) - text.data());
    size_t first_backslash = found;
    while (first_backslash > from && text[first_backslash - 1] == '\\') --first_backslash;
    // An escape never spans `from`: it stands behind the opening quote or behind an escaped quote.
    if ((found - first_backslash) % 2 == 0) return found + 1;
    from = found + 1;
  }
  return kNone;
}

// One past the value that begins at `at`; kNone when it has no end.
inline size_t SkipValue(std::string_view text, size_t at) {
  if (at >= text.size()) return kNone;
  if (text[at] == '"') return SkipString(text, at);
  if (text[at] != '{' && text[at] != '[') {
    const size_t end = text.find_first_of(",]} \t\r\n", at);
    return end == kNone ? text.size() : (end == at ? kNone : end);
  }
  size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = SkipString(text, at);
      if (at == kNone) return kNone;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    ++at;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return kNone;
}

inline void AppendUtf8(std::string& out, uint32_t code) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

inline uint32_t HexOf4(std::string_view digits) {
  uint32_t code = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  return code;
}

// `body` is what stands between the quotes.
inline std::string Unescape(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 == body.size()) {
      out.push_back(body[i]);
      continue;
    }
    const char kind = body[++i];
    static constexpr std::string_view kFrom = "bfnrt", kTo = "\b\f\n\r\t";
    if (const size_t simple = kFrom.find(kind); simple != kNone) {
      out.push_back(kTo[simple]);
    } else if (kind == 'u' && i + 4 < body.size()) {
      uint32_t code = HexOf4(body.substr(i + 1, 4));
      i += 4;
      if (code >= 0xD800 && code < 0xDC00 && i + 6 < body.size() && body[i + 1] == '\\' && body[i + 2] == 'u') {
        code = 0x10000 + ((code - 0xD800) << 10) + (HexOf4(body.substr(i + 3, 4)) - 0xDC00);
        i += 6;
      }
      AppendUtf8(out, code);
    } else {
      out.push_back(kind);  // \" \\ \/
    }
  }
  return out;
}

// The bytes of the UTF-8 sequence that `text` begins with; 0 when it begins with none.
inline size_t Utf8Length(std::string_view text) {
  const auto byte = [&text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const unsigned second = byte(1);
  const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_out_of_range = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return is_overlong || is_out_of_range ? 0 : length;
}

}  // namespace json_internal

// One value, as a view into the request's text: good as long as that is.
class JsonValue {
 public:
  JsonValue() = default;
  explicit JsonValue(std::string_view raw) : raw_(raw) {}

  // The value as it is written.
  std::string_view raw() const { return raw_; }
  bool is_null() const { return raw_.empty() || raw_ == "null"; }
  bool is_string() const { return raw_.size() >= 2 && raw_.front() == '"'; }
  bool is_list() const { return !raw_.empty() && raw_.front() == '['; }
  bool is_object() const { return !raw_.empty() && raw_.front() == '{'; }

  std::optional<bool> AsBool() const {
    if (raw_ == "true") return true;
    if (raw_ == "false") return false;
    return std::nullopt;
  }
  std::optional<int64_t> AsInt() const { return Number<int64_t>(); }
  std::optional<uint64_t> AsUint() const { return Number<uint64_t>(); }
  std::optional<double> AsNumber() const { return Number<double>(); }
  // A string without escapes, in place; nothing when it has any, or is no string.
  std::optional<std::string_view> AsPlainString() const {
    if (!is_string() || std::memchr(raw_.data(), '\\', raw_.size()) != nullptr) return std::nullopt;
    return raw_.substr(1, raw_.size() - 2);
  }
  // A string, copied, escapes undone.
  std::optional<std::string> AsString() const {
    if (!is_string()) return std::nullopt;
    return json_internal::Unescape(raw_.substr(1, raw_.size() - 2));
  }
  // The elements of a list; none when it is no list.
  std::vector<JsonValue> Elements() const {
    std::vector<JsonValue> elements;
    if (is_list()) Walk([&](std::string_view, JsonValue value) { elements.push_back(value); });
    return elements;
  }
  // The strings of a list of strings.
  std::vector<std::string> Strings() const {
    std::vector<std::string> strings;
    for (const JsonValue& element : Elements()) strings.push_back(element.AsString().value_or(""));
    return strings;
  }
  // The members of an object, keys as they are written (a manifest's keys have no escapes).
  std::vector<std::pair<std::string_view, JsonValue>> Members() const {
    std::vector<std::pair<std::string_view, JsonValue>> members;
    if (is_object()) Walk([&](std::string_view key, JsonValue value) { members.emplace_back(key, value); });
    return members;
  }

 private:
  template <typename T>
  std::optional<T> Number() const {
    T value{};
    const char* const end = raw_.data() + raw_.size();
    const auto [stop, error] = std::from_chars(raw_.data(), end, value);
    if (error != std::errc() || stop != end || raw_.empty()) return std::nullopt;
    return value;
  }
  template <typename Visit>
  void Walk(Visit visit) const {
    using namespace json_internal;
    size_t at = SkipSpace(raw_, 1);
    while (at < raw_.size() && raw_[at] != ']' && raw_[at] != '}') {
      std::string_view key;
      if (raw_.front() == '{') {
        const size_t end = raw_[at] == '"' ? SkipString(raw_, at) : kNone;
        if (end == kNone) return;
        key = raw_.substr(at + 1, end - at - 2);
        at = SkipSpace(raw_, end);
        if (at >= raw_.size() || raw_[at] != ':') return;
        at = SkipSpace(raw_, at + 1);
      }
      const size_t end = SkipValue(raw_, at);
      if (end == kNone) return;
      visit(key, JsonValue(raw_.substr(at, end - at)));
      at = SkipSpace(raw_, end);
      if (at < raw_.size() && raw_[at] == ',') at = SkipSpace(raw_, at + 1);
    }
  }

  std::string_view raw_;
};

// A request's arguments. Good until `invoke` returns: copy what is kept longer.
class Arguments {
 public:
  explicit Arguments(std::string_view json) : raw_(json), members_(JsonValue(json).Members()) {}
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // The object as it is written.
  std::string_view raw() const { return raw_; }
  // The member, or nullptr when the host did not give it.
  const JsonValue* Find(std::string_view key) const {
    for (const auto& [name, value] : members_)
      if (name == key) return &value;
    return nullptr;
  }
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // Typed members. The core has checked their types against the manifest, so `fallback` is for what is absent.
  int64_t Int(std::string_view key, int64_t fallback = 0) const {
    const JsonValue* value = Find(key);
    return value == nullptr ? fallback : value->AsInt().value_or(fallback);
  }
  uint64_t Uint(std::string_view key, uint64_t fallback = 0) const {
    const JsonValue* value = Find(key);
    return value == nullptr ? fallback : value->AsUint().value_or(fallback);
  }
  bool Bool(std::string_view key, bool fallback = false) const {
    const JsonValue* value = Find(key);
    return value == nullptr ? fallback : value->AsBool().value_or(fallback);
  }
  // In place where it has no escapes, else unescaped into memory of this object.
  std::string_view String(std::string_view key, std::string_view fallback = {}) const {
    const JsonValue* value = Find(key);
    if (value == nullptr || !value->is_string()) return fallback;
    if (const auto plain = value->AsPlainString()) return *plain;
    return unescaped_.emplace_back(*value->AsString());
  }
  std::vector<std::string> Strings(std::string_view key) const {
    const JsonValue* value = Find(key);
    return value == nullptr ? std::vector<std::string>() : value->Strings();
  }

 private:
  std::string_view raw_;
  std::vector<std::pair<std::string_view, JsonValue>> members_;
  mutable std::deque<std::string> unescaped_;  // a deque: views into it stay good
};

// Writes one JSON value. Commas and colons come by themselves:
//   JsonWriter json;
//   json.BeginObject().Key("pid").Int(7).EndObject();
//   reply.Return(json.text());
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginList() { return Open('['); }
  JsonWriter& EndList() { return Close(']'); }
  JsonWriter& Key(std::string_view key) {
    String(key);
    text_ += ": ";
    needs_comma_ = false;
    return *this;
  }
  // What is no UTF-8 becomes U+FFFD.
  JsonWriter& String(std::string_view value) {
    Separate();
    text_.push_back('"');
    AppendEscaped(value);
    text_.push_back('"');
    return *this;
  }
  JsonWriter& Int(int64_t value) { return Raw(std::to_string(value)); }
  JsonWriter& Uint(uint64_t value) { return Raw(std::to_string(value)); }
  JsonWriter& Bool(bool value) { return Raw(value ? "true" : "false"); }
  JsonWriter& Null() { return Raw("null"); }
  // Finite numbers only; others become null, which JSON has instead.
  JsonWriter& Number(double value) {
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    const std::string_view text(digits, static_cast<size_t>(end.ptr - digits));
    return Raw(text.find_first_of("in") == std::string_view::npos ? text : "null");
  }
  // A value that is JSON already; also the way to put a base64 string in: quotes and all.
  JsonWriter& Raw(std::string_view json) {
    Separate();
    text_ += json;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  void Separate() {
    if (needs_comma_) text_ += ", ";
    needs_comma_ = true;
  }
  JsonWriter& Open(char bracket) {
    Separate();
    text_.push_back(bracket);
    needs_comma_ = false;
    return *this;
  }
  JsonWriter& Close(char bracket) {
    text_.push_back(bracket);
    needs_comma_ = true;
    return *this;
  }
  void AppendEscaped(std::string_view value) {
    while (!value.empty()) {
      const unsigned char c = static_cast<unsigned char>(value.front());
      if (c == '"' || c == '\\') {
        text_.push_back('\\');
        text_.push_back(static_cast<char>(c));
        value.remove_prefix(1);
      } else if (c < 0x20 || c == 0x7F) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(c));
        text_ += escape;
        value.remove_prefix(1);
      } else if (const size_t length = json_internal::Utf8Length(value); length > 0) {
        text_ += value.substr(0, length);
        value.remove_prefix(length);
      } else {
        text_ += "\xEF\xBF\xBD";
        value.remove_prefix(1);
      }
    }
  }

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace reeve::plugin

#endif  // REEVE_JSON_HPP
