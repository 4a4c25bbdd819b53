#pragma once

#include <string>
#include <string_view>

namespace reeve {

// Tells the service manager (sd_notify(3)) `READY=1`, `STOPPING=1`, ... at `socket_path`, which is $NOTIFY_SOCKET; nothing
// when that is empty. Never waits; a failure is nobody's business.
void NotifyServiceManager(const std::string& socket_path, std::string_view state);

}  // namespace reeve
