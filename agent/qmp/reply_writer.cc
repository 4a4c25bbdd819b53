#include "agent/qmp/reply_writer.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/json_writer.h"

namespace reeve::qmp {

namespace {

// An error text may repeat what the host sent (a name, a value of 64 MiB); this much of it is enough for any
// reader.
constexpr size_t kMaxDescriptionBytes = 64 * 1024;

std::string_view ClassName(ErrorClass error_class) {
  return error_class == ErrorClass::kCommandNotFound ? "CommandNotFound" : "GenericError";
}

void AppendReturn(ByteQueue& out, Reply& reply, const std::optional<json::Value>& id) {
  out.Append("{\"return\": ");
  out.Splice(std::move(reply.value));
  std::string text;
  if (id) {
    text = ", \"id\": ";
    json::Append(text, *id);
  }
  text += "}\n";
  out.Append(text);
}

void AppendError(ByteQueue& out, const Reply& reply, const std::optional<json::Value>& id) {
  std::string text = "{";
  if (id) {
    text += "\"id\": ";
    json::Append(text, *id);
    text += ", ";
  }
  text += "\"error\": {\"class\": \"";
  text += ClassName(reply.error_class);
  text += "\", \"desc\": ";
  json::AppendString(text, std::string_view(reply.description).substr(0, kMaxDescriptionBytes));
  text += "}}\n";
  out.Append(text);
}

}  // namespace

void AppendReply(ByteQueue& out, Reply&& reply, const std::optional<json::Value>& id) {
  if (reply.kind == Reply::Kind::kReturn) AppendReturn(out, reply, id);
  if (reply.kind == Reply::Kind::kError) AppendError(out, reply, id);
}

}  // namespace reeve::qmp
