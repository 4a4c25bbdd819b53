#include "agent/transport/listening_socket.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::transport {
namespace {

// An abstract address: no file is left behind, and the process id keeps parallel runs apart.
sockaddr_un Address(socklen_t& size) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "reeve-listening-socket-test-" + std::to_string(::getpid());
  name.copy(address.sun_path + 1, name.size());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

UniqueFd Listening() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  socklen_t size = 0;
  const sockaddr_un address = Address(size);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(fd.get(), 8), 0);
  return fd;
}

UniqueFd Client() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  socklen_t size = 0;
  const sockaddr_un address = Address(size);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  return fd;
}

TEST(ListeningSocketTest, ServesSeveralClientsAndKnowsTheirUid) {
  auto listener = ListeningSocket::Create(Listening());
  REEVE_ASSERT_OK(listener);
  const UniqueFd first = Client(), second = Client();
  for (int i = 0; i < 2; ++i) {
    const auto connection = listener->Accept();
    REEVE_ASSERT_OK(connection);
    EXPECT_EQ(connection->peer().kind, Peer::Kind::kUnix);
    EXPECT_EQ(connection->peer().uid, ::geteuid());
  }
  EXPECT_THAT(listener->Accept(), FailsWith(Code::kUnavailable));
}

TEST(ListeningSocketTest, RefusesADescriptorThatDoesNotListen) {
  EXPECT_THAT(ListeningSocket::Create(std::move(sys::SocketPair(SOCK_STREAM)->first)),
              FailsWith(Code::kInvalidArgument));
  EXPECT_FALSE(ListeningSocket::Create(std::move(sys::Pipe()->first)));
}

TEST(ListeningSocketTest, SaysThatDescriptorsAreUsedUpAndServesWhenTheyAreBack) {
  auto listener = ListeningSocket::Create(Listening());
  REEVE_ASSERT_OK(listener);
  const UniqueFd client = Client();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next_free = ::dup(client.get());
  ::close(next_free);
  const rlimit none_left{static_cast<rlim_t>(next_free), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  const auto refused = listener->Accept();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(refused, FailsWith(Code::kTooLarge));
  EXPECT_THAT(listener->Accept(), IsOk());
}

}  // namespace
}  // namespace reeve::transport
