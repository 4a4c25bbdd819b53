#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <ranges>
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
template <std::ranges::random_access_range Rows>
std::vector<std::ranges::range_value_t<Rows>> RowsOf(const Page& page, const Rows& rows) {
  const size_t first = std::min(page.offset, std::ranges::size(rows));
  const size_t count = std::min(page.limit, std::ranges::size(rows) - first);
  const auto begin = std::ranges::begin(rows) + static_cast<ptrdiff_t>(first);
  return {begin, begin + static_cast<ptrdiff_t>(count)};
}

}  // namespace reeve::inventory
