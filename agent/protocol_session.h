#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/request.h"
#include "base/byte_queue.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace reeve {

// One connection of some protocol: bytes in, requests out; replies in, bytes out. It knows no descriptor, no loop and no
// clock: time is passed in and must not go back. What order replies leave in is the protocol's. Not thread-safe; owned by
// the core.
class ProtocolSession {
 public:
  // Who carries requests out: the core.
  class Executor {
   public:
    virtual ~Executor() = default;
    // Carry out `request`; deadlines count from `arrived`, since when it may have waited (thaw has none).
    // Answer it by exactly one Answer(token, ...), from within this call or later. Must not call the session
    // otherwise. Tokens are unique within a session and grow.
    virtual void Execute(uint64_t token, Request request, RunningTime arrived) = 0;
    // Nobody will read the answer of that request, which is being carried out: what makes sense only for who waits may
    // end now. It is to be answered as ever, but not from within this call.
    virtual void Abandon(uint64_t /*token*/) {}
  };

  virtual ~ProtocolSession() = default;

  // --- from the transport ---

  // Bytes as they were read, in any portions. They are always taken whole: what comes after too much output
  // was made is kept as bytes until there is room again.
  virtual void TakeInput(Bytes bytes, RunningTime now) = 0;
  // Whether to read on. False while too much output stands unread, and after Close().
  virtual bool wants_input() const = 0;
  // How many bytes of a request that is not complete are held.
  virtual size_t partial_bytes() const = 0;
  // Answers that request by an error, and skips the rest of it.
  virtual void RefusePartial(std::string description, RunningTime now) = 0;
  // Bytes to be written, oldest first; what was written is taken off by ConsumeOutput().
  virtual const ByteQueue& output() const = 0;
  virtual void ConsumeOutput(size_t count, RunningTime now) = 0;
  // A serial port showed a hang-up; the next client's first bytes may have come before it.
  virtual void HangUp(RunningTime now) = 0;
  // The connection is gone: output is dropped, requests that came in whole are still carried out, their replies
  // dropped. Answer() is still to be called; the session may be destroyed once is_idle().
  virtual void Close() = 0;
  // No request runs or waits.
  virtual bool is_idle() const = 0;

  // --- from the core ---

  // The answer to Execute(token). A token that is unknown or was answered is a mistake of the caller's.
  virtual void Answer(uint64_t token, Reply reply, RunningTime now) = 0;

  // --- time ---

  // When OnTime() is to be called at the latest; no value: nothing is waited for. Ask again after each call above.
  virtual std::optional<RunningTime> NextWake() const = 0;
  virtual void OnTime(RunningTime now) = 0;
  // The client does not read and has given up, and this is not a serial port: the core closes the connection.
  virtual bool ShouldClose(RunningTime now) const = 0;
};

}  // namespace reeve
