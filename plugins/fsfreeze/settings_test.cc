#include "plugins/fsfreeze/settings.h"

#include "base/testing.h"

namespace reeve::fsfreeze {
namespace {

using testing::ElementsAre;

Result<Settings> Read(const std::string& json) {
  return ReadSettings(plugin::Arguments(json));
}

TEST(FreezeSettingsTest, NoneAreTheDefaults) {
  const Settings settings = *Read("{}");
  EXPECT_EQ(settings.thaw_timeout_ms, 600'000u);
  EXPECT_EQ(settings.hook_timeout_ms, 60'000u);
  EXPECT_TRUE(settings.hooks.empty());
  EXPECT_TRUE(settings.is_hook_failure_fatal);
  EXPECT_EQ(settings.on_mount_failure, OnMountFailure::kFatal);
}

TEST(FreezeSettingsTest, HookOfTheCommandLineIsTheFirstAndRunsOnce) {
  const Settings settings = *Read(R"({"hooks": ["/a", "/f", "/b"], "fsfreeze-hook": "/f"})");
  EXPECT_THAT(settings.hooks, ElementsAre("/f", "/a", "/b"));
}

TEST(FreezeSettingsTest, ReadsAll) {
  const Settings settings = *Read(
      R"({"thaw-timeout": 0, "hook-timeout": "1500ms", "hook-failure": "continue", "mount-failure": "skip", "exclude": ["xfs"]})");
  EXPECT_EQ(settings.thaw_timeout_ms, 0u);
  EXPECT_EQ(settings.hook_timeout_ms, 1500u);
  EXPECT_FALSE(settings.is_hook_failure_fatal);
  EXPECT_EQ(settings.on_mount_failure, OnMountFailure::kSkip);
  EXPECT_THAT(settings.excluded, ElementsAre("xfs"));
  EXPECT_EQ(Read(R"({"thaw-timeout": "2min"})")->thaw_timeout_ms, 120'000u);
  EXPECT_EQ(Read(R"({"thaw-timeout": "1h"})")->thaw_timeout_ms, 3'600'000u);
}

TEST(FreezeSettingsTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"thaw-timeot": 0})", "setting 'thaw-timeot' of fsfreeze is not known"},
      {R"({"thaw-timeout": 5})", "setting 'thaw-timeout' of fsfreeze must be a duration"},
      {R"({"thaw-timeout": "5"})", "must be a duration"},
      {R"({"thaw-timeout": "5 s"})", "must be a duration"},
      {R"({"thaw-timeout": "-5s"})", "must be a duration"},
      {R"({"thaw-timeout": "99999999999999h"})", "must be a duration"},
      {R"({"hooks": "/a"})", "setting 'hooks' of fsfreeze must be a list"},
      {R"({"hooks": ["a"]})", "must be a list of absolute paths"},
      {R"({"hook-failure": "stop"})", "setting 'hook-failure' of fsfreeze must be 'abort' or 'continue'"},
      {R"({"mount-failure": 1})", "setting 'mount-failure' of fsfreeze must be 'fatal' or 'skip'"}};
  for (const auto& [json, text] : rows) EXPECT_THAT(Read(json), FailsSaying(text)) << json;
}

}  // namespace
}  // namespace reeve::fsfreeze
