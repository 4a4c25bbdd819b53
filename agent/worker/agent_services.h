#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/worker/warden_client.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "reeve/plugin.h"

namespace reeve::worker {

// What of the start record the interfaces answer from.
struct ServicesSetup {
  uint64_t handle_base = 0;
  uint64_t handle_count = 0;
  std::vector<std::string> inherited_names;
  int first_inherited_fd = -1;  // the i-th name's descriptor is this + i
  bool freezes = false;         // it gets reeve.agent.freeze/1
};

// The agent as a plugin sees it: reeve_agent and the interfaces of plugin.h, put on the worker's loop and its socket to
// the warden. One per process. On the main thread, but for what plugin.h marks [any].
class AgentServices {
 public:
  // `loop` and `warden` are lent for the life of the process. Opens what `post` needs, so: before the run sandbox.
  static Result<std::unique_ptr<AgentServices>> Create(EventLoop& loop, WardenClient& warden, ServicesSetup setup);
  AgentServices(const AgentServices&) = delete;
  AgentServices& operator=(const AgentServices&) = delete;

  // For the plugin.
  reeve_agent& abi() { return handle_.abi; }
  // Until this is called get_interface gives NULL (plugin.h: reeve_plugin_query).
  void OpenInterfaces() { has_interfaces_ = true; }
  // What the plugin tells of its freeze.
  struct FreezeNote {
    uint64_t time_left_ms = 0;  // 0: no end by itself
    std::string why;            // it ends; empty: it does not
  };
  // Told at each such note, and at once what is so; before OnHold.
  void OnFreezeNote(std::function<void(const FreezeNote& note)> on_note);
  // Told of each wish for quiet: NoteQuiet is due from each part of the agent that writes logs.
  void OnQuiesce(std::function<void(uint64_t number)> on_quiesce) { on_quiesce_ = std::move(on_quiesce); }
  enum class QuietPart : uint8_t { kCore = 1, kWarden = 2 };
  // That part is quiet. `number` may be of a wish that is over.
  void NoteQuiet(QuietPart part, uint64_t number);
  // How long a plugin waits for quiet at most.
  static constexpr std::chrono::seconds kQuietPatience{2};
  // Told when the plugin wants another process in place of this.
  void OnRenew(std::function<void()> on_renew) { on_renew_ = std::move(on_renew); }
  // Told at each change of what the plugin holds, and at once what it is.
  void OnHold(std::function<void(uint64_t held)> on_hold);

 private:
  // What the plugin's `agent` points at: a C struct first, so that one is the other.
  struct Handle {
    reeve_agent abi;
    AgentServices* services;
  };
  struct Posted {
    reeve_on_time call;
    void* context;
  };
  struct QuietWish {
    reeve_on_quiet on_quiet;
    void* context;
    uint8_t quiet_parts = 0;
    EventLoop::TimerId timer = 0;
  };

  AgentServices(EventLoop& loop, WardenClient& warden, ServicesSetup setup, UniqueFd wake);
  static AgentServices& Of(const reeve_agent* agent) { return *reinterpret_cast<const Handle*>(agent)->services; }
  const void* Interface(std::string_view id) const;
  void RunPosted();

  // reeve_agent
  static const void* GetInterface(const reeve_agent* agent, reeve_str id);
  static void WriteLog(const reeve_agent* agent, uint32_t severity, reeve_str text);
  // reeve.agent.files/1
  static int32_t Open(const reeve_agent* agent, uint64_t request_id, reeve_str path, uint32_t access, uint32_t flags,
                      reeve_on_opened on_opened, void* context);
  // reeve.agent.run/1
  static int32_t Run(const reeve_agent* agent, uint64_t request_id, const reeve_program* program,
                     reeve_on_started on_started, void* context);
  static int32_t Signal(const reeve_agent* agent, uint64_t request_id, uint64_t program, int32_t signal_number,
                        reeve_on_signalled on_signalled, void* context);
  // reeve.agent.loop/1
  static int32_t Watch(const reeve_agent* agent, int32_t fd, uint32_t events, reeve_on_ready on_ready, void* context);
  static int32_t Change(const reeve_agent* agent, int32_t fd, uint32_t events);
  static void Forget(const reeve_agent* agent, int32_t fd);
  static uint64_t After(const reeve_agent* agent, uint64_t delay_ms, reeve_on_time on_time, void* context);
  static void Cancel(const reeve_agent* agent, uint64_t timer);
  static uint64_t NowMs(const reeve_agent* agent);
  static int32_t Post(const reeve_agent* agent, reeve_on_time call, void* context);
  // reeve.agent.state/1
  static void SetHeld(const reeve_agent* agent, uint64_t count);
  static int32_t HandleBlock(const reeve_agent* agent, uint64_t* first, uint64_t* count);
  // reeve.agent.freeze/1
  static void SetTimeLeft(const reeve_agent* agent, uint64_t time_left_ms);
  static void SetEnd(const reeve_agent* agent, reeve_str why);
  static int32_t Quiesce(const reeve_agent* agent, reeve_on_quiet on_quiet, void* context);
  // reeve.agent.renew/1
  static void Renew(const reeve_agent* agent);
  // reeve.agent.fds/1
  static int32_t Find(const reeve_agent* agent, reeve_str name);

  static const reeve_agent_files kFiles;
  static const reeve_agent_run kRun;
  static const reeve_agent_loop kLoop;
  static const reeve_agent_state kState;
  static const reeve_agent_freeze kFreeze;
  static const reeve_agent_renew kRenew;
  static const reeve_agent_fds kFds;

  EventLoop& loop_;
  WardenClient& warden_;
  const ServicesSetup setup_;
  Handle handle_;
  bool has_interfaces_ = false;
  std::function<void(uint64_t)> on_hold_;
  uint64_t held_ = 0;
  void NoteFreeze(std::string why);
  std::function<void(const FreezeNote&)> on_freeze_note_;
  void EndQuietWish(int32_t status);
  std::function<void(uint64_t)> on_quiesce_;
  std::optional<QuietWish> quiet_wish_;
  uint64_t quiet_number_ = 0;  // of the last wish
  std::function<void()> on_renew_;
  std::optional<RunningTime> thaws_at_;
  UniqueFd wake_;  // eventfd(2): something was posted
  std::mutex posted_mutex_;
  std::vector<Posted> posted_;
};

}  // namespace reeve::worker
