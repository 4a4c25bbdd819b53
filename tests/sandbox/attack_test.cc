// Every attack from every place where a taken-over process of ours can stand, each refused by the sandbox
// itself.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <string>

#include "base/testing.h"
#include "tests/sandbox/attacks.h"
#include "tests/sandbox/confined_process.h"
#include "tests/sandbox/kill_records.h"

namespace reeve {
namespace {

using attacks::Attack;
using attacks::Outcome;

enum class Place { kLoadingWorker, kRunningWorker, kCore };

struct Attempt {
  Place place;
  const Attack* attack;
};

KillRecords& Records() {
  static KillRecords records;
  return records;
}

const policy::SandboxProfile& ProfileAt(Place place) {
  return place == Place::kCore ? TestCore() : TestWorker();
}

Outcome OutcomeAt(Place place, const Attack& attack) {
  if (place == Place::kLoadingWorker) return attack.in_load.value_or(attack.outcome);
  if (place == Place::kCore) return attack.in_core.value_or(attack.outcome);
  return attack.outcome;
}

ConfinedProcess::Options OptionsFor(Place place, std::string act) {
  ConfinedProcess::Options options;
  options.step = place == Place::kLoadingWorker ? "load" : "run";
  options.act = std::move(act);
  return options;
}

// The errno of the act in a process without any sandbox.
int ErrnoUnconfined(long (*act)()) {
  const pid_t child = ::fork();
  if (child == 0) {
    errno = 0;
    const long result = act();
    ::_exit(result == -1 ? errno : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void ExpectKilled(const ConfinedProcess::End& end, pid_t pid, const Attack& attack) {
  ASSERT_TRUE(WIFSIGNALED(end.status)) << "it went on; errno " << (end.report ? end.report->error : -1);
  EXPECT_EQ(WTERMSIG(end.status), SIGSYS);
  if (!Records().is_listening()) return;
  const std::optional<KillRecord> record = Records().Find(pid);
  ASSERT_TRUE(record) << "the kernel recorded no kill";
  EXPECT_EQ(record->number, attack.number);
  EXPECT_EQ(record->architecture, attack.architecture);
}

void ExpectRefused(const ConfinedProcess::End& end, int error) {
  ASSERT_TRUE(end.report) << "it ended with status " << end.status;
  EXPECT_EQ(end.report->result, -1);
  EXPECT_EQ(end.report->error, error);
}

class AttackTest : public testing::TestWithParam<Attempt> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "confining a process needs root";
    Records();  // listens before anything is killed
  }
};

TEST_P(AttackTest, IsRefusedByTheSandboxItself) {
  const auto& [place, attack] = GetParam();
  const Outcome outcome = OutcomeAt(place, *attack);
  ConfinedProcess::Options options = OptionsFor(place, attack->name);
  const UniqueFd leaked(::open("/usr/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  options.extra_fds = {{leaked.get(), attacks::kLeakedDirectoryFd}};
  auto process = ConfinedProcess::Start(ProfileAt(place), options);
  REEVE_ASSERT_OK(process);
  const pid_t pid = process->pid();
  const ConfinedProcess::End end = process->Finish();
  if (outcome.kind == Outcome::Kind::kKilled) return ExpectKilled(end, pid, *attack);
  ExpectRefused(end, outcome.error);
  if (outcome.kind != Outcome::Kind::kRefused) return;
  EXPECT_NE(ErrnoUnconfined(attack->act), outcome.error);
}

std::vector<Attempt> AllAttempts() {
  std::vector<Attempt> attempts;
  for (const Place place : {Place::kLoadingWorker, Place::kRunningWorker, Place::kCore}) {
    for (const Attack& attack : attacks::AllAttacks()) attempts.push_back({place, &attack});
  }
  return attempts;
}

std::string NameOf(const testing::TestParamInfo<Attempt>& info) {
  constexpr const char* kPlaces[] = {"LoadingWorker", "RunningWorker", "Core"};
  std::string name = std::string(kPlaces[static_cast<int>(info.param.place)]) + "_";
  for (const char* at = info.param.attack->name; *at != 0; ++at) {
    name += std::isalnum(static_cast<unsigned char>(*at)) != 0 ? *at : '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Everywhere, AttackTest, testing::ValuesIn(AllAttempts()), NameOf);

TEST(SocketFamilyTest, NoFamilyCanBeOpenedAnywhere) {
  if (::geteuid() != 0) GTEST_SKIP() << "confining a process needs root";
  for (const Place place : {Place::kLoadingWorker, Place::kRunningWorker, Place::kCore}) {
    for (int family = 0; family <= attacks::kLastFamily; ++family) {
      SCOPED_TRACE("family " + std::to_string(family) + " place " + std::to_string(static_cast<int>(place)));
      auto process = ConfinedProcess::Start(ProfileAt(place), OptionsFor(place, "family " + std::to_string(family)));
      REEVE_ASSERT_OK(process);
      // No kernel answers so to a type that does not exist: it is the filter's word.
      ExpectRefused(process->Finish(), EAFNOSUPPORT);
    }
  }
}

TEST(SocketFamilyTest, TheKernelItselfRefusesTheTypeBeforeItLooksAtTheFamily) {
  for (int family = 0; family <= attacks::kLastFamily; ++family) {
    errno = 0;
    EXPECT_EQ(attacks::OpenSocketOfFamily(family), -1);
    EXPECT_EQ(errno, EINVAL) << family;
  }
}

TEST(AttackListTest, HoldsMoreThanSixtyDistinctActs) {
  EXPECT_GT(attacks::AllAttacks().size(), 60u);
}

TEST(AttackListTest, KillsAreCheckedAgainstTheKernelsRecords) {
  if (::geteuid() != 0) GTEST_SKIP() << "confining a process needs root";
  if (!Records().is_listening()) GTEST_SKIP() << "this machine shows no audit records: kills are known by SIGSYS only";
}

}  // namespace
}  // namespace reeve
