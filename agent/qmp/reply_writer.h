#pragma once

#include <optional>

#include "agent/request.h"
#include "base/byte_queue.h"

namespace reeve::qmp {

// Appends `reply` as one line in QMP's form; `id` is echoed. What `reply` holds is taken, not copied. A reply of kind kNothing appends nothing.
// Where `id` stands differs between success and error, as in qemu-ga.
void AppendReply(ByteQueue& out, Reply&& reply, const std::optional<json::Value>& id);

}  // namespace reeve::qmp
