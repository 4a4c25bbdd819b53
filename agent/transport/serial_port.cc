#include "agent/transport/serial_port.h"

#include "base/sys.h"

namespace reeve::transport {

Result<Connection> SerialPort(UniqueFd fd, Medium medium) {
  REEVE_TRY(sys::SetNonBlocking(fd.get()));
  return Connection(std::move(fd), medium, Peer{});
}

}  // namespace reeve::transport
