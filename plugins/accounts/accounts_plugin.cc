#include "plugins/accounts/accounts_plugin.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/cleanup.h"
#include "helpers/contract.h"
#include "plugins/accounts/public_keys.h"

namespace reeve::accounts {
namespace {

using plugin::JsonWriter;
using plugin::Reply;

constexpr std::string_view kNotInTime = "it did not end in time and was killed";
constexpr std::string_view kPasswordFailed = "child process has failed to set user password: ";
// A list of keys in JSON is not read when it is longer than any that could be taken.
constexpr size_t kMaxRequestBytes = 8 * helpers::kMaxKeysBytes;
constexpr size_t kMaxSaidBytes = 1024;
// All passwords stand in one file. No user is called so.
constexpr const char* kLaneOfPasswords = "";

bool HasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

// What chpasswd said, without the line end behind it. A reason, not a transcript.
std::string SaidBy(const HelperEnd& end) {
  const std::string said = end.output.substr(0, kMaxSaidBytes);
  return said.substr(0, said.find_last_not_of('\n') + 1);
}

HelperCall KeysCall(const char* verb, const std::string& user, HelperInput input) {
  return {.words = {helpers::kKeys, verb, user}, .input = std::move(input), .user = user, .lane = user};
}

HelperCall PasswordCall(const std::string& user, bool is_crypted, HelperInput password) {
  return {.words = {helpers::kPasswd, user, is_crypted ? "crypted" : "plain"},
          .input = std::move(password),
          .user = user,
          .lane = kLaneOfPasswords};
}

Result<HelperInput> DecodePassword(std::string_view base64) {
  Base64Decoder decoder;
  const Cleanup wipe = [&] { decoder.Wipe(); };
  const Bytes password = REEVE_TRY(decoder.Decode(base64));
  REEVE_TRY(decoder.Finish());
  if (password.size() > helpers::kMaxPasswordBytes)
    return Fail(Code::kTooLarge,
                "the password is longer than " + std::to_string(helpers::kMaxPasswordBytes) + " bytes");
  return HelperInput(password);
}

void AnswerPassword(const HelperEnd& end, Reply& reply) {
  if (end.exit_code == 0) return reply.Return("{}");
  const std::string said = SaidBy(end);
  if (end.exit_code == helpers::kExitFailed) return reply.Fail(REEVE_ERROR_FAILED, said);
  if (!end.exit_code)
    return reply.Fail(REEVE_ERROR_FAILED,
                      "child process has terminated abnormally" + (said.empty() ? "" : ": " + said));
  reply.Fail(REEVE_ERROR_FAILED,
             std::string(kPasswordFailed) + (said.empty() ? "exit status " + std::to_string(*end.exit_code) : said));
}

void AnswerKeysFailure(const HelperEnd& end, Reply& reply) {
  if (end.exit_code == helpers::kExitFailed) return reply.Fail(REEVE_ERROR_FAILED, end.output);
  reply.Fail(REEVE_ERROR_FAILED, std::string(helpers::kKeys) + " has terminated abnormally");
}

void AnswerChange(const HelperEnd& end, Reply& reply) {
  if (end.exit_code == 0) return reply.Return("{}");
  AnswerKeysFailure(end, reply);
}

void AnswerKeys(const HelperEnd& end, Reply& reply) {
  if (end.exit_code != 0) return AnswerKeysFailure(end, reply);
  if (end.is_output_cut) return reply.Fail(REEVE_ERROR_LIMIT, "there are too many keys");
  JsonWriter json;
  json.BeginObject().Key("keys").BeginList();
  std::string_view rest = end.output;
  for (size_t line; (line = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(line + 1))
    json.String(rest.substr(0, line));
  reply.Return(json.EndList().EndObject().text());
}

}  // namespace

void AccountsPlugin::SetUserPassword(const Request& request, Reply& reply) {
  const std::string user(request.arguments.String("username"));
  Result<HelperInput> password = DecodePassword(request.arguments.String("password"));
  if (!password) return reply.Fail(REEVE_ERROR_ARGUMENT, password.error().message());
  constexpr std::string_view kForbidden(":\n\0", 3);
  if (user.find_first_of(kForbidden) != std::string::npos)
    return reply.Fail(REEVE_ERROR_ARGUMENT, "forbidden characters in username");
  const bool is_crypted = request.arguments.Bool("crypted");
  Ask(reply, {request.id, PasswordCall(user, is_crypted, std::move(*password)), AnswerPassword});
}

void AccountsPlugin::GetKeys(const Request& request, Reply& reply) {
  const std::string user(request.arguments.String("username"));
  Ask(reply, {request.id, KeysCall("get", user, HelperInput()), AnswerKeys});
}

void AccountsPlugin::AddKeys(const Request& request, Reply& reply) {
  ChangeKeys(request, reply, request.arguments.Bool("reset") ? "reset" : "add");
}

void AccountsPlugin::RemoveKeys(const Request& request, Reply& reply) {
  ChangeKeys(request, reply, "remove");
}

void AccountsPlugin::ChangeKeys(const Request& request, Reply& reply, const char* verb) {
  if (request.arguments.raw().size() > kMaxRequestBytes) return reply.Fail(REEVE_ERROR_LIMIT, "the keys are too large");
  const Result<std::string> lines = KeyLines(request.arguments.Strings("keys"));
  if (!lines) return reply.Fail(REEVE_ERROR_ARGUMENT, lines.error().message());
  const std::string user(request.arguments.String("username"));
  Ask(reply, {request.id, KeysCall(verb, user, HelperInput(AsBytes(*lines))), AnswerChange});
}

void AccountsPlugin::Ask(Reply& reply, Asked asked) {
  const std::string& user = asked.call.user;
  // What no argument can hold and no user can be called, before anybody is asked.
  if (user.empty() || HasControl(user))
    return reply.Fail(REEVE_ERROR_NOT_FOUND, "failed to lookup user '" + user + "': no such user");
  replies_.emplace(asked.request_id, std::move(reply));
  waiting_.push_back(std::move(asked));
  StartWhatMay();
}

// What is started may end at once, and this be called again: each turn begins anew.
void AccountsPlugin::StartWhatMay() {
  const auto is_free = [this](const Asked& asked) { return !runs_.IsBusy(asked.call.lane); };
  for (auto next = waiting_.begin(); (next = std::ranges::find_if(waiting_, is_free)) != waiting_.end();) {
    Asked asked = std::move(*next);
    waiting_.erase(next);
    Run(std::move(asked));
  }
}

void AccountsPlugin::Run(Asked asked) {
  const uint64_t id = asked.request_id;
  const std::string& user = asked.call.user;
  if (runs_.IsStuck(user))
    return TakeReply(id).Fail(REEVE_ERROR_BUSY, "what was done for user '" + user + "' before has not ended");
  runs_.Start(id, std::move(asked.call),
              [this, id, answer = asked.answer](const HelperEnd& end) { Finish(id, end, answer); });
}

void AccountsPlugin::Finish(uint64_t request_id, const HelperEnd& end, Answer answer) {
  Reply reply = TakeReply(request_id);
  if (!end.has_begun)
    reply.Fail(end.refusal.error_number == EACCES ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED, end.refusal.text);
  else if (end.was_timed_out)
    reply.Fail(REEVE_ERROR_FAILED, kNotInTime);
  else
    answer(end, reply);
  StartWhatMay();
}

void AccountsPlugin::Cancelled(uint64_t request_id) {
  if (!replies_.contains(request_id)) return;
  std::erase_if(waiting_, [&](const Asked& asked) { return asked.request_id == request_id; });
  runs_.Abandon(request_id);
  TakeReply(request_id).Fail(REEVE_ERROR_CANCELLED, kNotInTime);
  StartWhatMay();
}

}  // namespace reeve::accounts
