#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/byte_queue.h"
#include "base/json_value.h"

// What protocols, core and policy share of a request and its reply. Plain values, no behaviour.

namespace reeve {

// Where a request came from. Policy knows it, and so does the warden (design, sections 3 and 4).
struct Peer {
  enum class Kind : uint8_t { kSerial, kUnix, kVsock };
  Kind kind = Kind::kSerial;
  uint32_t uid = 0;  // kUnix: the peer's uid (SO_PEERCRED)
  uint32_t cid = 0;  // kVsock: the peer's context id
};

// One command as a peer sent it, before any check.
struct Request {
  std::string command;            // QMP's `execute`
  json::Value arguments;          // always an object; empty when the peer sent none
  std::optional<json::Value> id;  // echoed as it was parsed
  uint64_t token = 0;             // its connection's number of it, once it is carried out
};

// QMP's error classes that qemu-ga uses.
enum class ErrorClass : uint8_t { kGenericError, kCommandNotFound };

// The answer to one request.
struct Reply {
  enum class Kind : uint8_t {
    kReturn,   // `value` holds the JSON of the `return` member, in wire form (base/json_writer.h)
    kError,    // `error_class` and `description`
    kNothing,  // success of a command without success response: nothing is sent
  };
  Kind kind = Kind::kReturn;
  ByteQueue value;
  ErrorClass error_class = ErrorClass::kGenericError;
  std::string description;

  static Reply Return(std::string_view json) {
    Reply reply;
    reply.value.Append(json);
    return reply;
  }
  static Reply Failure(ErrorClass error_class, std::string description) {
    Reply reply;
    reply.kind = Kind::kError;
    reply.error_class = error_class;
    reply.description = std::move(description);
    return reply;
  }
  static Reply Nothing() {
    Reply reply;
    reply.kind = Kind::kNothing;
    return reply;
  }
};

}  // namespace reeve
