#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "agent/request.h"
#include "base/bytes.h"

namespace reeve::qmp {

// Input that is no request: it gets an error line of class GenericError and nothing is executed.
struct InputError {
  std::string description;        // QMP's text, UTF-8 but for what the host itself sent
  std::optional<json::Value> id;  // set when the input was a well-formed object with an `id`
};

// What the host's bytes turned into, in the order in which it has to be answered.
using Item = std::variant<Request, InputError>;

// Cuts the bytes of one connection into requests, in qemu-ga's dialect of JSON and with its error texts
// (release 11.1.3). The bytes are not trusted. There is no framing by line: a request is complete at its
// closing brace. One reader a connection; positions in error texts (`line:column`) count from its first byte.
// Not thread-safe. At most 64 MiB of tokens are held, see base/json_lexer.h.
//
// After a lexical error bytes are skipped up to a structural character, a control byte, 0xFE or 0xFF. After
// any other error, limits included, they are skipped until the brackets balance or up to LF, another control
// byte but tab and CR, 0xFE or 0xFF, whichever comes first. So one LF or one sync heals everything.
class RequestReader {
 public:
  RequestReader();
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;
  RequestReader& operator=(RequestReader&&) noexcept;

  // Takes bytes off the front of `bytes` until they complete an item, and returns it; without a value all
  // bytes were taken. Call again while there is a value. Any division of the stream into portions gives the
  // same items.
  [[nodiscard]] std::optional<Item> Next(Bytes& bytes);

  // Whether a value has begun that is not complete, or bytes are being skipped.
  bool HasPartial() const;
  // How many bytes of tokens the value that has begun holds.
  size_t partial_bytes() const;
  // Gives up the value that has begun: returns its error and skips what may belong to it, as after any other.
  [[nodiscard]] InputError RefusePartial(std::string description);
  // Forgets what HasPartial() speaks of, without an error line. Positions count on.
  void DropPartial();
  // What is partial now may be half a request of a client that left (serial ports only): besides completing
  // as any other it is also dropped, without an error line, at the next LF. No effect when nothing is
  // partial.
  void DropPartialAtLineFeed();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::qmp
