#include "base/check.h"
#include "plugins/inventory/interfaces.h"

// Messages of netlink(7), the first half links, the second addresses: no entry without its bytes.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reeve::inventory;
  const reeve::Bytes bytes(data, size);
  size_t addresses = 0;
  for (const auto& interface : InterfacesIn(bytes.first(size / 2), bytes.subspan(size / 2))) {
    REEVE_CHECK(!interface.name.empty());
    if (interface.ip_addresses) addresses += interface.ip_addresses->size();
  }
  REEVE_CHECK(addresses <= size / sizeof(nlmsghdr));
  return 0;
}
