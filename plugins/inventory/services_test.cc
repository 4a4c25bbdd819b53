#include "plugins/inventory/services.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kShown =
    "Id=ssh.service\n"
    "Description=OpenBSD = Secure Shell server\n"
    "LoadState=loaded\n"
    "ActiveState=active\n"
    "SubState=running\n"
    "UnitFileState=enabled\n"
    "\n"
    "Id=auditd.service\n"
    "Description=auditd.service\n"
    "LoadState=not-found\n"
    "ActiveState=inactive\n"
    "SubState=dead\n"
    "UnitFileState=\n"
    "\n"
    "Id=ssh.socket\n"
    "LoadState=loaded\n";

TEST(ServicesTest, AParagraphIsAServiceSortedByName) {
  const auto found = ServicesIn(kShown);
  REEVE_ASSERT_OK(found);
  const auto& services = *found;
  ASSERT_THAT(services, SizeIs(2));
  EXPECT_EQ(services[0].name, "auditd.service");
  EXPECT_EQ(services[0].load, "not-found");
  EXPECT_EQ(services[0].enabled, std::nullopt);
  EXPECT_EQ(services[1].name, "ssh.service");
  EXPECT_EQ(services[1].active, "active");
  EXPECT_EQ(services[1].sub, "running");
  EXPECT_EQ(services[1].enabled, "enabled");
  EXPECT_EQ(services[1].description, "OpenBSD = Secure Shell server");
}

TEST(ServicesTest, LongAndOddTextsAreCutAndPlain) {
  const auto services = ServicesIn("Id=a.service\nDescription=" + std::string(10'000, 'x') + "\nSubState=\x1b[31m\n");
  REEVE_ASSERT_OK(services);
  ASSERT_THAT(*services, SizeIs(1));
  EXPECT_EQ((*services)[0].description.size(), 512u);
  EXPECT_EQ((*services)[0].sub, " [31m");
}

TEST(ServicesTest, ALongTextIsNotCutWithinACharacter) {
  const auto services = ServicesIn("Id=a.service\nDescription=" + std::string(511, 'x') + "\u20ac\n");
  REEVE_ASSERT_OK(services);
  EXPECT_EQ(services->at(0).description, std::string(511, 'x'));
}

TEST(ServicesTest, NothingIsNoServiceAndWhatIsNoListAnError) {
  EXPECT_THAT(*ServicesIn(""), IsEmpty());
  EXPECT_THAT(*ServicesIn("Id=a.socket\n"), IsEmpty());
  EXPECT_THAT(ServicesIn("no list\n\n\nId\n=\n"), FailsWith(Code::kBadMessage));
}

TEST(ServicesTest, MoreThanFitIntoAWorkerAreRefused) {
  std::string text;
  for (size_t i = 0; i < kMaxServices; ++i) text += "Id=" + std::to_string(i) + ".service\n\n";
  EXPECT_THAT(*ServicesIn(text), SizeIs(kMaxServices));
  EXPECT_THAT(ServicesIn(text + "Id=more.service\n"), FailsWith(Code::kTooLarge));
}

}  // namespace
}  // namespace reeve::inventory
