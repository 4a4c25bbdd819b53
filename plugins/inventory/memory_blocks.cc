#include "plugins/inventory/memory_blocks.h"

#include "plugins/inventory/sysfs.h"
#include "plugins/inventory/text_table.h"

namespace reeve::inventory {

using inventory_manifest::GuestMemoryBlock;
using inventory_manifest::GuestMemoryBlockInfo;

namespace {

std::string Opening(const std::string& directory) {
  return "open(\"" + directory + "\")";
}

}  // namespace

Result<std::vector<GuestMemoryBlock>> MemoryBlocksIn(const std::string& directory) {
  std::vector<GuestMemoryBlock> blocks;
  const Result<std::vector<std::string>> names = ListDirectory(directory, Opening(directory));
  if (!names && names.error().code() == Code::kNotFound) return blocks;
  if (!names) return Fail(names.error());
  for (const std::string& name : *names) {
    const auto number = NumberBehind("memory", name);
    if (!number) continue;
    const Result<std::string> state = ReadAttribute(directory + name + "/state");
    // The oldest kernels have blocks without a state; and one may have been unplugged a moment ago.
    if (!state && state.error().code() != Code::kNotFound) return Fail(state.error());
    const Result<std::string> removable = ReadAttribute(directory + name + "/removable");
    blocks.push_back({.online = !state || state->starts_with("online"),
                      .can_offline = state && removable && !removable->starts_with('0'),
                      .phys_index = *number});
  }
  return blocks;
}

Result<GuestMemoryBlockInfo> MemoryBlockInfoIn(const std::string& directory) {
  REEVE_TRY(ListDirectory(directory, Opening(directory)));
  const std::string text = REEVE_TRY(ReadAttribute(directory + "block_size_bytes"));
  const auto bytes = NumberOf<uint64_t>(text, 16);
  if (!bytes) return Fail(Code::kUnsupported, directory + "block_size_bytes is no number: " + text);
  return GuestMemoryBlockInfo{*bytes};
}

}  // namespace reeve::inventory
