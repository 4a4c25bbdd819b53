#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/qmp/request_reader.h"
#include "base/check.h"
#include "base/json_parser.h"
#include "base/json_writer.h"

// Claims: any division of the input into portions gives the same items, what was read can be written and read
// again, and one LF ends whatever stands half (outside of a value that is still well-formed).

namespace reeve::qmp {
namespace {

// Compared as text, because 1e3 is a double and comes out as the integer 1000, as in QEMU.
void CheckWritable(const json::Value& value) {
  const std::string text = json::Write(value);
  const Result<json::Value> again = json::Parse(text);
  REEVE_CHECK(again.has_value() && json::Write(*again) == text);
}

std::string Line(const Item& item) {
  if (const Request* request = std::get_if<Request>(&item)) {
    CheckWritable(request->arguments);
    if (request->id) CheckWritable(*request->id);
    return "run " + request->command + json::Write(request->arguments) + (request->id ? json::Write(*request->id) : "");
  }
  const auto& error = std::get<InputError>(item);
  return error.description + (error.id ? json::Write(*error.id) : "");
}

void Feed(RequestReader& reader, Bytes bytes, std::vector<std::string>& lines) {
  while (std::optional<Item> item = reader.Next(bytes)) lines.push_back(Line(*item));
  REEVE_CHECK(bytes.empty());
}

// The first byte seeds the sizes of the portions.
void Check(Bytes input) {
  uint32_t state = input.front();
  input = input.subspan(1);
  RequestReader whole_reader;
  RequestReader reader;
  std::vector<std::string> whole;
  std::vector<std::string> lines;
  Feed(whole_reader, input, whole);
  for (Bytes rest = input; !rest.empty();) {
    state = state * 1664525 + 1013904223;
    const size_t size = std::min<size_t>(rest.size(), 1 + (state >> 24) % 9);
    Feed(reader, rest.first(size), lines);
    rest = rest.subspan(size);
  }
  REEVE_CHECK(lines == whole);
  REEVE_CHECK(reader.HasPartial() == whole_reader.HasPartial());

  lines.clear();
  Feed(reader, AsBytes("\xFF\n{\"execute\":\"guest-ping\"}"), lines);
  REEVE_CHECK(!lines.empty() && lines.back() == "run guest-ping{}");
}

}  // namespace
}  // namespace reeve::qmp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) reeve::qmp::Check({data, size});
  return 0;
}
