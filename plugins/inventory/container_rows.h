#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

// What the engines printed of their containers, which is not trusted: long members are cut.

namespace reeve::inventory {

using ContainerRows = std::vector<inventory_manifest::InventoryContainer>;

// More than one machine runs; what engines list beyond that is left out.
inline constexpr size_t kMaxContainers = 10'000;

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

}  // namespace reeve::inventory
