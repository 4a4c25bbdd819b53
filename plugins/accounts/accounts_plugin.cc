#include "plugins/accounts/accounts_plugin.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "helpers/contract.h"
#include "plugins/accounts/public_keys.h"

namespace reeve::accounts {
namespace {

using plugin::JsonWriter;
using plugin::Reply;

constexpr std::string_view kPasswordFailed = "child process has failed to set user password: ";
// A list of keys in JSON is not read when it is longer than any that could be taken.
constexpr size_t kMaxRequestBytes = 8 * helpers::kMaxKeysBytes;

bool HasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

// Without the line end behind it.
std::string SaidBy(const HelperEnd& end) {
  return end.output.substr(0, end.output.find_last_not_of('\n') + 1);
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
  Result<std::string> password = Base64Decode(request.arguments.String("password"));
  if (!password) return reply.Fail(REEVE_ERROR_ARGUMENT, password.error().message());
  constexpr std::string_view kForbidden(":\n\0", 3);
  if (user.find_first_of(kForbidden) != std::string::npos)
    return reply.Fail(REEVE_ERROR_ARGUMENT, "forbidden characters in username");
  const char* const form = request.arguments.Bool("crypted") ? "crypted" : "plain";
  Ask(request, reply, {helpers::kPasswd, user, form}, user, std::move(*password), AnswerPassword);
}

void AccountsPlugin::GetKeys(const Request& request, Reply& reply) {
  const std::string user(request.arguments.String("username"));
  Ask(request, reply, {helpers::kKeys, "get", user}, user, "", AnswerKeys);
}

void AccountsPlugin::AddKeys(const Request& request, Reply& reply) {
  ChangeKeys(request, reply, request.arguments.Bool("reset") ? "reset" : "add");
}

void AccountsPlugin::RemoveKeys(const Request& request, Reply& reply) {
  ChangeKeys(request, reply, "remove");
}

void AccountsPlugin::ChangeKeys(const Request& request, Reply& reply, const char* verb) {
  if (request.arguments.raw().size() > kMaxRequestBytes) return reply.Fail(REEVE_ERROR_LIMIT, "the keys are too large");
  Result<std::string> lines = KeyLines(request.arguments.Strings("keys"));
  if (!lines) return reply.Fail(REEVE_ERROR_ARGUMENT, lines.error().message());
  const std::string user(request.arguments.String("username"));
  Ask(request, reply, {helpers::kKeys, verb, user}, user, std::move(*lines), AnswerChange);
}

void AccountsPlugin::Ask(const Request& request, Reply& reply, std::vector<std::string> words, const std::string& user,
                         std::string input, Answer answer) {
  // What no argument can hold and no user can be called, before anybody is asked.
  if (user.empty() || HasControl(user))
    return reply.Fail(REEVE_ERROR_NOT_FOUND, "failed to lookup user '" + user + "': no such user");
  if (runs_.IsStuck(user))
    return reply.Fail(REEVE_ERROR_BUSY, "what was done for user '" + user + "' before has not ended");
  const uint64_t id = request.id;
  replies_.emplace(id, std::move(reply));
  runs_.Start(id, user, words, std::move(input), [this, id, answer](const HelperEnd& end) { Finish(id, end, answer); });
}

void AccountsPlugin::Finish(uint64_t request_id, const HelperEnd& end, Answer answer) {
  Reply reply = std::move(replies_.extract(request_id).mapped());
  if (!end.has_begun)
    return reply.Fail(end.refusal.error_number == EACCES ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED, end.refusal.text);
  if (end.was_timed_out) return reply.Fail(REEVE_ERROR_FAILED, "it did not end in time and was killed");
  answer(end, reply);
}

void AccountsPlugin::Cancelled(uint64_t request_id) {
  auto reply = replies_.extract(request_id);
  if (reply.empty()) return;
  runs_.Abandon(request_id);
  reply.mapped().Fail(REEVE_ERROR_CANCELLED, "it did not end in time and was killed");
}

}  // namespace reeve::accounts
