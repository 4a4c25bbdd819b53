#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "reeve/plugin.hpp"

namespace reeve::system {

// What became of asking for one of the kernel's switches, a file of sysfs that tells a state and takes another.
struct SwitchFile {
  enum class Kind : uint8_t {
    kOpen,         // `fd`
    kNoSwitch,     // the thing is there, but has no switch: it is always on
    kNoSuchThing,  // its directory is not there
    kRefused,      // `refusal` says why
  };
  Kind kind = Kind::kRefused;
  plugin::Descriptor fd;
  plugin::Refusal refusal;
};

// Asks the agent on behalf of the request for DIRECTORY/NAME, to be read and written: two asks at the most. `on_found` is
// called once, from the loop, or before this returns when the agent cannot be asked.
void OpenSwitch(plugin::Agent& agent, uint64_t request_id, const std::string& directory, const std::string& name,
                const std::function<void(SwitchFile)>& on_found);

// The state, as it is written. `path` is for the error's text. Fails with a text for the host.
Result<std::string> ReadSwitch(int fd, const std::string& path);
// Takes as long as the kernel does.
Status WriteSwitch(int fd, std::string_view state, const std::string& path);

}  // namespace reeve::system
