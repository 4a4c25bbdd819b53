#include "agent/worker/plugin_loader.h"

// Without Boost.Filesystem, which would be one more library in the worker.
#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>
#include <exception>

#include "agent/worker/fence.h"

namespace reeve::worker {
namespace {

using QueryFunction = decltype(reeve_plugin_query);

// The only place where an object is loaded. Boost.DLL's throwing form, because the other says only "Bad file descriptor".
Result<QueryFunction*> LoadObject(const std::string& path) {
  try {
    using boost::dll::load_mode::type;
    // Never destroyed: its destructor would unload code that may still run.
    auto* object = new boost::dll::shared_library(path, type::rtld_now | type::rtld_local);
    if (!object->has("reeve_plugin_query"))
      return Fail(Code::kInvalidArgument, path + " does not export reeve_plugin_query");
    return &object->get<QueryFunction>("reeve_plugin_query");
  } catch (const std::exception& exception) {
    return Fail(Code::kInvalidArgument, "load " + path + ": " + exception.what());
  } catch (...) {
    return Fail(Code::kInvalidArgument, "load " + path + ": its constructors let out an exception");
  }
}

Status Refused(const char* step, int32_t status) {
  if (status == REEVE_OK) return {};
  return Fail(Code::kInvalidArgument,
              std::string("the plugin's ") + step + " failed with status " + std::to_string(status));
}

}  // namespace

Result<LoadedPlugin> LoadPlugin(const std::string& path, const Expected& expected, std::string_view settings_json,
                                reeve_agent& agent, const std::function<void()>& on_checked) {
  QueryFunction* const query = REEVE_TRY(LoadObject(path));
  LoadedPlugin loaded;
  REEVE_TRY(Refused("query", Fenced([&] { return query(&agent, &loaded.descriptor); })));
  loaded.agreed = REEVE_TRY(CheckDescriptor(loaded.descriptor, expected));
  agent.abi_minor = loaded.agreed.abi_minor;
  on_checked();
  reeve_plugin& plugin = loaded.plugin;
  plugin.struct_size = sizeof plugin;
  REEVE_TRY(Refused("create", Fenced([&] { return loaded.descriptor->create(&agent, &plugin); })));
  REEVE_TRY(CheckPlugin(plugin));
  if (settings_json.empty()) settings_json = "{}";
  const reeve_str settings{settings_json.data(), settings_json.size()};
  if (plugin.configure != nullptr)
    REEVE_TRY(Refused("configure", Fenced([&] { return plugin.configure(plugin.self, settings); })));
  if (plugin.activate != nullptr) REEVE_TRY(Refused("activate", Fenced([&] { return plugin.activate(plugin.self); })));
  return loaded;
}

}  // namespace reeve::worker
