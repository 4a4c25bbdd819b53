#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/program_output.h"

namespace reeve::inventory {

using ContainerRows = std::vector<inventory_manifest::InventoryContainer>;

// More than one machine runs; what engines list beyond that is left out.
inline constexpr size_t kMaxContainers = 10'000;

// What the engines printed, which is not trusted: long members are cut.
// `podman ps --all --format json`: one list of objects. Fails with kBadMessage when it is none.
Result<ContainerRows> PodmanContainersIn(const std::string& output);
// `docker ps --all --no-trunc --format '{{json .}}'`: an object a line. Fails with kBadMessage when a line is none.
Result<ContainerRows> DockerContainersIn(std::string_view output);
// `ctr --namespace NAME containers list`: a heading, then columns of which the first two are id and image.
ContainerRows ContainerdContainersIn(std::string_view output, const std::string& container_namespace);
// `ctr --namespace NAME tasks list`: a heading, then id, pid and state. What has no task is not running: `created`.
void TakeContainerdStates(std::string_view output, ContainerRows& rows);
// `ctr namespaces list --quiet`: a name a line. Docker's own, whose containers docker tells, is left out, and so is what
// could be no name; at most kMaxNamespaces.
std::vector<std::string> ContainerdNamespacesIn(std::string_view output);
inline constexpr size_t kMaxNamespaces = 8;

struct ContainerList {
  ContainerRows rows;  // by engine, then id, then namespace: pages must fit together
  std::vector<inventory_manifest::InventoryContainerFailure> failures;
};

// Asks all engines that policy has a program for, at once. One that is not on this machine is none. At most
// kContainerQuestions programs. `on_listed` is called once, perhaps before this returns. `programs` is lent until then.
void ListContainers(ProgramReader& programs, uint64_t request_id, std::function<void(ContainerList)> on_listed);
inline constexpr size_t kContainerQuestions = 2 + 1 + 2 * kMaxNamespaces;

}  // namespace reeve::inventory
