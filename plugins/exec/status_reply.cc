#include "plugins/exec/status_reply.h"

#include <string>
#include <string_view>

#include "base/base64_stream.h"

namespace reeve::exec {

namespace {

using Stream = std::optional<StreamCapture>;

bool HasBytes(const Stream& stream) {
  return stream && !stream->bytes().empty();
}

bool WriteData(plugin::Reply& reply, std::string_view key, const Stream& stream) {
  if (!HasBytes(stream)) return true;
  Base64Encoder encoder;
  return reply.Write(", \"" + std::string(key) + "\": \"") && EncodeBase64To(reply, encoder, stream->bytes()) &&
         FinishBase64To(reply, encoder) && reply.Write("\"");
}

std::string Truncated(std::string_view key, const Stream& stream) {
  if (!HasBytes(stream)) return "";
  return ", \"" + std::string(key) + "\": " + (stream->is_truncated() ? "true" : "false");
}

std::string ExitCode(const ExecRecord& record) {
  return "\"exitcode\": " + std::to_string(record.end->exit_code);
}

// Members in qemu-ga's order, after `first`. Of a stream that gave nothing there is no member at all.
bool WriteStatus(const ExecRecord& record, const std::string& first, plugin::Reply& reply) {
  std::string tail = Truncated("err-truncated", record.err);
  if (record.end && record.end->signal != 0) tail += ", \"signal\": " + std::to_string(record.end->signal);
  tail += Truncated("out-truncated", record.out);
  tail += record.end ? ", \"exited\": true}" : ", \"exited\": false}";
  return reply.Write("{" + first) && WriteData(reply, "err-data", record.err) &&
         WriteData(reply, "out-data", record.out) && reply.Write(tail);
}

}  // namespace

bool WriteFinishedStatus(const ExecRecord& record, plugin::Reply& reply) {
  return WriteStatus(record, ExitCode(record), reply);
}

bool WriteRunReply(const ExecRecord& record, bool has_timed_out, plugin::Reply& reply) {
  const bool was_ended = has_timed_out || (record.end && record.end->was_timed_out);
  std::string first = was_ended ? "\"timed-out\": true" : "\"timed-out\": false";
  if (record.end) first += ", " + ExitCode(record);
  return WriteStatus(record, first, reply);
}

}  // namespace reeve::exec
