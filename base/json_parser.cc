#include "base/json_parser.h"

#include <utility>

#include "base/check.h"

namespace reeve::json {

namespace {

// An object with more members than this gets an index; below it, looking at each key is faster.
constexpr size_t kIndexFrom = 32;
// Room made at once in the request itself and in its arguments.
constexpr size_t kUsualMembers = 4;
constexpr size_t kRequestLevels = 2;

bool IsScalar(Token::Kind kind) {
  return kind == Token::Kind::kString || kind == Token::Kind::kNumber || kind == Token::Kind::kKeyword;
}

}  // namespace

void Parser::Reset() {
  expects_ = Expects::kValue;
  stack_.clear();
  root_ = Value();
  tokens_ = open_braces_ = open_brackets_ = 0;
}

Value Parser::TakeValue() {
  Value value = std::move(root_);
  Reset();
  return value;
}

Parser::Outcome Parser::Wrong(std::string error) {
  error_ = std::move(error);
  is_limit_error_ = false;
  return Outcome::kWrong;
}

Parser::Outcome Parser::Limit(std::string error) {
  error_ = std::move(error);
  is_limit_error_ = true;
  return Outcome::kWrong;
}

void Parser::Count(Token::Kind kind) {
  if (kind == Token::Kind::kLeftBrace) ++open_braces_;
  if (kind == Token::Kind::kLeftBracket) ++open_brackets_;
  if (kind == Token::Kind::kRightBrace && open_braces_ > 0) --open_braces_;
  if (kind == Token::Kind::kRightBracket && open_brackets_ > 0) --open_brackets_;
}

Parser::Outcome Parser::Push(Token& token) {
  using Kind = Token::Kind;
  Count(token.kind);
  if (++tokens_ > kMaxTokens) return Limit("JSON token count limit exceeded");
  if (open_braces_ + open_brackets_ > kMaxDepth) return Limit("JSON nesting depth limit exceeded");
  switch (expects_) {
    case Expects::kColon:
      if (token.kind != Kind::kColon) return Wrong("expecting ':'");
      expects_ = Expects::kValue;
      return Outcome::kMore;
    case Expects::kSeparator:
      return TakeSeparator(token);
    case Expects::kFirstKey:
      if (token.kind == Kind::kRightBrace) return Close();
      [[fallthrough]];
    case Expects::kKey:
      return TakeKey(token);
    case Expects::kFirstElement:
      if (token.kind == Kind::kRightBracket) return Close();
      [[fallthrough]];
    case Expects::kValue:
      if (IsScalar(token.kind)) return TakeScalar(token);
      if (token.kind == Kind::kLeftBrace) return Open(/*is_object=*/true);
      if (token.kind == Kind::kLeftBracket) return Open(/*is_object=*/false);
      return Wrong("expecting value");
  }
  return Wrong("expecting value");
}

Parser::Outcome Parser::TakeSeparator(const Token& token) {
  const bool is_object = stack_.back().is_object;
  if (token.kind == Token::Kind::kComma) {
    expects_ = is_object ? Expects::kKey : Expects::kValue;
    return Outcome::kMore;
  }
  if (token.kind == (is_object ? Token::Kind::kRightBrace : Token::Kind::kRightBracket)) return Close();
  return Wrong(is_object ? "expected ',' or '}'" : "expected ',' or ']'");
}

bool Parser::HasKey(Container& container, std::string_view key) const {
  const Object& object = *container.value->As<Object>();
  if (container.keys != nullptr) return container.keys->contains(key);
  for (const Member& member : object) {
    if (member.key == key) return true;
  }
  if (object.size() < kIndexFrom) return false;
  container.keys = std::make_unique<KeyIndex>(KeyLess{&object});
  for (uint32_t index = 0; index < object.size(); ++index) container.keys->insert(index);
  return false;
}

Parser::Outcome Parser::TakeKey(Token& token) {
  if (token.kind != Token::Kind::kString) return Wrong("expecting key");
  if (!token.error.empty()) return Wrong(std::move(token.error));
  Container& container = stack_.back();
  if (HasKey(container, token.text)) return Wrong("duplicate key");
  Object& object = *container.value->As<Object>();
  // Deeper ones are not given what they may not need: they may be many.
  if (object.empty() && stack_.size() <= kRequestLevels) object.reserve(kUsualMembers);
  object.push_back({std::move(token.text), Value()});
  if (container.keys != nullptr) container.keys->insert(static_cast<uint32_t>(object.size() - 1));
  expects_ = Expects::kColon;
  return Outcome::kMore;
}

Parser::Outcome Parser::TakeScalar(Token& token) {
  if (token.kind == Token::Kind::kString) {
    if (!token.error.empty()) return Wrong(std::move(token.error));
    return Add(Value(std::move(token.text)));
  }
  if (token.kind == Token::Kind::kNumber) {
    std::optional<Value> number = ParseNumber(token.text);
    // QEMU reads 1e999 as infinity and prints `inf`, which is no JSON.
    if (!number) return Wrong("number out of range");
    return Add(*std::move(number));
  }
  if (token.text == "true") return Add(Value(true));
  if (token.text == "false") return Add(Value(false));
  if (token.text == "null") return Add(Value(Null()));
  return Wrong("invalid keyword '" + token.text.substr(0, kMaxEchoBytes) + "'");
}

// Puts a value where one is expected and returns where it stands now.
Value* Parser::Place(Value value) {
  if (stack_.empty()) {
    root_ = std::move(value);
    return &root_;
  }
  Value& container = *stack_.back().value;
  if (List* list = container.As<List>()) {
    list->push_back(std::move(value));
    return &list->back();
  }
  Member& member = container.As<Object>()->back();
  member.value = std::move(value);
  return &member.value;
}

Parser::Outcome Parser::Add(Value value) {
  Place(std::move(value));
  expects_ = Expects::kSeparator;
  return stack_.empty() ? Outcome::kComplete : Outcome::kMore;
}

Parser::Outcome Parser::Open(bool is_object) {
  Value* value = Place(is_object ? Value(Object()) : Value(List()));
  stack_.push_back({value, is_object, nullptr});
  expects_ = is_object ? Expects::kFirstKey : Expects::kFirstElement;
  return Outcome::kMore;
}

Parser::Outcome Parser::Close() {
  stack_.pop_back();
  expects_ = Expects::kSeparator;
  return stack_.empty() ? Outcome::kComplete : Outcome::kMore;
}

std::string ParseErrorText(const Position& position, std::string_view detail) {
  std::string text = std::to_string(position.line) + ":" + std::to_string(position.column);
  text += ": JSON parse error, ";
  text += detail;
  return text;
}

Result<Value> Parse(std::string_view text) {
  Lexer lexer;
  Parser parser;
  Token token;
  std::optional<Value> value;
  // A number ends at the byte after it.
  for (std::string_view part : {text, std::string_view("\n")}) {
    Bytes bytes = AsBytes(part);
    while (lexer.Next(bytes, token)) {
      if (token.kind == Token::Kind::kTooLarge) return Fail(Code::kTooLarge, "JSON token size limit exceeded");
      if (token.kind == Token::Kind::kStray)
        return Fail(Code::kBadMessage, ParseErrorText(token.position, "stray '" + token.text + "'"));
      if (value) return Fail(Code::kBadMessage, ParseErrorText(token.position, "more than one value"));
      const Parser::Outcome outcome = parser.Push(token);
      if (outcome == Parser::Outcome::kComplete) value = parser.TakeValue();
      if (outcome != Parser::Outcome::kWrong) continue;
      if (parser.is_limit_error()) return Fail(Code::kTooLarge, parser.error());
      return Fail(Code::kBadMessage, ParseErrorText(token.position, parser.error()));
    }
  }
  if (!value) return Fail(Code::kBadMessage, "JSON value is not complete");
  return *std::move(value);
}

}  // namespace reeve::json
