# Writes OUT, a source file with the build id: a hash over the sources in ROOMS (below SOURCE_DIR) and over SALT (version,
# compiler, kind of build). The same sources give the same id; whatever changes a process changes it. OUT is touched only
# when the id changes, so nothing is built again without need.
set(files "")
foreach(room IN LISTS ROOMS)
  file(GLOB_RECURSE found ${SOURCE_DIR}/${room}/*.h ${SOURCE_DIR}/${room}/*.cc ${SOURCE_DIR}/${room}/*.yaml)
  list(APPEND files ${found})
endforeach()
list(SORT files)
set(hashes "${SALT}\n")
foreach(file IN LISTS files)
  file(RELATIVE_PATH name ${SOURCE_DIR} ${file})
  file(SHA256 ${file} hash)
  string(APPEND hashes "${name} ${hash}\n")
endforeach()
string(SHA256 id "${hashes}")
string(REGEX REPLACE "(..)" "0x\\1, " bytes "${id}")
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
#include "agent/wire/packet.h"

namespace reeve::wire {

const uint8_t (&BuildId())[kBuildIdBytes] {
  static constexpr uint8_t kId[kBuildIdBytes] = {@bytes@};
  return kId;
}

}  // namespace reeve::wire
]] @ONLY)
