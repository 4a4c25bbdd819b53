#include <charconv>

#include "policy/parse_sections.h"

namespace reeve::policy {
namespace {

constexpr uint32_t kMaxBudget = 1000;
constexpr std::string_view kPer = " per ";

// "5 per 10min"
void ReadBudget(SchemaReader& reader, const YamlNode& node, RestartRules& rules) {
  uint32_t count = 0;
  const char* const end = node.text.data() + node.text.size();
  const auto [rest, error] = std::from_chars(node.text.data(), end, count);
  const bool is_count = node.kind == YamlNode::Kind::kScalar && error == std::errc() && count >= 1 &&
                        count <= kMaxBudget && std::string_view(rest, end).starts_with(kPer);
  if (!is_count) return reader.Error(node, "restart.budget must be crashes and a duration, as '5 per 10min'");
  YamlNode duration = node;
  duration.text = std::string(rest + kPer.size(), end);
  const auto period_ms = reader.Duration(duration, "the period of restart.budget");
  if (!period_ms) return;
  rules.budget = count;
  rules.period_ms = *period_ms;
}

}  // namespace

void ReadRestart(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckMap(node, "restart", {{"initial", "max", "budget"}, {}})) return;
  RestartRules& rules = policy.restart;
  if (const YamlNode* initial = SchemaReader::Find(node, "initial"))
    rules.initial_ms = reader.Duration(*initial, "restart.initial").value_or(rules.initial_ms);
  if (const YamlNode* max = SchemaReader::Find(node, "max"))
    rules.max_ms = reader.Duration(*max, "restart.max").value_or(rules.max_ms);
  if (const YamlNode* budget = SchemaReader::Find(node, "budget")) ReadBudget(reader, *budget, rules);
  if (rules.initial_ms > rules.max_ms) reader.ErrorOfWhole(node, "restart.initial is longer than restart.max");
}

}  // namespace reeve::policy
