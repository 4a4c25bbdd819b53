#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/json_parser.h"
#include "base/json_reemitter.h"
#include "base/json_writer.h"

// Claims: portions change nothing; what comes out is printable ASCII, is JSON of the same value as what went
// in, and comes out of the reemitter and of the writer unchanged.

namespace reeve::json {
namespace {

bool Reemit(std::string_view text, uint32_t seed, std::string& result) {
  Reemitter reemitter;
  ByteQueue out;
  bool is_ok = true;
  while (!text.empty()) {
    seed = seed * 1664525 + 1013904223;
    const size_t size = std::min<size_t>(text.size(), 1 + (seed >> 24) % 9);
    is_ok = reemitter.Feed(text.substr(0, size), out).has_value();
    text.remove_prefix(size);
  }
  is_ok = reemitter.Finish(out).has_value() && is_ok;
  result = out.ToString();
  return is_ok;
}

void Check(std::string_view input) {
  const uint32_t seed = static_cast<uint8_t>(input.front());
  input.remove_prefix(1);
  std::string out;
  const bool is_ok = Reemit(input, seed, out);
  Reemitter reemitter;
  ByteQueue queue;
  const bool fed = reemitter.Feed(input, queue).has_value();
  REEVE_CHECK((reemitter.Finish(queue).has_value() && fed) == is_ok);
  if (!is_ok) return;
  REEVE_CHECK(queue.ToString() == out);
  REEVE_CHECK(std::ranges::all_of(out, [](char c) { return c >= 0x20 && c < 0x7F; }));

  const Result<Value> after = Parse(out);
  if (!after) {
    // The one thing that the reemitter lets pass and the parser does not.
    REEVE_CHECK(after.error().message().ends_with("duplicate key"));
    return;
  }
  REEVE_CHECK(Write(*after) == out);
  std::string again;
  REEVE_CHECK(Reemit(out, seed, again) && again == out);
  // Compared as text, because 1e3 is a double and comes out as the integer 1000, as in QEMU.
  if (const Result<Value> before = Parse(input)) REEVE_CHECK(Write(*before) == out);
}

}  // namespace
}  // namespace reeve::json

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) reeve::json::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
