#include "plugins/inventory/memory_status.h"

#include <map>

#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::InventoryMemoryInfo;
using inventory_manifest::InventoryPressureLine;
using inventory_manifest::InventoryPressureOf;

constexpr uint64_t kBytesPerKibibyte = 1024;

using Amounts = std::map<std::string_view, uint64_t>;  // in bytes

Amounts AmountsIn(std::string_view meminfo) {
  Amounts amounts;
  for (const std::string_view line : Lines(meminfo)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.size() != 3 || words[2] != "kB" || !words[0].ends_with(':')) continue;
    const auto kibibytes = NumberOf<uint64_t>(words[1]);
    if (!kibibytes || *kibibytes > UINT64_MAX / kBytesPerKibibyte) continue;
    amounts[words[0].substr(0, words[0].size() - 1)] = *kibibytes * kBytesPerKibibyte;
  }
  return amounts;
}

std::optional<uint64_t> Find(const Amounts& amounts, std::string_view name) {
  const auto found = amounts.find(name);
  return found == amounts.end() ? std::nullopt : std::optional(found->second);
}

std::optional<double> FractionOf(std::string_view word) {
  double value = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || stop != word.data() + word.size()) return std::nullopt;
  return value;
}

// `some avg10=0.12 avg60=0.00 avg300=0.00 total=123`, in any order.
std::optional<InventoryPressureLine> PressureLine(const std::vector<std::string_view>& words) {
  std::map<std::string_view, std::string_view> values;
  for (const std::string_view word : words) {
    const size_t equals = word.find('=');
    if (equals != std::string_view::npos) values[word.substr(0, equals)] = word.substr(equals + 1);
  }
  const auto avg10 = FractionOf(values["avg10"]);
  const auto avg60 = FractionOf(values["avg60"]);
  const auto avg300 = FractionOf(values["avg300"]);
  const auto total = NumberOf<uint64_t>(values["total"]);
  if (!avg10 || !avg60 || !avg300 || !total) return std::nullopt;
  return InventoryPressureLine{.avg10 = *avg10, .avg60 = *avg60, .avg300 = *avg300, .total_us = *total};
}

}  // namespace

Result<InventoryMemoryInfo> MemoryIn(std::string_view meminfo) {
  const Amounts amounts = AmountsIn(meminfo);
  const auto total = Find(amounts, "MemTotal");
  const auto free = Find(amounts, "MemFree");
  if (!total || !free)
    return Fail(Code::kUnsupported, "/proc/meminfo says neither how much memory there is nor how much is free");
  InventoryMemoryInfo memory;
  memory.total = *total;
  memory.free = *free;
  memory.available = Find(amounts, "MemAvailable");
  memory.buffers = Find(amounts, "Buffers").value_or(0);
  memory.cached = Find(amounts, "Cached").value_or(0);
  memory.swap_total = Find(amounts, "SwapTotal").value_or(0);
  memory.swap_free = Find(amounts, "SwapFree").value_or(0);
  return memory;
}

std::optional<InventoryPressureOf> PressureIn(std::string_view pressure) {
  std::optional<InventoryPressureLine> some;
  std::optional<InventoryPressureLine> full;
  for (const std::string_view line : Lines(pressure)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.empty()) continue;
    if (words[0] == "some") some = PressureLine(words);
    if (words[0] == "full") full = PressureLine(words);
  }
  if (!some) return std::nullopt;
  return InventoryPressureOf{.some = *some, .full = full};
}

}  // namespace reeve::inventory
