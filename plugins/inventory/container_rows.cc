#include "plugins/inventory/container_rows.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/json_parser.h"
#include "plugins/inventory/plain_text.h"
#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::InventoryContainer;
using inventory_manifest::InventoryContainerEngine;

constexpr size_t kMaxMemberBytes = 256;
constexpr size_t kMaxNames = 8;
// As a tree it takes several times as much.
constexpr size_t kMaxJsonBytes = 2u << 20;

std::string TextOf(const json::Value& object, std::string_view key) {
  const json::Value* const found = object.Find(key);
  const std::string* const text = found == nullptr ? nullptr : found->As<std::string>();
  return text == nullptr ? std::string() : PlainText(*text, kMaxMemberBytes);
}

void AddName(InventoryContainer& container, std::string_view name) {
  if (!name.empty() && container.names.size() < kMaxNames) container.names.push_back(PlainText(name, kMaxMemberBytes));
}

// `2022-11-22 10:11:12 +0100 CET`, as docker has it.
std::optional<int64_t> TimeIn(const std::string& text) {
  tm fields{};
  const char* const end = ::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S %z", &fields);
  if (end == nullptr) return std::nullopt;
  const long offset = fields.tm_gmtoff;  // timegm sets it
  return static_cast<int64_t>(::timegm(&fields)) - offset;
}

InventoryContainer PodmanContainer(const json::Value& object) {
  InventoryContainer container{.engine = InventoryContainerEngine::kPodman,
                               .id = TextOf(object, "Id"),
                               .names = {},
                               .image = TextOf(object, "Image"),
                               .state = TextOf(object, "State")};
  const json::Value* const names = object.Find("Names");
  if (const json::List* list = names == nullptr ? nullptr : names->As<json::List>()) {
    for (const json::Value& name : *list) {
      if (const std::string* text = name.As<std::string>()) AddName(container, *text);
    }
  }
  const json::Value* const created = object.Find("Created");
  if (const int64_t* seconds = created == nullptr ? nullptr : created->As<int64_t>()) container.created = *seconds;
  return container;
}

InventoryContainer DockerContainer(const json::Value& object) {
  InventoryContainer container{.engine = InventoryContainerEngine::kDocker,
                               .id = TextOf(object, "ID"),
                               .names = {},
                               .image = TextOf(object, "Image"),
                               .state = TextOf(object, "State"),
                               .created = TimeIn(TextOf(object, "CreatedAt"))};
  std::string names = TextOf(object, "Names");
  for (std::string_view rest = names; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    AddName(container, rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return container;
}

Result<json::Value> ParseBounded(const std::string& engine, std::string_view text) {
  if (text.size() > kMaxJsonBytes) return Fail(Code::kTooLarge, engine + " said more than can be read");
  auto value = json::Parse(text);
  if (!value) return Fail(Code::kBadMessage, engine + " printed no JSON: " + value.error().message());
  return value;
}

bool IsNamespace(std::string_view name) {
  const auto is_in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 76 && name[0] != '-' && std::ranges::all_of(name, is_in_name);
}

}  // namespace

Result<ContainerRows> PodmanContainersIn(const std::string& output) {
  const json::Value value = REEVE_TRY(ParseBounded("podman", output));
  const json::List* const list = value.As<json::List>();
  if (list == nullptr && !value.is_null()) return Fail(Code::kBadMessage, "podman printed no list");
  ContainerRows rows;
  for (size_t i = 0; list != nullptr && i < std::min(list->size(), kMaxContainers); ++i) {
    if ((*list)[i].As<json::Object>() != nullptr) rows.push_back(PodmanContainer((*list)[i]));
  }
  return rows;
}

Result<ContainerRows> DockerContainersIn(std::string_view output) {
  ContainerRows rows;
  Status status;
  ForEachLine(output, [&](std::string_view line) {
    if (!status || line.empty() || rows.size() == kMaxContainers) return;
    const auto value = ParseBounded("docker", line);
    if (!value) status = std::unexpected(value.error());
    if (value && value->As<json::Object>() != nullptr) rows.push_back(DockerContainer(*value));
  });
  if (!status) return std::unexpected(status.error());
  return rows;
}

std::vector<std::string> ContainerdNamespacesIn(std::string_view output) {
  std::vector<std::string> names;
  ForEachLine(output, [&](std::string_view line) {
    if (IsNamespace(line) && line != "moby" && names.size() < kMaxNamespaces) names.emplace_back(line);
  });
  return names;
}

ContainerRows ContainerdContainersIn(std::string_view output, const std::string& container_namespace) {
  ContainerRows rows;
  bool is_heading = true;
  ForEachLine(output, [&](std::string_view line) {
    const std::vector<std::string_view> words = Words(line.substr(0, 4 * kMaxMemberBytes));
    if (std::exchange(is_heading, false) || words.size() < 2 || rows.size() == kMaxContainers) return;
    rows.push_back({.engine = InventoryContainerEngine::kContainerd,
                    .id = PlainText(words[0], kMaxMemberBytes),
                    .names = {},
                    .image = PlainText(words[1], kMaxMemberBytes),
                    .state = "created",
                    .namespace_ = container_namespace});
  });
  return rows;
}

void TakeContainerdStates(std::string_view output, ContainerRows& rows) {
  std::ranges::sort(rows, {}, &InventoryContainer::id);
  ForEachLine(output, [&](std::string_view line) {
    const std::vector<std::string_view> words = Words(line.substr(0, 4 * kMaxMemberBytes));
    if (words.size() != 3) return;
    const auto found =
        std::ranges::lower_bound(rows, words[0], {}, [](const auto& row) { return std::string_view(row.id); });
    if (found == rows.end() || found->id != words[0]) return;
    std::string state = PlainText(words[2], kMaxMemberBytes);
    std::ranges::transform(state, state.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    found->state = std::move(state);
  });
}

}  // namespace reeve::inventory
