#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/worker/descriptor_check.h"
#include "base/result.h"
#include "reeve/plugin.h"

namespace reeve::worker {

// A plugin that is loaded and activated. Plain pointers into the object, which is never unloaded.
struct LoadedPlugin {
  const reeve_descriptor* descriptor = nullptr;
  reeve_plugin plugin{};
  Agreed agreed;
};

// Loads the object at `path`, asks and checks its descriptor, creates, configures and activates the plugin. Runs code of
// the plugin: REQUIRES the load sandbox. `agent` is lent for the life of the process; its abi_minor becomes the agreed
// one. `on_checked` is called once the descriptor is good, before `create`. After a failure the process ends; the object
// stays mapped.
Result<LoadedPlugin> LoadPlugin(const std::string& path, const Expected& expected, std::string_view settings_json,
                                reeve_agent& agent, const std::function<void()>& on_checked);

}  // namespace reeve::worker
