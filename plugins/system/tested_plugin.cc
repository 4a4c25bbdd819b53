#include "base/error.h"
#include "plugins/system/system_plugin.h"
#include "plugins/system/testing.h"

namespace reeve::system {

FakeMachine& TheFakeMachine() {
  static FakeMachine machine;
  return machine;
}

namespace {

Status SetFakeClock(const timespec& time) {
  FakeMachine& machine = TheFakeMachine();
  if (machine.clock_errno != 0) return Fail(Error::System(machine.clock_errno, "Failed to set time to guest"));
  machine.clock = time;
  return {};
}

}  // namespace

// The plugin on the fake machine.
class TestedPlugin : public SystemPlugin {
 public:
  explicit TestedPlugin(plugin::Agent& agent) : SystemPlugin(agent, {SetFakeClock, TheFakeMachine().sysfs}) {}
};

}  // namespace reeve::system

using reeve::system::TestedPlugin;

REEVE_PLUGIN(TestedPlugin, system_manifest::Manifest, &TestedPlugin::Shutdown, &TestedPlugin::SuspendDisk,
             &TestedPlugin::SuspendRam, &TestedPlugin::SuspendHybrid, &TestedPlugin::SetTime, &TestedPlugin::SetVcpus,
             &TestedPlugin::SetMemoryBlocks)
