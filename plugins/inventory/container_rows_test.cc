#include "plugins/inventory/container_rows.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(ContainerRowsTest, PodmansListHasNamesAndTime) {
  const auto rows = PodmanContainersIn(R"([
    {"Id": "abc", "Names": ["web", "www"], "Image": "docker.io/nginx:1", "State": "running", "Created": 1700000000, "Labels": null},
    {"Id": "def", "Names": null, "Image": "", "State": "exited", "Created": "soon"},
    7])");
  REEVE_ASSERT_OK(rows);
  ASSERT_THAT(*rows, SizeIs(2));
  EXPECT_EQ((*rows)[0].id, "abc");
  EXPECT_THAT((*rows)[0].names, ElementsAre("web", "www"));
  EXPECT_EQ((*rows)[0].image, "docker.io/nginx:1");
  EXPECT_EQ((*rows)[0].state, "running");
  EXPECT_EQ((*rows)[0].created, 1700000000);
  EXPECT_EQ((*rows)[1].created, std::nullopt);
  EXPECT_THAT((*rows)[1].names, IsEmpty());
}

TEST(ContainerRowsTest, PodmanWithoutContainersIsAnEmptyList) {
  EXPECT_THAT(*PodmanContainersIn("[]\n"), IsEmpty());
  EXPECT_THAT(*PodmanContainersIn("null\n"), IsEmpty());  // podman 3
  for (const char* text : {"", "{}", "[", "podman: command failed", "[] []"}) {
    EXPECT_THAT(PodmanContainersIn(text), FailsWith(Code::kBadMessage)) << text;
  }
  EXPECT_THAT(PodmanContainersIn("[" + std::string(3 << 20, ' ') + "]"), FailsWith(Code::kTooLarge));
}

TEST(ContainerRowsTest, DockersLinesHaveATimeWithItsZone) {
  const auto rows = DockerContainersIn(
      R"({"ID":"abc","Names":"web,other/web","Image":"nginx","State":"running","CreatedAt":"2023-11-14 23:13:20 +0100 CET"})"
      "\n"
      R"({"ID":"def","Names":"x","Image":"nginx","State":"exited","CreatedAt":"long ago"})"
      "\n");
  REEVE_ASSERT_OK(rows);
  ASSERT_THAT(*rows, SizeIs(2));
  EXPECT_THAT((*rows)[0].names, ElementsAre("web", "other/web"));
  EXPECT_EQ((*rows)[0].created, 1700000000);
  EXPECT_EQ((*rows)[1].created, std::nullopt);
  EXPECT_THAT(*DockerContainersIn(""), IsEmpty());
  EXPECT_THAT(DockerContainersIn("{}\nno JSON\n"), FailsWith(Code::kBadMessage));
}

TEST(ContainerRowsTest, ContainerdTellsContainersAndTasksApart) {
  ContainerRows rows = ContainerdContainersIn(
      "CONTAINER    IMAGE                        RUNTIME                  \n"
      "b            docker.io/library/redis:7    io.containerd.runc.v2    \n"
      "a            -                            io.containerd.runc.v2    \n",
      "k8s.io");
  TakeContainerdStates("TASK    PID     STATUS    \nb       4242    RUNNING\nelse    1       STOPPED\n", rows);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].id, "a");
  EXPECT_EQ(rows[0].state, "created");
  EXPECT_EQ(rows[1].image, "docker.io/library/redis:7");
  EXPECT_EQ(rows[1].state, "running");
  EXPECT_EQ(rows[1].namespace_, "k8s.io");
}

TEST(ContainerRowsTest, NoNamespaceBecomesAnOption) {
  EXPECT_THAT(ContainerdNamespacesIn("default\nmoby\n-n\n--debug\n--address=/x\na b\n\nk8s.io\n$(x)\n" +
                                     std::string(77, 'x') + "\n"),
              ElementsAre("default", "k8s.io"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "n" + std::to_string(i) + "\n";
  EXPECT_THAT(ContainerdNamespacesIn(many), SizeIs(kMaxNamespaces));
}

TEST(ContainerRowsTest, MembersAreCutAndPlain) {
  const std::string id(300, 'x');
  const auto rows = DockerContainersIn(R"({"ID":")" + id + R"(","State":"a\u0000b\n"})");
  REEVE_ASSERT_OK(rows);
  EXPECT_EQ((*rows)[0].id, id.substr(0, 256));
  EXPECT_EQ((*rows)[0].state, "a b ");
}

}  // namespace
}  // namespace reeve::inventory
