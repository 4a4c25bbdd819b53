#include "agent/qmp/request_reader.h"

#include <utility>

#include "base/json_lexer.h"
#include "base/json_parser.h"

namespace reeve::qmp {

namespace {

InputError Refuse(std::string description) {
  return {std::move(description), std::nullopt};
}

InputError RefuseMember(std::string_view name, std::string_view why) {
  std::string text = "QMP input member '";
  text += name;
  text += "' ";
  text += why;
  return Refuse(std::move(text));
}

// Puts one member of the envelope where it belongs, or says why it cannot be.
std::optional<InputError> TakeMember(json::Member& member, Request& request, bool& has_command) {
  if (member.key == "execute") {
    std::string* command = member.value.As<std::string>();
    if (command == nullptr) return RefuseMember(member.key, "must be a string");
    request.command = std::move(*command);
    has_command = true;
  } else if (member.key == "arguments") {
    if (member.value.As<json::Object>() == nullptr) return RefuseMember(member.key, "must be an object");
    request.arguments = std::move(member.value);
  } else if (member.key == "id") {
    request.id = std::move(member.value);
  } else {
    return RefuseMember(member.key, "is unexpected");
  }
  return std::nullopt;
}

// QMP's envelope. The first member that is wrong is named; the id is echoed whatever else is wrong.
Item OpenEnvelope(json::Value value) {
  json::Object* object = value.As<json::Object>();
  if (object == nullptr) return Refuse("QMP input must be a JSON object");
  Request request;
  request.arguments = json::Value(json::Object());
  bool has_command = false;
  std::optional<InputError> error;
  for (json::Member& member : *object) {
    if (!error || member.key == "id") {
      std::optional<InputError> wrong = TakeMember(member, request, has_command);
      if (!error) error = std::move(wrong);
    }
  }
  if (!error && !has_command) error = Refuse("QMP input lacks member 'execute'");
  if (!error) return request;
  error->id = std::move(request.id);
  return *std::move(error);
}

}  // namespace

class RequestReader::Impl {
 public:
  std::optional<Item> Next(Bytes& bytes);
  bool HasPartial() const { return !lexer_.is_idle() || !parser_.is_idle(); }
  size_t partial_bytes() const { return lexer_.value_bytes(); }
  InputError RefusePartial(std::string description) { return Fail(std::move(description)); }
  void DropPartial();
  void DropPartialAtLineFeed() { lexer_.ReportLineFeeds(HasPartial()); }

 private:
  std::optional<Item> Take();
  InputError Fail(std::string description);

  json::Lexer lexer_;
  json::Parser parser_;
  json::Token token_;
};

std::optional<Item> RequestReader::Impl::Next(Bytes& bytes) {
  while (lexer_.Next(bytes, token_)) {
    std::optional<Item> item = Take();
    if (!item) continue;
    lexer_.ReportLineFeeds(false);
    return item;
  }
  return std::nullopt;
}

void RequestReader::Impl::DropPartial() {
  lexer_.Reset();
  lexer_.ReportLineFeeds(false);
  parser_.Reset();
}

// Ends the value with an error line and skips what may belong to it.
InputError RequestReader::Impl::Fail(std::string description) {
  lexer_.Swallow(parser_.open_braces(), parser_.open_brackets());
  parser_.Reset();
  return Refuse(std::move(description));
}

std::optional<Item> RequestReader::Impl::Take() {
  switch (token_.kind) {
    case json::Token::Kind::kStray:
      parser_.Reset();
      lexer_.BeginValue();
      return Refuse(json::ParseErrorText(token_.position, "stray '" + token_.text + "'"));
    case json::Token::Kind::kTooLarge:
      return Fail("JSON token size limit exceeded");
    case json::Token::Kind::kLineFeed:
      DropPartial();
      return std::nullopt;
    default:
      break;
  }
  switch (parser_.Push(token_)) {
    case json::Parser::Outcome::kMore:
      return std::nullopt;
    case json::Parser::Outcome::kComplete:
      lexer_.BeginValue();
      return OpenEnvelope(parser_.TakeValue());
    case json::Parser::Outcome::kWrong:
      break;
  }
  if (parser_.is_limit_error()) return Fail(parser_.error());
  return Fail(json::ParseErrorText(token_.position, parser_.error()));
}

RequestReader::RequestReader() : impl_(std::make_unique<Impl>()) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

std::optional<Item> RequestReader::Next(Bytes& bytes) {
  return impl_->Next(bytes);
}
bool RequestReader::HasPartial() const {
  return impl_->HasPartial();
}
size_t RequestReader::partial_bytes() const {
  return impl_->partial_bytes();
}
InputError RequestReader::RefusePartial(std::string description) {
  return impl_->RefusePartial(std::move(description));
}
void RequestReader::DropPartial() {
  impl_->DropPartial();
}
void RequestReader::DropPartialAtLineFeed() {
  impl_->DropPartialAtLineFeed();
}

}  // namespace reeve::qmp
