#include "storage/freeze_list.h"

#include <unistd.h>

#include <string>

#include "base/bytes.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::storage {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

const FreezeEntry kRoot{{252, 1}, "/"};
const FreezeEntry kData{{252, 16}, "/srv/with space\n"};
const FreezeEntry kButter{{0, 44}, "/b"};

class FreezeListTest : public testing::Test {
 protected:
  void SetUp() override {
    auto file = sys::MemoryFile("freeze-list", 0);
    REEVE_ASSERT_OK(file);
    fd_ = std::move(*file);
    file_.emplace(fd_.get());
  }
  // A list of three that is frozen.
  void Write() {
    REEVE_ASSERT_OK(file_->Begin(10min));
    for (const FreezeEntry& entry : {kRoot, kData, kButter}) REEVE_ASSERT_OK(file_->Add(entry));
    REEVE_ASSERT_OK(file_->SetFrozen());
  }
  FreezeList Read() const {
    const auto list = FreezeListFile(fd_.get()).Read();
    EXPECT_THAT(list, IsOk());
    return list.value_or(FreezeList{});
  }
  std::string Content() const {
    std::string bytes(kMaxFreezeListBytes, '\0');
    const ssize_t size = ::pread(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(0, size)));
    return bytes;
  }

  UniqueFd fd_;
  std::optional<FreezeListFile> file_;
};

TEST_F(FreezeListTest, AnEmptyFileIsNothing) {
  const FreezeList list = Read();
  EXPECT_EQ(list.state, FreezeListState::kNothing);
  EXPECT_THAT(list.entries, IsEmpty());
  EXPECT_FALSE(list.is_damaged);
}

TEST_F(FreezeListTest, EachEntryStandsAsSoonAsItIsAdded) {
  REEVE_ASSERT_OK(file_->Begin(std::nullopt));
  EXPECT_EQ(Read().state, FreezeListState::kFreezing);
  REEVE_ASSERT_OK(file_->Add(kRoot));
  EXPECT_THAT(Read().entries, ElementsAre(kRoot));
  REEVE_ASSERT_OK(file_->Add(kData));
  EXPECT_THAT(Read().entries, ElementsAre(kRoot, kData));
  EXPECT_EQ(Read().time_left, std::nullopt);
}

TEST_F(FreezeListTest, SaysWhatIsFrozenForHowLongYet) {
  Write();
  const FreezeList list = Read();
  EXPECT_EQ(list.state, FreezeListState::kFrozen);
  EXPECT_THAT(list.entries, ElementsAre(kRoot, kData, kButter));
  EXPECT_THAT(list.time_left, Optional(std::chrono::milliseconds(10min)));
  EXPECT_LE(list.began_at, list.written_at);
  REEVE_ASSERT_OK(file_->SetTimeLeft(3s));
  EXPECT_THAT(Read().time_left, Optional(std::chrono::milliseconds(3s)));
  EXPECT_THAT(Read().entries, testing::SizeIs(3));
}

TEST_F(FreezeListTest, NothingIsLeftOfAListThatWasCleared) {
  Write();
  REEVE_ASSERT_OK(file_->Clear());
  EXPECT_EQ(Read().state, FreezeListState::kNothing);
  EXPECT_THAT(Read().entries, IsEmpty());
  EXPECT_FALSE(Read().is_damaged);
  EXPECT_THAT(Content(), testing::Each('\0'));
}

TEST_F(FreezeListTest, AShorterListAfterALongerOneHasItsOwnEntriesOnly) {
  Write();
  REEVE_ASSERT_OK(file_->Begin(1s));
  REEVE_ASSERT_OK(file_->Add(kButter));
  EXPECT_THAT(Read().entries, ElementsAre(kButter));
}

TEST_F(FreezeListTest, AnotherProcessGoesOnWithIt) {
  Write();
  FreezeListFile next(fd_.get());
  next.Adopt(Read());
  REEVE_ASSERT_OK(next.SetTimeLeft(5s));
  REEVE_ASSERT_OK(next.Add({{8, 1}, "/more"}));
  const FreezeList list = Read();
  EXPECT_EQ(list.state, FreezeListState::kFrozen);
  EXPECT_THAT(list.time_left, Optional(std::chrono::milliseconds(5s)));
  EXPECT_THAT(list.entries, testing::SizeIs(4));
  REEVE_ASSERT_OK(next.Clear());
  EXPECT_THAT(Read().entries, IsEmpty());
}

TEST_F(FreezeListTest, RefusesWhatIsNoMountPoint) {
  REEVE_ASSERT_OK(file_->Begin(std::nullopt));
  EXPECT_THAT(file_->Add({{1, 1}, "relative"}), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(file_->Add({{1, 1}, std::string("/a\0b", 4)}), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(file_->Add({{1, 1}, "/" + std::string(kMaxMountPointBytes, 'x')}), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(Read().entries, IsEmpty());
}

TEST_F(FreezeListTest, RefusesMoreThanWouldBeRead) {
  REEVE_ASSERT_OK(file_->Begin(std::nullopt));
  const FreezeEntry longest{{1, 1}, "/" + std::string(kMaxMountPointBytes - 1, 'x')};
  Status added;
  size_t count = 0;
  for (; added && count < 1000; ++count) added = file_->Add(longest);
  EXPECT_THAT(added, FailsWith(Code::kTooLarge));
  EXPECT_EQ(Read().entries.size(), count - 1);
}

TEST_F(FreezeListTest, ADamagedHeadLeavesTheEntriesToBeThawedAtOnce) {
  Write();
  std::string bytes = Content();
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  const FreezeList list = ParseFreezeList(bytes);
  EXPECT_TRUE(list.is_damaged);
  EXPECT_EQ(list.state, FreezeListState::kFreezing);
  EXPECT_EQ(list.time_left, std::nullopt);
  EXPECT_THAT(list.entries, ElementsAre(kRoot, kData, kButter));
}

TEST_F(FreezeListTest, ADamagedEntryCostsOnlyItself) {
  Write();
  std::string bytes = Content();
  bytes[bytes.find("space")] = 'S';
  const FreezeList list = ParseFreezeList(bytes);
  EXPECT_TRUE(list.is_damaged);
  EXPECT_EQ(list.state, FreezeListState::kFreezing);
  EXPECT_THAT(list.entries, ElementsAre(kRoot, kButter));
}

TEST_F(FreezeListTest, ACutFileGivesWhatIsWhole) {
  Write();
  const std::string bytes = Content();
  const FreezeList list = ParseFreezeList(std::string_view(bytes).substr(0, bytes.size() - 8));
  EXPECT_TRUE(list.is_damaged);
  EXPECT_THAT(list.entries, ElementsAre(kRoot, kData));
  EXPECT_THAT(ParseFreezeList(std::string_view(bytes).substr(0, 10)).entries, IsEmpty());
}

TEST_F(FreezeListTest, GarbageNamesNothing) {
  const FreezeList list = ParseFreezeList(std::string(300, 'R'));
  EXPECT_TRUE(list.is_damaged);
  EXPECT_EQ(list.state, FreezeListState::kNothing);
  EXPECT_THAT(list.entries, IsEmpty());
}

TEST(TimeLeftTest, CountsTheTimeSinceItWasWrittenAsOneStep) {
  FreezeList list;
  list.written_at = 100s;
  EXPECT_EQ(TimeLeftAt(list, 200s), std::nullopt);
  list.time_left = 10s;
  EXPECT_THAT(TimeLeftAt(list, 101s), Optional(std::chrono::milliseconds(9s)));
  EXPECT_THAT(TimeLeftAt(list, 500s), Optional(std::chrono::milliseconds(8s)));  // a pause of the guest
  EXPECT_THAT(TimeLeftAt(list, 50s), Optional(std::chrono::milliseconds(10s)));  // of an earlier boot
  list.time_left = 1s;
  EXPECT_THAT(TimeLeftAt(list, 500s), Optional(0ms));
}

}  // namespace
}  // namespace reeve::storage
