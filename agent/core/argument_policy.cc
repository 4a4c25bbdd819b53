#include "agent/core/argument_policy.h"

#include <algorithm>
#include <vector>

namespace reeve::core {
namespace {

std::string StringMember(const json::Value& arguments, std::string_view key) {
  const json::Value* member = arguments.Find(key);
  const std::string* text = member != nullptr ? member->As<std::string>() : nullptr;
  return text != nullptr ? *text : std::string();
}

std::vector<std::string> StringsMember(const json::Value& arguments, std::string_view key) {
  std::vector<std::string> strings;
  const json::Value* member = arguments.Find(key);
  const json::List* list = member != nullptr ? member->As<json::List>() : nullptr;
  if (list == nullptr) return strings;
  for (const json::Value& element : *list) {
    if (const std::string* text = element.As<std::string>()) strings.push_back(*text);
  }
  return strings;
}

// How many bytes the base64 text stands for: the plugin decodes it, and refuses what is none.
uint64_t DecodedBytes(std::string_view base64) {
  uint64_t digits = 0;
  for (const char c : base64) digits += c == '\n' || c == '\r' || c == '=' ? 0 : 1;
  return digits * 3 / 4;
}

ArgumentVerdict DecideProgram(const policy::Decider& decider, const Asker& asker, const config::CommandSpec& command,
                              const json::Value& arguments) {
  ArgumentVerdict verdict;
  verdict.object = StringMember(arguments, "path");
  const std::vector<std::string> args = StringsMember(arguments, "arg");
  const std::vector<std::string> env = StringsMember(arguments, "env");
  policy::ProgramCall call;
  call.path = verdict.object;
  call.args = args;
  call.env = env;
  call.has_env = arguments.Find("env") != nullptr;
  if (const json::Value* input = arguments.Find("input-data")) {
    call.has_stdin = true;
    if (const std::string* text = input->As<std::string>()) call.stdin_bytes = DecodedBytes(*text);
  }
  verdict.decision = decider.Program(asker.caller(), call);
  if (!verdict.decision->is_allowed())
    verdict.refusal = policy::ArgumentRefusal(command.name, verdict.object, *verdict.decision);
  return verdict;
}

ArgumentVerdict DecideFile(const policy::Decider& decider, const Asker& asker, const json::Value& arguments) {
  ArgumentVerdict verdict;
  verdict.object = StringMember(arguments, "path");
  const bool has_mode = arguments.Find("mode") != nullptr;
  const std::string mode = has_mode ? StringMember(arguments, "mode") : "r";
  const auto access = AccessOfMode(mode);
  if (!access) {
    verdict.refusal = "invalid file open mode '" + mode + "'";
    return verdict;
  }
  verdict.decision = decider.File(asker.caller(), {verdict.object, *access});
  // qemu-ga's frame: clients look for "Permission denied" in it.
  if (!verdict.decision->is_allowed())
    verdict.refusal = "failed to open file '" + verdict.object + "' (mode: '" + mode +
                      "'): Permission denied (policy rule '" + verdict.decision->rule + "' in " +
                      verdict.decision->origin.ToString() + ")";
  return verdict;
}

}  // namespace

std::optional<policy::FileAccessMask> AccessOfMode(std::string_view mode) {
  if (mode.empty() || mode.size() > 3) return std::nullopt;
  std::string rest(mode.substr(1));
  // qemu-ga takes r+b and rb+, and each of the two only once.
  const bool has_plus = std::erase(rest, '+') == 1;
  const bool has_binary = std::erase(rest, 'b') == 1;
  if (!rest.empty() || mode.size() != 1u + (has_plus ? 1 : 0) + (has_binary ? 1 : 0)) return std::nullopt;
  const auto bit = [](policy::FileAccess access) { return static_cast<unsigned>(access); };
  unsigned access = 0;
  if (mode[0] == 'r' || has_plus) access |= bit(policy::FileAccess::kRead);
  if (mode[0] != 'r' || has_plus) access |= bit(policy::FileAccess::kWrite);
  if (mode[0] == 'w' || mode[0] == 'a') access |= bit(policy::FileAccess::kCreate);
  if (mode[0] != 'r' && mode[0] != 'w' && mode[0] != 'a') return std::nullopt;
  return static_cast<policy::FileAccessMask>(access);
}

ArgumentVerdict DecideArguments(const policy::Decider& decider, const Asker& asker, const config::CommandSpec& command,
                                const json::Value& arguments) {
  ArgumentVerdict verdict;
  switch (command.check) {
    case config::ArgumentCheck::kNone:
      if (!command.object.empty()) verdict.object = StringMember(arguments, command.object);
      return verdict;
    case config::ArgumentCheck::kProgram:
      return DecideProgram(decider, asker, command, arguments);
    case config::ArgumentCheck::kFile:
      return DecideFile(decider, asker, arguments);
  }
  return verdict;
}

}  // namespace reeve::core
