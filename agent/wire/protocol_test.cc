#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::wire {
namespace {

std::string ReadSource(const std::string& name) {
  auto text = sys::ReadFile(std::string(REEVE_SOURCE_DIR) + "/agent/wire/" + name, 1u << 20);
  EXPECT_THAT(text, IsOk());
  return text.value_or("");
}

// Name and number of each type, where each line that begins with `begin` holds "<begin>Name<between>Number".
std::map<std::string, std::string> TypesIn(const std::string& text, const std::string& begin,
                                           const std::string& between) {
  std::map<std::string, std::string> types;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t middle = line.find(between);
    if (!line.starts_with(begin) || middle == std::string::npos) continue;
    const std::string rest = line.substr(middle + between.size());
    types[line.substr(begin.size(), middle - begin.size())] = rest.substr(0, rest.find_first_not_of("0123456789"));
  }
  return types;
}

TEST(ProtocolPageTest, ListsExactlyTheTypesOfTheHeader) {
  const std::string header = ReadSource("messages.h");
  const size_t begin = header.find("enum class Type");
  const std::string types = header.substr(begin, header.find("};", begin) - begin);
  const auto in_header = TypesIn(types, "  k", " = ");
  const auto on_page = TypesIn(ReadSource("PROTOCOL.md"), "| k", " | ");
  EXPECT_GT(in_header.size(), 30u);
  EXPECT_EQ(on_page, in_header);
}

}  // namespace
}  // namespace reeve::wire
