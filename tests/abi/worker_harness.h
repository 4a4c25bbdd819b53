#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/wire/packet.h"
#include "agent/wire/start_record.h"
#include "agent/wire/worker_link.h"
#include "base/event_loop.h"
#include "base/testing.h"

namespace reeve::abi_test {

// What the commands of good.c and bad_*.c are called in their manifest.
wire::StartRecord RecordOfBad(const std::string& plugin);
// Where a plugin was built: in this tree, or when ABI 1.0 was frozen (tests/abi/golden).
enum class Build { kOfThisTree, kGolden };
void PrintTo(Build build, std::ostream* out);
// `hello` or `probe`.
std::string PathOf(Build build, const std::string& plugin);

// The real reeve-worker, in its real filters, with this process in the place of warden and core. What it logs goes to
// `log()`. It is killed at the end when it still runs. Under sanitizers the filters let everything pass.
class WorkerHarness final : public wire::WorkerLink::Events {
 public:
  struct Reply {
    int32_t status = 0;
    std::string text;  // of an error
    std::string json;
    bool wants_settled = false;
  };

  explicit WorkerHarness(wire::StartRecord record);
  ~WorkerHarness() override;

  // As the warden.
  wire::Packet ExpectFromWorker(wire::Type type);
  void SendAsWarden(wire::Type type, uint64_t request_id = 0, Bytes payload = {}, Bytes tail = {},
                    std::span<const int> fds = {});
  // kHello and kConfined come, kLoad goes.
  void LetLoad();
  // And kReady comes, kServe goes; a WorkerLink stands.
  void LetServe();

  // As the core. Waits for the reply.
  Reply Call(uint32_t command, std::string_view arguments);
  void Send(uint64_t id, uint32_t command, std::string_view arguments);
  Reply WaitForReply(uint64_t id);
  wire::WorkerLink& link() { return *link_; }
  void CloseCore() { link_.reset(); }

  // Whether it says anything to the warden, or ends, within that time.
  bool SaysAnythingWithin(std::chrono::milliseconds time);
  // Whether kReady waits to be read.
  bool has_said_ready();
  // Waits for its end; what wait(2) says, or nothing when it still runs after 10 s.
  std::optional<int> WaitForEnd();
  std::string log();
  uint64_t held() const { return held_; }
  // Of the freezing plugin: "TIME_LEFT_MS WHY".
  const std::vector<std::string>& notes() const { return notes_; }
  const std::vector<std::string>& lines() const { return lines_; }

  void OnReplyPiece(uint64_t id, Bytes piece) override { replies_[id].json += AsText(piece); }
  void OnReplyEnd(uint64_t id, int32_t status, std::string_view text, bool wants_settled) override;
  void OnHold(uint64_t held) override { held_ = held; }
  void OnQuiesce(uint64_t) override {}
  void OnRenew() override {}
  void OnFreezeNote(uint64_t time_left_ms, std::string_view why) override {
    notes_.push_back(std::to_string(time_left_ms) + " " + std::string(why));
  }
  void OnPong(uint64_t) override {}
  void OnLogLine(Severity, std::string_view text) override { lines_.emplace_back(text); }
  void OnLinkClosed(const Error& error) override { closed_ = error; }

 private:
  MonotonicClock clock_;
  EventLoop loop_;
  wire::StartRecord record_;
  UniqueFd control_, core_, ring_to_, ring_from_, log_read_;
  pid_t pid_ = -1;
  std::unique_ptr<wire::WorkerLink> link_;
  std::map<uint64_t, Reply> replies_;
  std::map<uint64_t, bool> ended_;
  std::optional<Error> closed_;
  std::vector<std::string> lines_;
  std::vector<std::string> notes_;
  std::string log_;
  uint64_t held_ = 0;
  uint64_t last_id_ = 0;
};

}  // namespace reeve::abi_test
