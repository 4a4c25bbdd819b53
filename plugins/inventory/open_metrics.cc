#include "plugins/inventory/open_metrics.h"

#include <charconv>
#include <cmath>
#include <utility>

namespace reeve::inventory {
namespace {

void AppendEscaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text.push_back('\\');
    text.push_back(c);
  }
}

}  // namespace

void OpenMetrics::BeginFamily(std::string_view name, Type type, std::string_view unit) {
  const bool is_counter = type == Type::kCounter;
  sample_name_ = std::string(name) + (is_counter ? "_total" : "");
  heading_ = "# TYPE " + std::string(name) + (is_counter ? " counter\n" : " gauge\n");
  if (!unit.empty()) heading_ += "# UNIT " + std::string(name) + " " + std::string(unit) + "\n";
}

void OpenMetrics::Add(Labels labels, double value) {
  if (!std::isfinite(value)) return;
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  AddText(labels, {digits, static_cast<size_t>(end.ptr - digits)});
}

void OpenMetrics::AddDecimal(Labels labels, uint64_t value, unsigned digits) {
  std::string text = std::to_string(value);
  if (digits > 0) {
    if (text.size() <= digits) text.insert(0, digits + 1 - text.size(), '0');
    text.insert(text.size() - digits, 1, '.');
  }
  AddText(labels, text);
}

void OpenMetrics::AddText(Labels labels, std::string_view value) {
  text_ += std::exchange(heading_, {});
  text_ += sample_name_;
  char separator = '{';
  for (const Label& label : labels) {
    text_.push_back(std::exchange(separator, ','));
    text_.append(label.name).append("=\"");
    AppendEscaped(text_, label.value);
    text_.push_back('"');
  }
  if (separator == ',') text_.push_back('}');
  text_.append(" ").append(value).append("\n");
}

std::string OpenMetrics::Finish() {
  text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace reeve::inventory
