#include "base/sys.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "base/testing.h"

namespace reeve {
namespace {

TEST(SysTest, OpenNamesThePathInItsError) {
  EXPECT_THAT(sys::Open("/nowhere/at/all", O_RDONLY), FailsSaying("open /nowhere/at/all: No such file"));
}

TEST(SysTest, ReadFileRefusesWhatIsAboveItsLimit) {
  EXPECT_THAT(sys::ReadFile("/proc/self/status", 16), FailsWith(Code::kTooLarge));
}

TEST(SysTest, AMessageCarriesItsDescriptorsCloseOnExec) {
  sys::TwoFds pair = sys::SocketPair(SOCK_SEQPACKET).value();
  sys::TwoFds pipe = sys::Pipe().value();
  const iovec piece{const_cast<char*>("hello"), 5};
  const int fds[] = {pipe.first.get(), pipe.second.get()};
  REEVE_ASSERT_OK(sys::SendMessage(pair.first.get(), {&piece, 1}, fds));

  uint8_t buffer[64];
  Result<sys::ReceivedMessage> received = sys::ReceiveMessage(pair.second.get(), buffer);
  REEVE_ASSERT_OK(received);
  EXPECT_EQ(received->bytes, 5u);
  ASSERT_EQ(received->fds.size(), 2u);
  EXPECT_TRUE(::fcntl(received->fds[0].get(), F_GETFD) & FD_CLOEXEC);
}

TEST(SysTest, ATooLongMessageIsSeenAsTruncated) {
  sys::TwoFds pair = sys::SocketPair(SOCK_SEQPACKET).value();
  const iovec piece{const_cast<char*>("hello"), 5};
  REEVE_ASSERT_OK(sys::SendMessage(pair.first.get(), {&piece, 1}));
  uint8_t buffer[4];
  EXPECT_TRUE(sys::ReceiveMessage(pair.second.get(), buffer)->is_truncated);
}

TEST(SysTest, ReceivingFromAnIdlePeerDoesNotWait) {
  sys::TwoFds pair = sys::SocketPair(SOCK_SEQPACKET).value();
  uint8_t buffer[4];
  EXPECT_THAT(sys::ReceiveMessage(pair.second.get(), buffer), FailsWith(Code::kUnavailable));
}

TEST(SysTest, ASealedMemoryFileKeepsItsSize) {
  UniqueFd file = sys::MemoryFile("test", 4096).value();
  REEVE_ASSERT_OK(sys::AddSeals(file.get(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  EXPECT_NE(::ftruncate(file.get(), 0), 0);
  EXPECT_THAT(sys::Map(file.get(), 4096, PROT_READ | PROT_WRITE, MAP_SHARED), IsOk());
}

TEST(ByteReaderTest, FailsForGoodAfterTheFirstReadThatDoesNotFit) {
  const uint8_t bytes[] = {1, 2, 3};
  ByteReader reader(bytes);
  uint16_t two = 0;
  uint8_t one = 0;
  EXPECT_TRUE(reader.Take(two));
  EXPECT_EQ(two, 0x0201);
  EXPECT_FALSE(reader.Take(two));
  EXPECT_FALSE(reader.Take(one));
  EXPECT_FALSE(reader.is_at_end());
}

TEST(MemoryFileTest, OfATextIsReadFromItsBeginningAsOftenAsOneLikes) {
  const auto file = sys::MemoryFileOf("test", "a text");
  REEVE_ASSERT_OK(file);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(*sys::ReadFromStart(file->get(), 6), "a text");
  EXPECT_THAT(sys::ReadFromStart(file->get(), 5), FailsWith(Code::kTooLarge));
}

TEST(ReplaceFileTest, PutsAWholeFileInTheOthersPlaceAndFollowsNoLink) {
  std::string directory = testing::TempDir() + "/reeve-replace-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/file", trap = path + ".new";
  REEVE_ASSERT_OK(sys::ReplaceFile(path, 0600, AsBytes("longer than the next")));
  REEVE_ASSERT_OK(sys::ReplaceFile(path, 0600, AsBytes("next")));
  EXPECT_EQ(*sys::ReadFile(path, 100), "next");
  ASSERT_EQ(::symlink("file", trap.c_str()), 0);
  EXPECT_FALSE(sys::ReplaceFile(path, 0600, AsBytes("by a link")));
  EXPECT_EQ(*sys::ReadFile(path, 100), "next");
  for (const std::string& name : {trap, path}) ::unlink(name.c_str());
  ::rmdir(directory.c_str());
}

}  // namespace
}  // namespace reeve
