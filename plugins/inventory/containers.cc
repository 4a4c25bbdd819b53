#include "plugins/inventory/containers.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "plugins/inventory/plain_text.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::InventoryContainer;
using inventory_manifest::InventoryContainerEngine;

constexpr size_t kMaxFailureBytes = 1024;

// The answers of one request, put together.
class Collector : public std::enable_shared_from_this<Collector> {
 public:
  Collector(ProgramReader& programs, uint64_t request_id, std::function<void(ContainerList)> on_listed)
      : programs_(programs), request_id_(request_id), on_listed_(std::move(on_listed)) {}

  void Begin() {
    waits_for_ = 1;  // for this function
    Ask({"podman", "ps", "--all", "--format", "json"}, InventoryContainerEngine::kPodman,
        [this](const std::string& output) { Take(InventoryContainerEngine::kPodman, PodmanContainersIn(output)); });
    Ask({"docker", "ps", "--all", "--no-trunc", "--format", "{{json .}}"}, InventoryContainerEngine::kDocker,
        [this](const std::string& output) { Take(InventoryContainerEngine::kDocker, DockerContainersIn(output)); });
    Ask({"ctr", "namespaces", "list", "--quiet"}, InventoryContainerEngine::kContainerd,
        [this](const std::string& output) {
          for (const std::string& name : ContainerdNamespacesIn(output)) AskNamespace(name);
        });
    EndOne();
  }

 private:
  using OnOutput = std::function<void(const std::string&)>;
  void Ask(const std::vector<std::string>& words, InventoryContainerEngine engine, const OnOutput& on_output) {
    ++waits_for_;
    programs_.Read(request_id_, words, [self = shared_from_this(), engine, on_output](const ProgramOutput& output) {
      if (output.text) {
        on_output(*output.text);
      } else if (!output.is_missing) {
        self->AddFailure(engine, output.text.error());
      }
      self->EndOne();
    });
  }
  void AskNamespace(const std::string& name) {
    Ask({"ctr", "--namespace", name, "containers", "list"}, InventoryContainerEngine::kContainerd,
        [this, name](const std::string& output) {
          const auto rows = std::make_shared<ContainerRows>(ContainerdContainersIn(output, name));
          if (rows->empty()) return;
          Ask({"ctr", "--namespace", name, "tasks", "list"}, InventoryContainerEngine::kContainerd,
              [this, rows](const std::string& tasks) {
                TakeContainerdStates(tasks, *rows);
                Take(InventoryContainerEngine::kContainerd, *rows);
              });
        });
  }
  void Take(InventoryContainerEngine engine, Result<ContainerRows> rows) {
    if (!rows) return AddFailure(engine, rows.error());
    std::ranges::copy_if(*rows, std::back_inserter(list_.rows), [](const auto& row) { return !row.id.empty(); });
  }
  void AddFailure(InventoryContainerEngine engine, const Error& error) {
    list_.failures.push_back({engine, PlainText(error.message(), kMaxFailureBytes)});
  }
  // Where `docker` is a script that calls podman, it tells podman's containers again.
  void DropTwins() {
    std::set<std::string> ids;
    for (const InventoryContainer& row : list_.rows) {
      if (row.engine == InventoryContainerEngine::kPodman) ids.insert(row.id);
    }
    std::erase_if(list_.rows, [&](const InventoryContainer& row) {
      return row.engine == InventoryContainerEngine::kDocker && ids.contains(row.id);
    });
  }
  void EndOne() {
    if (--waits_for_ > 0) return;
    DropTwins();
    std::ranges::sort(list_.rows, {},
                      [](const InventoryContainer& row) { return std::tie(row.engine, row.id, row.namespace_); });
    on_listed_(std::move(list_));
  }

  ProgramReader& programs_;
  const uint64_t request_id_;
  std::function<void(ContainerList)> on_listed_;
  size_t waits_for_ = 0;
  ContainerList list_;
};

}  // namespace

void ListContainers(ProgramReader& programs, uint64_t request_id, std::function<void(ContainerList)> on_listed) {
  std::make_shared<Collector>(programs, request_id, std::move(on_listed))->Begin();
}

}  // namespace reeve::inventory
