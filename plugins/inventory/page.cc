#include "plugins/inventory/page.h"

namespace reeve::inventory {

Result<Page> PageOf(std::optional<int64_t> offset, std::optional<int64_t> limit, size_t max_limit) {
  if (offset.value_or(0) < 0) return Fail(Code::kInvalidArgument, "Parameter 'offset' must not be negative");
  if (limit && (*limit < 1 || static_cast<uint64_t>(*limit) > max_limit)) {
    return Fail(Code::kInvalidArgument, "Parameter 'limit' must be 1 to " + std::to_string(max_limit));
  }
  return Page{.offset = static_cast<size_t>(offset.value_or(0)),
              .limit = limit ? static_cast<size_t>(*limit) : std::min(kDefaultPageRows, max_limit)};
}

}  // namespace reeve::inventory
