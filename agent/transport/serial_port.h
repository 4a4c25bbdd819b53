#pragma once

#include "agent/transport/connection.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::transport {

// A virtio-serial or ISA serial port as a connection. `fd` was opened (and an ISA port made raw) by the warden's child.
// Fails when it cannot be made non-blocking.
// REQUIRES: medium is not kStream.
Result<Connection> SerialPort(UniqueFd fd, Medium medium);

}  // namespace reeve::transport
