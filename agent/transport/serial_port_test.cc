#include "agent/transport/serial_port.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::transport {
namespace {

// A pseudo terminal: the nearest thing to a serial port that needs no device and no root.
class SerialPortTest : public testing::Test {
 protected:
  void SetUp() override {
    host_ = UniqueFd(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!host_ || ::grantpt(host_.get()) < 0 || ::unlockpt(host_.get()) < 0) GTEST_SKIP() << "no pseudo terminals";
    auto line = sys::Open(::ptsname(host_.get()), O_RDWR | O_NOCTTY);
    REEVE_ASSERT_OK(line);
    termios settings{};
    ::tcgetattr(line->get(), &settings);
    ::cfmakeraw(&settings);
    ::tcsetattr(line->get(), TCSANOW, &settings);
    auto port = SerialPort(std::move(*line), Medium::kTerminal);
    REEVE_ASSERT_OK(port);
    port_.emplace(std::move(*port));
  }
  std::array<uint8_t, 256> buffer_{};
  UniqueFd host_;
  std::optional<Connection> port_;
};

TEST_F(SerialPortTest, CarriesBytesBothWaysAndNeverWaits) {
  EXPECT_THAT(port_->Read(buffer_), FailsWith(Code::kUnavailable));
  ASSERT_THAT(sys::WriteAll(host_.get(), AsBytes("\xff{}")), IsOk());
  EXPECT_EQ(*port_->Read(buffer_), 3u);
  ByteQueue queue;
  queue.Append("reply\n");
  EXPECT_EQ(*port_->Write(queue), 6u);
  EXPECT_EQ(*sys::Read(host_.get(), buffer_), 6u);
}

TEST_F(SerialPortTest, IsWatchedByEdges) {
  EXPECT_EQ(port_->Events(false, false), uint32_t{EPOLLIN | EPOLLOUT | EPOLLET});
}

TEST_F(SerialPortTest, LineThatHungUpIsClosedAndNothingWorse) {
  host_.Reset();
  const auto read = port_->Read(buffer_);
  EXPECT_TRUE(read ? *read == 0 : read.error().code() == Code::kClosed);
  ByteQueue queue;
  queue.Append("x");
  EXPECT_THAT(port_->Write(queue), FailsWith(Code::kClosed));
}

TEST(SerialWriteTest, NeverExceeds32KiBAWrite) {
  auto pipe = sys::Pipe(O_NONBLOCK);
  REEVE_ASSERT_OK(pipe);
  auto port = SerialPort(std::move(pipe->second), Medium::kVirtioPort);
  REEVE_ASSERT_OK(port);
  ByteQueue queue;
  queue.Append(std::string(100'000, 'x'));
  EXPECT_EQ(*port->Write(queue), 32u * 1024);
}

}  // namespace
}  // namespace reeve::transport
