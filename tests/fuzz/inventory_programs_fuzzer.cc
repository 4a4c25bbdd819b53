#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "plugins/inventory/container_rows.h"
#include "plugins/inventory/package_rows.h"
#include "plugins/inventory/services.h"

// What the inventory reads of dpkg's list and of programs. The first byte says in which pieces the list comes: how it is cut
// may change nothing.

namespace {

using namespace reeve::inventory;

size_t PackagesIn(std::string_view text, size_t piece_bytes) {
  DpkgStatusReader reader;
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
    REEVE_CHECK(reader.Feed(text.substr(0, piece_bytes)).has_value());
  }
  const auto rows = reader.Finish();
  REEVE_CHECK(rows.has_value());
  for (const auto& row : *rows) REEVE_CHECK(IsPlausible(row));
  return rows->size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 1 << 20) return 0;
  const std::string text(reeve::AsText(reeve::Bytes(data + 1, size - 1)));
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  REEVE_CHECK(PackagesIn(text, data[0] + size_t{1}) == PackagesIn(text, text.size() + 1));
  if (const auto rows = RpmRowsIn(text)) REEVE_CHECK(rows->size() <= lines);
  if (const auto services = ServicesIn(text)) REEVE_CHECK(services->size() <= lines);
  if (const auto rows = DockerContainersIn(text)) REEVE_CHECK(rows->size() <= lines);
  (void)PodmanContainersIn(text);
  REEVE_CHECK(ContainerdNamespacesIn(text).size() <= kMaxNamespaces);
  ContainerRows rows = ContainerdContainersIn(text, "default");
  REEVE_CHECK(rows.size() <= lines);
  TakeContainerdStates(text, rows);
  return 0;
}
