#include "policy/diagnostic.h"

#include <algorithm>
#include <numeric>

namespace reeve::policy {
namespace {

// Words longer than this are not compared: the work is the product of the lengths.
constexpr size_t kMaxComparedBytes = 64;

size_t EditDistance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (size_t i = 0; i < left.size(); i++) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < right.size(); j++) {
      const size_t replaced = diagonal + (left[i] != right[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > kMaxComparedBytes) return "";
  const std::string* nearest = nullptr;
  size_t least = std::max<size_t>(word.size() / 3, 2) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance >= least || distance >= candidate.size()) continue;
    least = distance;
    nearest = &candidate;
  }
  return nullptr == nearest ? "" : "; did you mean '" + *nearest + "'?";
}

}  // namespace reeve::policy
