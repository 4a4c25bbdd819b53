#include "plugins/inventory/usage_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace reeve::inventory {
namespace {

// A main loop of the test's own thread, in real time.
class TestLoop {
 public:
  UsageReader::Loop Functions() {
    return {.post = [this](std::function<void()> call) { Add(0, std::move(call)); },
            .after =
                [this](uint64_t delay_ms, std::function<void()> call) {
                  Add(delay_ms, [this, call = std::move(call)] {
                    is_in_timer_ = true;
                    call();
                    is_in_timer_ = false;
                  });
                }};
  }
  // Whether what is called just now was to be called after a time.
  bool is_in_timer() const { return is_in_timer_; }
  void RunUntil(const std::function<bool()>& is_over) {
    const auto end = Now() + std::chrono::seconds(20);
    while (!is_over() && Now() < end) RunNext();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static Clock::time_point Now() { return Clock::now(); }
  void Add(uint64_t delay_ms, std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    calls_.emplace(Now() + std::chrono::milliseconds(delay_ms), std::move(call));
    has_call_.notify_one();
  }
  void RunNext() {
    std::unique_lock lock(mutex_);
    if (calls_.empty()) has_call_.wait_for(lock, std::chrono::milliseconds(20));
    if (calls_.empty()) return;
    if (calls_.begin()->first > Now()) {
      has_call_.wait_until(lock, calls_.begin()->first);
      return;
    }
    const auto call = std::move(calls_.begin()->second);
    calls_.erase(calls_.begin());
    lock.unlock();
    call();
  }

  bool is_in_timer_ = false;
  std::mutex mutex_;
  std::condition_variable has_call_;
  std::multimap<Clock::time_point, std::function<void()>> calls_;
};

// Mounts that answer with their count of questions, but those that hang until they are let go.
class Mounts {
 public:
  void Hang(const std::string& mountpoint) {
    const std::lock_guard lock(mutex_);
    hanging_.insert(mountpoint);
  }
  void LetGo() {
    const std::lock_guard lock(mutex_);
    hanging_.clear();
    changed_.notify_all();
  }
  std::optional<Usage> Ask(const std::string& mountpoint) {
    std::unique_lock lock(mutex_);
    const uint64_t count = ++counts_[mountpoint];
    changed_.wait(lock, [&] { return !hanging_.contains(mountpoint); });
    if (mountpoint == "/closed") return std::nullopt;
    return Usage{count, 100, 200};
  }
  uint64_t count(const std::string& mountpoint) {
    const std::lock_guard lock(mutex_);
    return counts_[mountpoint];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> hanging_;
  std::map<std::string, uint64_t> counts_;
};

std::vector<storage::Mount> MountsAt(const std::vector<std::string>& mountpoints) {
  std::vector<storage::Mount> mounts;
  for (const std::string& mountpoint : mountpoints) mounts.emplace_back().mountpoint = mountpoint;
  return mounts;
}

class UsageReaderTest : public testing::Test {
 protected:
  ~UsageReaderTest() override { mounts_->LetGo(); }

  UsageReader::Usages Read(const std::vector<std::string>& mountpoints) {
    std::optional<UsageReader::Usages> usages;
    reader_.Read(MountsAt(mountpoints), [&](const UsageReader::Usages& read) {
      EXPECT_FALSE(usages) << "answered twice";
      usages = read;
      was_waited_for_ = loop_.is_in_timer();
    });
    loop_.RunUntil([&] { return usages.has_value(); });
    EXPECT_TRUE(usages) << "no answer";
    return usages.value_or(UsageReader::Usages(mountpoints.size()));
  }
  // Threads that were let go take their time to come back.
  bool IsAnsweredInTheEnd(const std::string& mountpoint) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < end) {
      if (Read({mountpoint})[0]) return true;
      std::this_thread::yield();
    }
    return false;
  }

  TestLoop loop_;
  // The last answer came when patience was over, and not when all had answered.
  bool was_waited_for_ = false;
  std::shared_ptr<Mounts> mounts_ = std::make_shared<Mounts>();  // threads may outlive the test
  UsageReader reader_{loop_.Functions(),
                      [mounts = mounts_](const storage::Mount& mount) { return mounts->Ask(mount.mountpoint); }};
};

std::vector<std::string> Numbered(const std::string& name, size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(name + std::to_string(i));
  return names;
}

TEST_F(UsageReaderTest, AnswersForEachMountInItsPlace) {
  const auto usages = Read({"/a", "/closed", "/b"});
  ASSERT_TRUE(usages[0] && usages[2]);
  EXPECT_EQ(usages[0]->total_bytes_privileged, 200u);
  EXPECT_FALSE(usages[1]);
}

TEST_F(UsageReaderTest, NoMountsAreAnsweredAtOnce) {
  bool is_done = false;
  reader_.Read(MountsAt({}), [&](const auto&) { is_done = true; });
  EXPECT_TRUE(is_done);
}

TEST_F(UsageReaderTest, AMountThatHangsCostsTheOthersNothing) {
  mounts_->Hang("/dead");
  const auto usages = Read({"/a", "/dead", "/b"});
  EXPECT_TRUE(usages[0] && usages[2]);
  EXPECT_FALSE(usages[1]);
  EXPECT_TRUE(was_waited_for_);
}

TEST_F(UsageReaderTest, AMountThatHangsIsNotAskedAgainUntilItAnswers) {
  mounts_->Hang("/dead");
  Read({"/dead", "/a"});
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(Read({"/dead", "/a"})[0]);
    EXPECT_FALSE(was_waited_for_);
  }
  EXPECT_EQ(mounts_->count("/dead"), 1u);
  EXPECT_EQ(mounts_->count("/a"), 6u);
  mounts_->LetGo();
  EXPECT_TRUE(IsAnsweredInTheEnd("/dead"));
}

TEST_F(UsageReaderTest, AtMostEightHangAndTheReplyStillComes) {
  const auto dead = Numbered("/dead", 20);
  for (const auto& mountpoint : dead) mounts_->Hang(mountpoint);
  uint64_t asked = 0;
  for (int i = 0; i < 5; ++i) Read(dead);
  for (const auto& mountpoint : dead) asked += mounts_->count(mountpoint);
  EXPECT_EQ(asked, UsageReader::kMaxThreads);
  EXPECT_FALSE(Read({"/a"})[0]) << "nobody is left to ask";
  mounts_->LetGo();
  EXPECT_TRUE(IsAnsweredInTheEnd("/a"));
}

TEST_F(UsageReaderTest, TwoRepliesWaitedForAtOnceBothCome) {
  mounts_->Hang("/dead");
  int replies = 0;
  reader_.Read(MountsAt({"/dead", "/a"}), [&](const auto& usages) { replies += usages[1] ? 1 : 0; });
  reader_.Read(MountsAt({"/b", "/c"}), [&](const auto& usages) { replies += usages[0] && usages[1] ? 1 : 0; });
  loop_.RunUntil([&] { return replies == 2; });
  EXPECT_EQ(replies, 2);
}

TEST_F(UsageReaderTest, FiveHundredMountsAreAsked) {
  const auto usages = Read(Numbered("/m", 500));
  for (const auto& usage : usages) EXPECT_TRUE(usage);
}

storage::Mount MountedAt(const std::string& mountpoint) {
  struct stat status{};
  stat("/", &status);
  storage::Mount mount;
  mount.mountpoint = mountpoint;
  mount.device = status.st_dev;
  return mount;
}

TEST(UsageOfTest, CountsWhatTheFileSystemSays) {
  const auto usage = UsageOf(MountedAt("/"));
  ASSERT_TRUE(usage);
  EXPECT_LE(usage->used_bytes, usage->total_bytes);
  EXPECT_LE(usage->total_bytes, usage->total_bytes_privileged);
  EXPECT_FALSE(UsageOf(MountedAt("/nonexistent/path")));
}

TEST(UsageOfTest, APathThatLeadsToAnotherFileSystemTellsNothing) {
  storage::Mount mount = MountedAt("/");
  ++mount.device;
  EXPECT_FALSE(UsageOf(mount));
  mount = MountedAt("/proc");
  mount.type = "btrfs";
  EXPECT_FALSE(UsageOf(mount));
}

}  // namespace
}  // namespace reeve::inventory
