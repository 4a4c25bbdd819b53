#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace reeve::inventory {

// Writes a text of OpenMetrics 1.0 (application/openmetrics-text; version=1.0.0; charset=utf-8). The samples of a family
// must come together; a family without any is left out.
class OpenMetrics {
 public:
  enum class Type : uint8_t { kGauge, kCounter };
  struct Label {
    std::string_view name;
    std::string_view value;  // any text
  };
  using Labels = std::initializer_list<Label>;

  // `name` is without `_total`, and ends in `_` and `unit` where there is a unit.
  void BeginFamily(std::string_view name, Type type, std::string_view unit = {});
  // REQUIRES, of all below: BeginFamily was called. What is no finite number is left out.
  void Add(Labels labels, double value);
  void Add(Labels labels, uint64_t value) { AddDecimal(labels, value, 0); }
  // `value` divided by ten to the power of `digits`, exactly: milliseconds with 3 are seconds.
  void AddDecimal(Labels labels, uint64_t value, unsigned digits);
  // The whole text. REQUIRES: nothing is added afterwards.
  std::string Finish();

 private:
  void AddText(Labels labels, std::string_view value);

  std::string text_;
  std::string heading_;  // of a family that has no sample yet
  std::string sample_name_;
};

}  // namespace reeve::inventory
