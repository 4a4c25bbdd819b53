#include "plugins/inventory/services.h"

#include <algorithm>
#include <utility>

#include "plugins/inventory/plain_text.h"
#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::InventoryService;

constexpr size_t kMaxNameBytes = 256;  // systemd's own limit
constexpr size_t kMaxDescriptionBytes = 512;
constexpr size_t kMaxStateBytes = 32;

void Take(InventoryService& service, std::string_view key, std::string_view value) {
  if (key == "Id") service.name = PlainText(value, kMaxNameBytes);
  if (key == "LoadState") service.load = PlainText(value, kMaxStateBytes);
  if (key == "ActiveState") service.active = PlainText(value, kMaxStateBytes);
  if (key == "SubState") service.sub = PlainText(value, kMaxStateBytes);
  if (key == "Description") service.description = PlainText(value, kMaxDescriptionBytes);
  if (key == "UnitFileState" && !value.empty()) service.enabled = PlainText(value, kMaxStateBytes);
}

void EndParagraph(std::vector<InventoryService>& services, InventoryService& service) {
  if (service.name.ends_with(".service") && services.size() <= kMaxServices) services.push_back(std::move(service));
  service = {};
}

}  // namespace

std::vector<std::string> ServiceQuestion() {
  return {"systemctl",
          "show",
          "--all",
          "--no-pager",
          "--property=Id,LoadState,ActiveState,SubState,UnitFileState,Description",
          "*.service"};
}

Result<std::vector<InventoryService>> ServicesIn(std::string_view output) {
  std::vector<InventoryService> services;
  InventoryService service;
  bool names_unit = output.empty();
  ForEachLine(output, [&](std::string_view line) {
    const size_t equals = line.find('=');
    names_unit = names_unit || line.starts_with("Id=");
    if (line.empty()) return EndParagraph(services, service);
    if (equals != std::string_view::npos) Take(service, line.substr(0, equals), line.substr(equals + 1));
  });
  EndParagraph(services, service);
  if (!names_unit) return Fail(Code::kBadMessage, "systemctl printed no list of services");
  if (services.size() > kMaxServices) {
    return Fail(Code::kTooLarge, "there are more than " + std::to_string(kMaxServices) + " services");
  }
  std::ranges::sort(services, {}, &InventoryService::name);
  return services;
}

}  // namespace reeve::inventory
