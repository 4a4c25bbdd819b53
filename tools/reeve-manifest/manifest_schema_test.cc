#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/config/words.h"
#include "base/sys.h"
#include "reeve/json.hpp"

// plugin-api/plugin-manifest.schema.json names the same keys and words as the parser does. That both take and refuse the same
// manifests: tests/sdk/test_manifest_schema.py.

namespace reeve::config {
namespace {

using plugin::JsonValue;
using testing::UnorderedElementsAreArray;

class ManifestSchemaTest : public testing::Test {
 protected:
  static JsonValue At(JsonValue value, const std::vector<std::string>& path) {
    for (const std::string& key : path) {
      JsonValue found;
      for (const auto& [name, member] : value.Members())
        if (name == key) found = member;
      EXPECT_FALSE(found.raw().empty()) << key;
      value = found;
    }
    return value;
  }
  std::vector<std::string> Keys(const std::vector<std::string>& path) const {
    std::vector<std::string> keys;
    const JsonValue object = At(JsonValue(text_), path);
    EXPECT_EQ(At(object, {"additionalProperties"}).raw(), "false");
    for (const auto& [name, member] : At(object, {"properties"}).Members())
      if (name != "why") keys.emplace_back(name);
    return keys;
  }
  std::vector<std::string> Words(const std::vector<std::string>& path) const {
    return At(JsonValue(text_), path).Strings();
  }

  const std::string text_ =
      sys::ReadFile(std::string(REEVE_SOURCE_DIR) + "/plugin-api/plugin-manifest.schema.json", 1 << 20).value_or("");
  const std::vector<std::string> command_ = {"definitions", "command"};
  const std::vector<std::string> sandbox_ = {"definitions", "sandbox"};
  std::vector<std::string> Entry(const std::string& list, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> path = {"definitions", "sandbox", "properties", list, "items"};
    path.insert(path.end(), more.begin(), more.end());
    return path;
  }
};

TEST_F(ManifestSchemaTest, HasTheKeysOfTheParser) {
  EXPECT_THAT(Keys({}), UnorderedElementsAreArray(ManifestKeys()));
  EXPECT_THAT(Keys({"definitions", "named-type"}), UnorderedElementsAreArray(TypeKeys()));
  EXPECT_THAT(Keys(command_), UnorderedElementsAreArray(CommandKeys()));
  EXPECT_THAT(Keys(sandbox_), UnorderedElementsAreArray(SandboxKeys()));
  EXPECT_THAT(Keys(Entry("inherit")), UnorderedElementsAreArray(InheritKeys()));
  EXPECT_THAT(Keys(Entry("paths")), UnorderedElementsAreArray(PathWords()));
}

TEST_F(ManifestSchemaTest, HasTheWordsOfTheParser) {
  EXPECT_EQ(Words({"definitions", "command", "properties", "flags", "items", "enum"}), FlagWords());
  EXPECT_EQ(Words(Entry("promises", {"properties", "promise", "enum"})), PromiseWords());
  EXPECT_EQ(Words(Entry("capabilities", {"properties", "capability", "enum"})), CapabilityWords());
  EXPECT_EQ(Words(Entry("inherit", {"properties", "fd", "enum"})), FdWords());
  EXPECT_EQ(Words(Entry("inherit", {"properties", "proc", "enum"})), ProcFiles());
}

}  // namespace
}  // namespace reeve::config
