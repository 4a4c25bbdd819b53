#include "plugins/inventory/network_counters.h"

#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

constexpr size_t kColumns = 16;
constexpr size_t kSentColumn = 8;

}  // namespace

std::vector<NetworkCounters> NetworkCountersIn(std::string_view net_dev) {
  std::vector<NetworkCounters> rows;
  for (const std::string_view line : Lines(net_dev)) {
    const size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) continue;
    const std::vector<std::string_view> name = Words(line.substr(0, colon));
    const std::vector<std::string_view> words = Words(line.substr(colon + 1));
    if (name.size() != 1 || words.size() < kColumns) continue;
    const auto direction = [&](size_t first) {
      const auto number = [&](size_t column) { return NumberOf<uint64_t>(words[first + column]).value_or(0); };
      return NetworkCounters::Direction{number(0), number(1), number(2), number(3)};
    };
    rows.push_back({std::string(name[0]), direction(0), direction(kSentColumn)});
  }
  return rows;
}

}  // namespace reeve::inventory
