#include "agent/transport/serial_port.h"

#include "base/sys.h"

namespace reeve::transport {

Result<Connection> SerialPort(UniqueFd fd) {
  REEVE_TRY(sys::SetNonBlocking(fd.get()));
  return Connection(std::move(fd), Medium::kSerial, Peer{});
}

}  // namespace reeve::transport
