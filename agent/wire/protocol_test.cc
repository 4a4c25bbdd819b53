#include <gtest/gtest.h>

#include <map>
#include <regex>
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

// Name and number of each type that `pattern` finds.
std::map<std::string, std::string> TypesIn(const std::string& text, const std::regex& pattern) {
  std::map<std::string, std::string> types;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) types[(*it)[1]] = (*it)[2];
  return types;
}

TEST(ProtocolPageTest, ListsExactlyTheTypesOfTheHeader) {
  const std::string header = ReadSource("messages.h");
  const size_t begin = header.find("enum class Type");
  const std::string types = header.substr(begin, header.find("};", begin) - begin);
  const auto in_header = TypesIn(types, std::regex(R"((k[A-Za-z]+) = (\d+),)"));
  const auto on_page = TypesIn(ReadSource("PROTOCOL.md"), std::regex(R"(\| (k[A-Za-z]+) \| (\d+) \|)"));
  EXPECT_GT(in_header.size(), 30u);
  EXPECT_EQ(on_page, in_header);
}

}  // namespace
}  // namespace reeve::wire
