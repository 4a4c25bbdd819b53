#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "plugins/inventory/testing.h"
#include "tests/support/fake_agent.h"

// inventory-packages, -services and -containers: what is run, and what becomes of how it ends.

namespace reeve::inventory {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;
using testing::HasSubstr;

class ProgramCommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/program_commands_test";
    std::filesystem::create_directories(directory_);
    TheFakeDatabases() = {directory_ + "/status", {directory_ + "/rpmdb"}};
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& text) { std::ofstream(directory_ + "/" + name) << text; }
  void Begin(const std::string& command, const std::string& arguments = "{}") {
    answer_ = agent_.Begin(command, arguments);
    Turns();
  }
  void Turns() {
    for (int i = 0; i < 8; ++i) agent_.Turn();
  }
  // The last program prints that and ends.
  void End(const std::string& said, int32_t exit_code = 0, const std::string& complained = "") {
    agent_.program().Say(agent_.program().out, said);
    agent_.program().Say(agent_.program().err, complained);
    agent_.program().End(REEVE_PROGRAM_EXITED, exit_code);
    Turns();
  }
  const Answer& Ended() {
    EXPECT_TRUE(answer_->is_finished);
    EXPECT_EQ(agent_.held(), 0u);
    return *answer_;
  }

  std::string directory_;
  FakeAgent agent_;
  std::shared_ptr<Answer> answer_;
};

constexpr const char* kPackage = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n";

TEST_F(ProgramCommandsTest, DpkgsListTakesNoProgramAndIsReadAgainWhenItChanged) {
  Write("status", kPackage);
  Begin("inventory-packages");
  EXPECT_EQ(Ended().value,
            R"({"manager": "dpkg", "total": 1, "packages": [{"name": "a", "version": "1", "architecture": "all"}]})");
  Write("status", std::string(kPackage) + "Package: b\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n");
  Begin("inventory-packages", R"({"offset": 1})");
  EXPECT_EQ(Ended().value,
            R"({"manager": "dpkg", "total": 2, "packages": [{"name": "b", "version": "1", "architecture": "all"}]})");
  Begin("inventory-packages", R"({"prefix": "c"})");
  EXPECT_EQ(Ended().value, R"({"manager": "dpkg", "total": 0, "packages": []})");
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(ProgramCommandsTest, RpmIsAskedOnceForAsLongAsItsDatabaseStays) {
  Write("status", "");  // of a dpkg that was installed beside
  Write("rpmdb", "1");
  Begin("inventory-packages");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("rpm", "-qa", "--queryformat", "%{NAME}\\t%{EVR}\\t%{ARCH}\\n"));
  End("b\t1\tnoarch\na\t2\tnoarch\n");
  EXPECT_THAT(Ended().value, HasSubstr(R"({"manager": "rpm", "total": 2, "packages": [{"name": "a")"));
  Begin("inventory-packages");
  EXPECT_EQ(Ended().status, REEVE_OK);
  EXPECT_EQ(agent_.program_count(), 1u);
  Write("rpmdb", "22");
  Begin("inventory-packages");
  End("");
  EXPECT_THAT(Ended().value, HasSubstr("\"total\": 0"));
}

TEST_F(ProgramCommandsTest, AMachineWithoutPackagesSaysSo) {
  agent_.RefusePrograms(ENOENT, "run /usr/bin/rpm: No such file or directory");
  Begin("inventory-packages");
  EXPECT_EQ(Ended().text, "this machine has neither dpkg's list of packages nor rpm");
  Write("status", "");
  Begin("inventory-packages");
  EXPECT_EQ(Ended().value, R"({"manager": "dpkg", "total": 0, "packages": []})");
}

TEST_F(ProgramCommandsTest, WhatAProgramComplainsOfIsToldOnce) {
  Begin("inventory-services");
  EXPECT_THAT(agent_.program().arguments,
              ElementsAre("systemctl", "show", "--all", "--no-pager",
                          "--property=Id,LoadState,ActiveState,SubState,UnitFileState,Description", "*.service"));
  End("", 1, "System has not been booted with systemd as init system (PID 1). Can't operate.\n");
  EXPECT_EQ(Ended().status, REEVE_ERROR_FAILED);
  EXPECT_EQ(Ended().text,
            "systemctl failed with exit code 1: System has not been booted with systemd as init system (PID 1). Can't "
            "operate.");
}

TEST_F(ProgramCommandsTest, AMachineWithoutSystemctlHasNoSystemd) {
  agent_.RefusePrograms(ENOENT, "run /usr/bin/systemctl: No such file or directory");
  Begin("inventory-services");
  EXPECT_EQ(Ended().text, "this machine has no systemd");
}

TEST_F(ProgramCommandsTest, WhatPolicyRefusesIsDenied) {
  agent_.RefusePrograms(0, "no rule");
  Begin("inventory-services");
  EXPECT_EQ(Ended().status, REEVE_ERROR_DENIED);
  EXPECT_EQ(Ended().text, "no rule");
}

TEST_F(ProgramCommandsTest, AProgramThatSaysTooMuchIsAnErrorAndReadToItsEnd) {
  Begin("inventory-services");
  const std::string piece(60'000, 'x');
  for (size_t said = 0; said <= (8u << 20); said += piece.size()) {
    agent_.program().Say(agent_.program().out, piece);
    agent_.Turn();
  }
  End("");
  EXPECT_EQ(Ended().text, "systemctl said more than can be read");
}

TEST_F(ProgramCommandsTest, ACancelledRequestIsAnsweredAtOnceAndItsProgramsEndIsHarmless) {
  Begin("inventory-services");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_TRUE(answer_->is_finished);
  EXPECT_EQ(answer_->status, REEVE_ERROR_CANCELLED);
  End("Id=a.service\n");
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(ProgramCommandsTest, EnginesThatAreNotThereAreNoErrorAndOneThatFailsCostsOnlyItself) {
  agent_.RefuseProgram("podman", ENOENT, "");
  agent_.RefuseProgram("ctr", ENOENT, "");
  Begin("inventory-containers");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("docker", "ps", "--all", "--no-trunc", "--format", "{{json .}}"));
  End("", 1, "Cannot connect to the Docker daemon\n");
  EXPECT_EQ(
      Ended().value,
      R"({"total": 0, "containers": [], "failures": [{"engine": "docker", "text": "docker failed with exit code 1: )"
      R"(Cannot connect to the Docker daemon"}]})");
  agent_.RefuseProgram("docker", ENOENT, "");
  Begin("inventory-containers");
  EXPECT_EQ(Ended().value, R"({"total": 0, "containers": [], "failures": []})");
}

TEST_F(ProgramCommandsTest, ContainerdIsAskedForEachNamespace) {
  agent_.RefuseProgram("podman", ENOENT, "");
  agent_.RefuseProgram("docker", ENOENT, "");
  Begin("inventory-containers");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("ctr", "namespaces", "list", "--quiet"));
  End("k8s.io\n");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("ctr", "--namespace", "k8s.io", "containers", "list"));
  End("CONTAINER IMAGE RUNTIME\na redis io.containerd.runc.v2\n");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("ctr", "--namespace", "k8s.io", "tasks", "list"));
  End("TASK PID STATUS\na 7 RUNNING\n");
  EXPECT_EQ(Ended().value,
            R"({"total": 1, "containers": [{"engine": "containerd", "id": "a", "names": [], "image": "redis", )"
            R"("state": "running", "namespace": "k8s.io"}], "failures": []})");
}

TEST_F(ProgramCommandsTest, AProgramThatWasEndedIsNoAnswer) {
  Begin("inventory-services");
  agent_.program().Say(agent_.program().out, "Id=a.service\n");
  agent_.program().End(REEVE_PROGRAM_KILLED, 9, 1);
  Turns();
  EXPECT_EQ(Ended().text, "systemctl did not end in time");
  Begin("inventory-services");
  agent_.program().End(REEVE_PROGRAM_KILLED, 11);
  Turns();
  EXPECT_EQ(Ended().text, "systemctl was ended by signal 11");
  Begin("inventory-services");
  agent_.program().status.Reset();
  Turns();
  EXPECT_EQ(Ended().text, "systemctl ended without a status");
}

TEST_F(ProgramCommandsTest, WhatAProgramComplainsOfIsPlainText) {
  Begin("inventory-services");
  End("", 1, std::string("\x1b[31mbad\0\n\n", 11));
  EXPECT_EQ(Ended().text, "systemctl failed with exit code 1:  [31mbad");
}

TEST_F(ProgramCommandsTest, OfManyProgramsSomeWaitForTheirTurn) {
  std::vector<std::shared_ptr<Answer>> answers;
  for (size_t i = 0; i < ProgramReader::kMaxRunning + 2; ++i) {
    Begin("inventory-services");
    answers.push_back(answer_);
  }
  EXPECT_EQ(agent_.program_count(), ProgramReader::kMaxRunning);
  End("Id=a.service\n");
  EXPECT_TRUE(answers[ProgramReader::kMaxRunning - 1]->is_finished);
  EXPECT_EQ(agent_.program_count(), ProgramReader::kMaxRunning + 1);
  End("Id=b.service\n");
  End("Id=c.service\n");
  EXPECT_THAT(answers.back()->value, HasSubstr("c.service"));
}

TEST_F(ProgramCommandsTest, WhatAllProgramsSayTogetherIsBounded) {
  constexpr size_t kEach = 5u << 20;
  std::vector<std::shared_ptr<Answer>> answers;
  std::vector<FakeAgent::FakeProgram*> programs;
  const std::string piece = "Id=a.service\n" + std::string(60'000, 'x') + "\n";
  for (int i = 0; i < 6; ++i) {
    Begin("inventory-services");
    answers.push_back(answer_);
    programs.push_back(&agent_.program());
    for (size_t said = 0; said < kEach; said += piece.size()) {
      programs.back()->Say(programs.back()->out, piece);
      agent_.Turn();
    }
  }
  for (auto* program : programs) program->End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(answers.front()->status, REEVE_OK);
  EXPECT_EQ(answers.back()->text, "systemctl said more than can be read");
}

TEST_F(ProgramCommandsTest, ContainersOfOneNameAreToldByTheirNamespace) {
  agent_.RefuseProgram("podman", ENOENT, "");
  agent_.RefuseProgram("docker", ENOENT, "");
  Begin("inventory-containers");
  End("a\nb\n");
  const std::string list = "CONTAINER IMAGE RUNTIME\nsame image runc\n";
  const std::string no_tasks = "TASK PID STATUS\n";
  End(list);  // of b, which is ready first
  End(no_tasks);
  FakeAgent::FakeProgram& first = agent_.program(1);
  first.Say(first.out, list);
  first.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  End(no_tasks);
  EXPECT_LT(Ended().value.find(R"("namespace": "a")"), Ended().value.find(R"("namespace": "b")"));
}

TEST_F(ProgramCommandsTest, WishesThatCannotBeRunNothing) {
  for (const char* command : {"inventory-packages", "inventory-services", "inventory-containers"}) {
    Begin(command, R"({"limit": 0})");
    EXPECT_EQ(Ended().status, REEVE_ERROR_ARGUMENT);
    Begin(command, R"({"offset": -1})");
    EXPECT_EQ(Ended().text, "Parameter 'offset' must not be negative");
  }
  EXPECT_EQ(agent_.program_count(), 0u);
}

}  // namespace
}  // namespace reeve::inventory
