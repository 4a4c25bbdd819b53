#include "tools/reevectl/control_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/json_writer.h"
#include "base/unique_fd.h"

namespace reeve::reevectl {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// An agent that says what the test wants, once.
class ControlClientTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/reeve-control-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/control";
  }
  void TearDown() override {
    if (agent_.joinable()) agent_.join();
    std::filesystem::remove_all(directory_);
  }
  void Listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_.get(), 1), 0);
  }
  void AnswerWith(std::string text) {
    Listen();
    agent_ = std::thread([this, text = std::move(text)] {
      const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      char request[256];
      const ssize_t count = ::read(client.get(), request, sizeof request);
      asked_.assign(request, count > 0 ? static_cast<size_t>(count) : 0);
      for (size_t sent = 0; sent < text.size();) {
        const ssize_t now = ::send(client.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (now <= 0) return;
        sent += static_cast<size_t>(now);
      }
    });
  }

  std::string directory_, path_, asked_;
  UniqueFd listener_;
  std::thread agent_;
};

TEST_F(ControlClientTest, GivesTheValueOfTheReply) {
  AnswerWith("{\"return\": {\"a\": [1]}}\n");
  const auto value = Ask(path_, "reeve-status");
  ASSERT_TRUE(value.has_value()) << value.error().why;
  EXPECT_EQ(json::Write(*value), "{\"a\": [1]}");
  agent_.join();
  EXPECT_EQ(asked_, "{\"execute\": \"reeve-status\"}\n");
}

TEST_F(ControlClientTest, NobodyThereIsNotRunning) {
  const auto nothing = Ask(path_, "x");
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().kind, NoAnswer::Kind::kNotRunning);
  Listen();
  listener_.Reset();  // the file stays
  const auto refused = Ask(path_, "x");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, NoAnswer::Kind::kNotRunning);
}

TEST_F(ControlClientTest, WaitsNotForeverForAnAgentThatDoesNotAccept) {
  Listen();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) {  // the later ones find the queue full
    const auto answer = Ask(path_, "x", milliseconds(60));
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().kind, NoAnswer::Kind::kNoReply);
    EXPECT_THAT(answer.error().why, HasSubstr("no answer at " + path_ + " within 60 ms"));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(ControlClientTest, ReadsNoReplyWithoutEnd) {
  AnswerWith(std::string(2 * kMaxReplyBytes, 'x'));
  const auto answer = Ask(path_, "x", milliseconds(20'000));
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().why, HasSubstr("too large"));
}

TEST_F(ControlClientTest, TellsAnErrorOfTheAgent) {
  AnswerWith("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command x has not been found\"}}\n");
  const auto answer = Ask(path_, "x");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().why, "The command x has not been found");
}

TEST_F(ControlClientTest, TellsAnEndAmidTheReplyAndWhatIsNoJson) {
  AnswerWith("{\"return\": ");
  EXPECT_THAT(Ask(path_, "x").error().why, HasSubstr("was closed before the answer"));
  TearDown();
  SetUp();
  AnswerWith("nonsense\n");
  EXPECT_THAT(Ask(path_, "x").error().why, HasSubstr("no JSON"));
}

}  // namespace
}  // namespace reeve::reevectl
