#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "agent/wire/core_link.h"
#include "agent/worker/plugin_loader.h"
#include "base/event_loop.h"

namespace reeve::worker {

// Requests of the core become calls of the plugin, and what it answers becomes replies: each request is finished exactly
// once, whatever the plugin does with its sink. At most max_concurrency stand open in the plugin; the others wait here.
// Not thread-safe.
class RequestServer final : public wire::CoreLink::Events {
 public:
  // `loop` and `loaded` are lent. `on_end`: the core is gone, or it was told to end and holds nothing any more; the
  // last call.
  RequestServer(EventLoop& loop, const LoadedPlugin& loaded, std::function<void()> on_end);
  ~RequestServer() override;
  RequestServer(const RequestServer&) = delete;
  RequestServer& operator=(const RequestServer&) = delete;

  // To be called before the loop runs, and again for each later core. What the last one asked and the plugin has not yet
  // is dropped; what the plugin has is carried on, and its answers go nowhere.
  void Attach(std::shared_ptr<wire::CoreLink> link);
  // From now on the end of a core is not the end of this.
  void OutliveCore() { outlives_core_ = true; }
  // The core has answered CoreLink::Quiesce.
  void WhenQuiet(std::function<void(uint64_t number)> on_quiet) { on_quiet_ = std::move(on_quiet); }
  // Ends when everything is answered.
  void EndWhenIdle();
  // No request is held.
  bool is_idle() const { return open_.empty() && waiting_.empty(); }

  void OnRequest(const wire::RequestHead& head, wire::RequestText text) override;
  void OnCancel(uint64_t request_id) override;
  void OnSettled(uint64_t request_id, bool was_sent) override;
  void OnQuiet(uint64_t number) override;
  void OnLinkClosed(const Error& error) override;

 private:
  struct Waiting {
    wire::RequestHead head;
    wire::RequestText text;
  };
  // What the plugin's `reply` points at: the C struct first, so that one is the other.
  struct Sink {
    reeve_sink abi;
    RequestServer* server;
    uint64_t request_id;
    std::shared_ptr<wire::CoreLink> link;  // of the core that asked
    const std::atomic<bool>* is_cancelled;
    uint64_t granted_bytes;
  };

  static Sink& Of(reeve_sink* sink) { return *reinterpret_cast<Sink*>(sink); }
  static int32_t Write(reeve_sink* sink, const void* bytes, uint64_t count);
  static int32_t Reserve(reeve_sink* sink, uint64_t wanted, void** place, uint64_t* granted);
  static int32_t Commit(reeve_sink* sink, uint64_t count);
  static void Finish(reeve_sink* sink, int32_t status, reeve_str text);
  static void WantSettled(reeve_sink* sink);
  static uint32_t IsCancelled(const reeve_sink* sink);

  void Pump();
  void Invoke(Waiting request);
  void End(uint64_t request_id, int32_t status, std::string_view text);
  void EndIfIdle();

  EventLoop& loop_;
  const LoadedPlugin& loaded_;
  std::function<void()> on_end_;
  std::function<void(uint64_t)> on_quiet_;
  std::shared_ptr<wire::CoreLink> link_;
  bool outlives_core_ = false;
  uint32_t max_open_;
  std::deque<Waiting> waiting_;
  std::unordered_map<uint64_t, std::unique_ptr<Sink>> open_;
  bool is_in_plugin_ = false;
  bool ends_when_idle_ = false;
  EventLoop::TimerId pump_timer_ = 0;
};

}  // namespace reeve::worker
