// What one message from worker to core costs, by the three ways that could carry it:
//   socket  the bytes stand in the packet itself
//   ring    one memory file for all messages, mapped once, the reader copies and then checks (agent/wire/ring.h)
//   memfd   a fresh memory file for each message, written, sealed, passed, mapped, checked
// Two processes. The writer makes the bytes by copying from a buffer, the reader looks at each byte once.
// The figures stand in docs/adr/0003-one-ring-per-direction.md.

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "agent/wire/packet.h"
#include "agent/wire/ring.h"
#include "base/check.h"
#include "base/sys.h"

namespace reeve::wire {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr uint64_t kBytesPerRun = 256ull << 20;
constexpr uint64_t kMostMessages = 40'000;

enum class Way { kSocket, kRing, kMemfd };

struct Case {
  Way way;
  uint32_t message_bytes;
  uint32_t piece_bytes = kMaxPieceBytes;
  uint32_t ring_bytes = kRingBytes;
};

Packet TakePacket(int socket_fd) {
  return std::move(*ReceiveWaiting(socket_fd));
}

template <typename Payload>
void SendPacket(int socket_fd, Type type, const Payload& payload, std::string_view tail = {}) {
  REEVE_CHECK(SendWaiting(socket_fd, Header{.type = type}, BytesOf(payload), AsBytes(tail)).has_value());
}

// Stands for the core's check: every byte is looked at.
void LookAt(Bytes bytes) {
  REEVE_CHECK(std::memchr(bytes.data(), '\n', bytes.size()) == nullptr);
}

void WriteByRing(int socket_fd, RingWriter& ring, Bytes message, uint32_t piece_bytes) {
  while (!message.empty()) {
    const std::span<uint8_t> room = ring.Reserve(static_cast<uint32_t>(std::min<size_t>(message.size(), piece_bytes)));
    if (room.empty()) {
      const Packet credit = TakePacket(socket_fd);
      REEVE_CHECK(ring.Consumed(credit.Read<Consumed>()->consumed).has_value());
      continue;
    }
    std::memcpy(room.data(), message.data(), room.size());
    const auto count = static_cast<uint32_t>(room.size());
    SendPacket(socket_fd, Type::kReply, ReplyPiece{.ring_offset = ring.Commit(count), .piece_bytes = count});
    message = message.subspan(count);
  }
}

void WriteByMemfd(int socket_fd, Bytes message) {
  UniqueFd file = std::move(*sys::MemoryFile("message", message.size()));
  {
    auto mapping = sys::Map(file.get(), message.size(), PROT_READ | PROT_WRITE, MAP_SHARED);
    std::memcpy(mapping->writable_bytes().data(), message.data(), message.size());
  }
  // The writable mapping is gone, else this seal fails with EBUSY.
  REEVE_CHECK(sys::AddSeals(file.get(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL).has_value());
  const auto count = static_cast<uint32_t>(message.size());
  const int fd = file.get();
  REEVE_CHECK(
      Send(socket_fd, Header{.type = Type::kReply}, ReplyPiece{.piece_bytes = count}, {}, {&fd, 1}).has_value());
}

// The reader gives one answer per message, so that the writer measures round trips, as requests are.
[[noreturn]] void RunWriter(const Case& run, int socket_fd, int ring_fd, uint64_t messages) {
  RingWriter ring = std::move(*RingWriter::Create(ring_fd));
  const std::vector<uint8_t> message(run.message_bytes, 'x');
  for (uint64_t i = 0; i < messages; ++i) {
    if (run.way == Way::kSocket)
      SendPacket(socket_fd, Type::kReply, ReplyPiece{.ring_offset = kInlineOffset}, AsText(message));
    if (run.way == Way::kRing) WriteByRing(socket_fd, ring, message, run.piece_bytes);
    if (run.way == Way::kMemfd) WriteByMemfd(socket_fd, message);
    while (true) {
      const Packet answer = TakePacket(socket_fd);
      if (run.way == Way::kRing) REEVE_CHECK(ring.Consumed(answer.Read<Consumed>()->consumed).has_value());
      if (answer.header.request_id != 0) break;
    }
  }
  ::_exit(0);
}

void ReadOne(const Case& run, int socket_fd, RingReader& ring, std::vector<uint8_t>& copy) {
  for (uint32_t received = 0; received < run.message_bytes;) {
    const Packet packet = TakePacket(socket_fd);
    Bytes tail;
    const ReplyPiece piece = *packet.Read<ReplyPiece>(&tail);
    if (run.way == Way::kSocket) {
      LookAt(tail);
      return;
    }
    if (run.way == Way::kMemfd) {
      REEVE_CHECK((*sys::Seals(packet.fds.at(0).get()) & F_SEAL_WRITE) != 0);
      LookAt(sys::Map(packet.fds[0].get(), piece.piece_bytes, PROT_READ, MAP_SHARED)->bytes());
      return;
    }
    const std::span<uint8_t> place(copy.data(), piece.piece_bytes);
    REEVE_CHECK(ring.CopyOut(piece.ring_offset, piece.piece_bytes, place).has_value());
    LookAt(place);
    received += piece.piece_bytes;
    if (ring.owes_credit() && received < run.message_bytes) {
      SendPacket(socket_fd, Type::kConsumed, Consumed{.consumed = ring.consumed()});
      ring.Told();
    }
  }
}

// Microseconds a message, the best of three runs.
double Measure(const Case& run) {
  double best = 1e9;
  const uint64_t messages = std::min(kMostMessages, std::max<uint64_t>(kBytesPerRun / run.message_bytes, 20));
  for (int i = 0; i < 3; ++i) {
    sys::TwoFds sockets = std::move(*sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    const UniqueFd ring_file = std::move(*MakeRing(run.ring_bytes));
    const pid_t writer = ::fork();
    if (writer == 0) RunWriter(run, sockets.second.get(), ring_file.get(), messages);
    RingReader ring = std::move(*RingReader::Create(ring_file.get()));
    std::vector<uint8_t> copy(kMaxPieceBytes);
    const auto begin = SteadyClock::now();
    for (uint64_t message = 0; message < messages; ++message) {
      ReadOne(run, sockets.first.get(), ring, copy);
      const Consumed answer{.consumed = ring.consumed()};
      REEVE_CHECK(Send(sockets.first.get(), Header{.type = Type::kConsumed, .request_id = 1}, answer).has_value());
      ring.Told();
    }
    const std::chrono::duration<double, std::micro> took = SteadyClock::now() - begin;
    ::waitpid(writer, nullptr, 0);
    best = std::min(best, took.count() / static_cast<double>(messages));
  }
  return best;
}

void Print(const char* name, const Case& run) {
  const double us = Measure(run);
  std::printf("  %-7s %8u bytes  %9.1f us  %8.0f MiB/s\n", name, run.message_bytes, us,
              run.message_bytes / us * 1e6 / (1 << 20));
  std::fflush(stdout);
}

void RunAll() {
  std::printf("One message and its answer, by size:\n");
  for (const uint32_t bytes : {64u, 1024u, 4096u, 16384u, 32768u})
    for (const auto& [name, way] : {std::pair("socket", Way::kSocket), {"ring", Way::kRing}, {"memfd", Way::kMemfd}})
      Print(name, {way, bytes});
  for (const uint32_t bytes : {262144u, 1048576u, 4194304u})
    for (const auto& [name, way] : {std::pair("ring", Way::kRing), {"memfd", Way::kMemfd}}) Print(name, {way, bytes});
  std::printf("A message of 4 MiB by the ring, by size of ring and piece:\n");
  for (const uint32_t ring : {512u << 10, 1u << 20, 4u << 20})
    for (const uint32_t piece : {32u << 10, 64u << 10, 128u << 10, 256u << 10}) {
      const std::string name = std::to_string(ring >> 10) + "/" + std::to_string(piece >> 10);
      Print(name.c_str(), {Way::kRing, 4u << 20, piece, ring});
    }
}

}  // namespace
}  // namespace reeve::wire

// `ring_bench` free, `ring_bench pinned` with both processes on one CPU.
int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "pinned") {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    ::sched_setaffinity(0, sizeof set, &set);
  }
  reeve::wire::RunAll();
}
