#include "helpers/whole_input.h"

#include "helpers/contract.h"

namespace reeve::helpers {

Result<std::string_view> WholeInput(std::string_view read) {
  if (!read.ends_with(kEndOfInput)) return Fail(Code::kInvalidArgument, "the input did not arrive whole");
  read.remove_suffix(1);
  return read;
}

}  // namespace reeve::helpers
