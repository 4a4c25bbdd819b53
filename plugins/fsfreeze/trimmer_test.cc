#include "plugins/fsfreeze/trimmer.h"

#include <thread>

#include "base/testing.h"
#include "plugins/fsfreeze/testing.h"

namespace reeve::fsfreeze {
namespace {

using testing::Optional;

constexpr uint64_t kGiB = 1ull << 30;

class TrimmerTest : public testing::Test {
 protected:
  std::optional<TrimReport> Trim(uint64_t minimum_bytes = 0) {
    return TrimOne(calls_, gate_, {{8, 1}, "/a", "ext4"}, minimum_bytes, [this] { return is_cancelled_; });
  }

  test::FakeFileSystems calls_;
  TrimGate gate_;
  bool is_cancelled_ = false;
};

TEST_F(TrimmerTest, SmallFileSystemIsTrimmedAsAWhole) {
  const auto report = Trim(7);
  ASSERT_TRUE(report);
  ASSERT_EQ(calls_.trims.size(), 1u);
  EXPECT_EQ(calls_.trims[0].second.start, 0u);
  EXPECT_EQ(calls_.trims[0].second.length_bytes, UINT64_MAX);
  EXPECT_THAT(report->trimmed, Optional(4096));
  EXPECT_THAT(report->minimum, Optional(512));  // as the kernel has raised it
}

TEST_F(TrimmerTest, PiecesFollowOneAnotherAndTheLastHasNoEnd) {
  calls_.size_bytes = 2 * kGiB + 5;
  const auto report = Trim();
  ASSERT_EQ(calls_.trims.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(calls_.trims[i].second.start, i * kGiB);
  EXPECT_EQ(calls_.trims[1].second.length_bytes, kGiB);
  EXPECT_EQ(calls_.trims[2].second.length_bytes, UINT64_MAX - 2 * kGiB);
  EXPECT_THAT(report->trimmed, Optional(3 * 4096));
}

TEST_F(TrimmerTest, LastPieceBeginsWithinTheFileSystem) {
  calls_.size_bytes = 2 * kGiB;
  Trim();
  EXPECT_EQ(calls_.trims.size(), 2u);
}

TEST_F(TrimmerTest, PiecesAreLongerThanTheShortestRunThatIsWanted) {
  calls_.size_bytes = 100 * kGiB;
  Trim(kGiB);
  EXPECT_EQ(calls_.trims.size(), 2u);
  calls_.trims.clear();
  Trim(UINT64_MAX);
  EXPECT_EQ(calls_.trims.size(), 1u);
}

TEST_F(TrimmerTest, CancelTakesEffectBetweenPieces) {
  calls_.size_bytes = 10 * kGiB;
  calls_.on_trim = [this] { is_cancelled_ = calls_.trims.size() == 2; };
  EXPECT_FALSE(Trim());
  EXPECT_EQ(calls_.trims.size(), 2u);
}

TEST_F(TrimmerTest, ErrorsHaveQemuGasTexts) {
  for (const int error : {ENOTTY, EOPNOTSUPP}) {
    calls_.trim_error = error;
    EXPECT_THAT(Trim()->error, Optional(std::string("trim not supported")));
  }
  calls_.trim_error = EIO;
  const auto report = Trim();
  EXPECT_THAT(report->error, Optional(std::string("failed to trim: Input/output error")));
  EXPECT_FALSE(report->trimmed || report->minimum);
  calls_.open_errors["/a"] = ENOENT;
  EXPECT_THAT(Trim()->error, Optional(std::string("failed to open: No such file or directory")));
}

TEST_F(TrimmerTest, NoPieceBeginsBehindAClosedGate) {
  ASSERT_TRUE(gate_.Close([] { return false; }));
  std::optional<TrimReport> report;
  std::thread trim([&] { report = Trim(); });
  EXPECT_TRUE(calls_.trims.empty());
  gate_.Open();
  trim.join();
  EXPECT_TRUE(report);
  EXPECT_EQ(calls_.trims.size(), 1u);
}

TEST_F(TrimmerTest, ACancelledFreezeWaitsForNoPiece) {
  ASSERT_TRUE(gate_.BeginPiece([] { return false; }));
  EXPECT_FALSE(gate_.Close([] { return true; }));
  gate_.EndPiece();
  EXPECT_TRUE(gate_.Close([] { return false; }));
}

}  // namespace
}  // namespace reeve::fsfreeze
