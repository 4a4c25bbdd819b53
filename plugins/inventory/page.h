#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::inventory {

// Which part of a list a host wants to be told.
struct Page {
  size_t offset = 0;
  size_t limit = 0;
};

// Enough for most machines in one call.
inline constexpr size_t kDefaultPageRows = 1000;

// `offset` and `limit` are the host's; absent: from the beginning, kDefaultPageRows. Fails with kInvalidArgument on a
// negative offset and on a limit out of 1 to `max_limit`, which keeps the reply below the 4 MiB that libvirt takes.
Result<Page> PageOf(std::optional<int64_t> offset, std::optional<int64_t> limit, size_t max_limit);

// The rows of `page`; none when it begins behind the last.
template <typename T>
std::vector<T> RowsOf(const Page& page, const std::vector<T>& rows) {
  const size_t first = std::min(page.offset, rows.size());
  const size_t count = std::min(page.limit, rows.size() - first);
  return std::vector<T>(rows.begin() + static_cast<ptrdiff_t>(first),
                        rows.begin() + static_cast<ptrdiff_t>(first + count));
}

}  // namespace reeve::inventory
