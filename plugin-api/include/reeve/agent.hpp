#ifndef REEVE_AGENT_HPP
#define REEVE_AGENT_HPP

// The agent's interfaces (plugin.h) as C++ calls with std::function in place of callback and context. C++17 and later.
// All on the main thread, except Log and Post, which any thread may call.

#include <unistd.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "reeve/plugin.h"

namespace reeve::plugin {

inline std::string_view ViewOf(reeve_str text) {
  return text.n == 0 ? std::string_view() : std::string_view(text.p, text.n);
}
inline reeve_str StrOf(std::string_view text) {
  return {text.data(), text.size()};
}

// A descriptor that is owned: closed when this goes.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~Descriptor() { Reset(); }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Gives it away.
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// Why the agent did not do what it was asked.
struct Refusal {
  int32_t error_number = 0;  // an errno, or 0
  std::string text;          // for the host
};

struct Opened {
  Descriptor fd;                // not open: `refusal` says why
  uint64_t max_file_bytes = 0;  // the size that policy lets the file grow to; 0: no limit
  Refusal refusal;
};

struct Program {
  std::vector<std::string> arguments;                   // the program first
  std::optional<std::vector<std::string>> environment;  // NAME=value; absent: what the rule says
  uint32_t streams = 0;                                 // REEVE_STREAM_*
  uint32_t stdin_bytes = 0;                             // how much will be written to stdin
};

struct Started {
  bool runs = false;  // false: `refusal` says why
  uint32_t pid = 0;
  uint64_t program = 0;
  Descriptor status_fd, stdin_fd, stdout_fd, stderr_fd;  // open as they were asked for
  uint64_t max_output_bytes = 0;  // of each stream, as the rule has it; 0: no limit of its own. Read on, keep no more
  Refusal refusal;
};

// One per plugin, made by REEVE_PLUGIN and lent to the plugin for the life of the process.
class Agent {
 public:
  using OnOpened = std::function<void(Opened)>;
  using OnStarted = std::function<void(Started)>;
  using OnSignalled = std::function<void(const Refusal&)>;  // text empty: it was signalled
  using OnReady = std::function<void(uint32_t events)>;
  using OnQuiet = std::function<void(int32_t status)>;
  using Call = std::function<void()>;

  explicit Agent(const reeve_agent* agent)
      : agent_(agent),
        files_(Interface<reeve_agent_files>(REEVE_AGENT_FILES)),
        run_(Interface<reeve_agent_run>(REEVE_AGENT_RUN)),
        loop_(Interface<reeve_agent_loop>(REEVE_AGENT_LOOP)),
        state_(Interface<reeve_agent_state>(REEVE_AGENT_STATE)),
        freeze_(Interface<reeve_agent_freeze>(REEVE_AGENT_FREEZE)),
        renew_(Interface<reeve_agent_renew>(REEVE_AGENT_RENEW)),
        fds_(Interface<reeve_agent_fds>(REEVE_AGENT_FDS)) {}
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  const reeve_agent* abi() const { return agent_; }

  void Log(uint32_t severity, std::string_view text) const { agent_->log(agent_, severity, StrOf(text)); }

  // ---- reeve.agent.files/1. `access` is of REEVE_ACCESS_*, `flags` of REEVE_OPEN_*. Not REEVE_OK: no answer follows.
  int32_t Open(uint64_t request_id, std::string_view path, uint32_t access, uint32_t flags, OnOpened on_opened) {
    if (files_ == nullptr) return REEVE_ERROR_UNSUPPORTED;
    return Lend(std::move(on_opened), [&](void* context) {
      return files_->open(agent_, request_id, StrOf(path), access, flags, &Agent::HandleOpened, context);
    });
  }

  // ---- reeve.agent.run/1
  int32_t Run(uint64_t request_id, const Program& program, OnStarted on_started) {
    if (run_ == nullptr) return REEVE_ERROR_UNSUPPORTED;
    const std::vector<reeve_str> arguments = StrsOf(program.arguments);
    const std::vector<reeve_str> environment =
        program.environment ? StrsOf(*program.environment) : std::vector<reeve_str>();
    reeve_program raw{};
    raw.struct_size = sizeof raw;
    raw.streams = program.streams;
    raw.arguments = arguments.data();
    raw.argument_count = arguments.size();
    raw.environment = environment.data();
    raw.environment_count = environment.size();
    raw.has_environment = program.environment ? 1 : 0;
    raw.stdin_bytes = program.stdin_bytes;
    return Lend(std::move(on_started),
                [&](void* context) { return run_->run(agent_, request_id, &raw, &Agent::HandleStarted, context); });
  }
  // `request_id` 0: for the plugin's own reasons. `on_signalled` may be empty.
  int32_t Signal(uint64_t request_id, uint64_t program, int32_t signal_number, OnSignalled on_signalled = {}) {
    if (run_ == nullptr) return REEVE_ERROR_UNSUPPORTED;
    if (!on_signalled) return run_->signal(agent_, request_id, program, signal_number, nullptr, nullptr);
    return Lend(std::move(on_signalled), [&](void* context) {
      return run_->signal(agent_, request_id, program, signal_number, &Agent::HandleSignalled, context);
    });
  }

  // ---- reeve.agent.loop/1, from `Start` on. `fd` is lent until Forget, which must come before it is closed.
  int32_t Watch(int fd, uint32_t events, OnReady on_ready) {
    auto watched = std::make_shared<Watched>(Watched{this, fd, std::move(on_ready)});
    const int32_t status = loop_->watch(agent_, fd, events, &Agent::HandleReady, watched.get());
    if (status == REEVE_OK) watched_[fd] = std::move(watched);
    return status;
  }
  int32_t Change(int fd, uint32_t events) { return loop_->change(agent_, fd, events); }
  void Forget(int fd) {
    loop_->forget(agent_, fd);
    watched_.erase(fd);
  }
  uint64_t After(uint64_t delay_ms, Call call) {
    auto timer = std::make_unique<Timer>(Timer{this, 0, std::move(call)});
    Timer* const raw = timer.get();
    raw->id = loop_->after(agent_, delay_ms, &Agent::HandleTime, raw);
    timers_[raw->id] = std::move(timer);
    return raw->id;
  }
  void Cancel(uint64_t timer) {
    loop_->cancel(agent_, timer);
    timers_.erase(timer);
  }
  uint64_t NowMs() const { return loop_->now_ms(agent_); }
  // From any thread.
  int32_t Post(Call call) const {
    return Lend(std::move(call), [&](void* context) { return loop_->post(agent_, &Agent::HandlePosted, context); });
  }

  // ---- reeve.agent.state/1
  void SetHeld(uint64_t count) const {
    if (state_ != nullptr) state_->set_held(agent_, count);
  }
  struct Block {
    uint64_t first = 0;
    uint64_t count = 0;  // 0: the manifest does not ask for one
  };
  Block HandleBlock() const {
    Block block;
    if (state_ == nullptr || state_->handle_block(agent_, &block.first, &block.count) != REEVE_OK) return {};
    return block;
  }

  // ---- reeve.agent.freeze/1: does nothing in a plugin that does not freeze. Both before SetHeld.
  void SetFreezeTimeLeft(uint64_t time_left_ms) const {
    if (freeze_ != nullptr) freeze_->set_time_left(agent_, time_left_ms);
  }
  void SetFreezeEnd(std::string_view why) const {
    if (freeze_ != nullptr) freeze_->set_end(agent_, StrOf(why));
  }
  // After SetHeld, before the first is frozen. Not REEVE_OK: no answer follows.
  int32_t Quiesce(OnQuiet on_quiet) const {
    if (freeze_ == nullptr) return REEVE_ERROR_UNSUPPORTED;
    return Lend(std::move(on_quiet),
                [&](void* context) { return freeze_->quiesce(agent_, &Agent::HandleQuiet, context); });
  }

  // ---- reeve.agent.renew/1
  void Renew() const {
    if (renew_ != nullptr) renew_->renew(agent_);
  }

  // ---- reeve.agent.fds/1: lent for the life of the process; negative: not granted.
  int Inherited(std::string_view name) const {
    return fds_ == nullptr ? REEVE_ERROR_NOT_FOUND : fds_->find(agent_, StrOf(name));
  }

 private:
  struct Watched {
    Agent* owner;
    int fd;
    OnReady on_ready;
  };
  struct Timer {
    Agent* owner;
    uint64_t id;
    Call call;
  };

  template <typename T>
  const T* Interface(const char* id) const {
    const auto* found = static_cast<const T*>(agent_->get_interface(agent_, StrOf(id)));
    return found != nullptr && found->struct_size >= sizeof(T) ? found : nullptr;
  }
  static std::vector<reeve_str> StrsOf(const std::vector<std::string>& words) {
    std::vector<reeve_str> strs;
    strs.reserve(words.size());
    for (const std::string& word : words) strs.push_back(StrOf(word));
    return strs;
  }
  template <typename Function>
  struct Lent {
    const reeve_agent* agent;
    Function function;
  };
  // Gives `function` to the agent as a context, and takes it back when the agent did not accept it.
  template <typename Function, typename Ask>
  int32_t Lend(Function function, Ask ask) const {
    auto box = std::make_unique<Lent<Function>>(Lent<Function>{agent_, std::move(function)});
    const int32_t status = ask(box.get());
    if (status == REEVE_OK) static_cast<void>(box.release());
    return status;
  }
  template <typename Function, typename... Values>
  static void TakeBackAndCall(void* context, Values&&... values) noexcept {
    const std::unique_ptr<Lent<Function>> box(static_cast<Lent<Function>*>(context));
    Fenced(box->agent, [&] { box->function(std::forward<Values>(values)...); });
  }
  // An exception out of a plugin's callback is logged and goes no further; a Reply that it held answers with an error.
  template <typename Function>
  static void Fenced(const reeve_agent* agent, Function function) noexcept {
#if defined(__cpp_exceptions)
    try {
      function();
    } catch (const std::exception& exception) {
      agent->log(agent, REEVE_LOG_ERROR, StrOf(exception.what()));
    } catch (...) {
      agent->log(agent, REEVE_LOG_ERROR, StrOf("an exception of no known type"));
    }
#else
    static_cast<void>(agent);
    function();
#endif
  }

  static void HandleOpened(void* context, const reeve_opened* opened, int32_t error_number, reeve_str text) noexcept {
    Opened result;
    if (opened != nullptr) {
      result.fd.Reset(opened->fd);
      result.max_file_bytes = opened->max_file_bytes;
    }
    result.refusal = {error_number, std::string(ViewOf(text))};
    TakeBackAndCall<OnOpened>(context, std::move(result));
  }
  static void HandleStarted(void* context, const reeve_started* started, int32_t error_number,
                            reeve_str text) noexcept {
    Started result;
    if (started != nullptr) {
      result.runs = true;
      result.pid = started->pid;
      result.program = started->program;
      result.status_fd.Reset(started->status_fd);
      result.stdin_fd.Reset(started->stdin_fd);
      result.stdout_fd.Reset(started->stdout_fd);
      result.stderr_fd.Reset(started->stderr_fd);
      result.max_output_bytes = started->max_output_bytes;
    }
    result.refusal = {error_number, std::string(ViewOf(text))};
    TakeBackAndCall<OnStarted>(context, std::move(result));
  }
  static void HandleSignalled(void* context, int32_t error_number, reeve_str text) noexcept {
    TakeBackAndCall<OnSignalled>(context, Refusal{error_number, std::string(ViewOf(text))});
  }
  static void HandleQuiet(void* context, int32_t status) noexcept { TakeBackAndCall<OnQuiet>(context, status); }
  static void HandleReady(void* context, uint32_t events) noexcept {
    auto* raw = static_cast<Watched*>(context);
    const auto found = raw->owner->watched_.find(raw->fd);
    if (found == raw->owner->watched_.end()) return;
    const std::shared_ptr<Watched> alive = found->second;  // it may forget itself
    Fenced(alive->owner->agent_, [&] { alive->on_ready(events); });
  }
  static void HandleTime(void* context) noexcept {
    auto* raw = static_cast<Timer*>(context);
    auto timer = raw->owner->timers_.extract(raw->id);
    if (!timer.empty()) Fenced(timer.mapped()->owner->agent_, [&] { timer.mapped()->call(); });
  }
  static void HandlePosted(void* context) noexcept { TakeBackAndCall<Call>(context); }

  const reeve_agent* agent_;
  const reeve_agent_files* files_;
  const reeve_agent_run* run_;
  const reeve_agent_loop* loop_;
  const reeve_agent_state* state_;
  const reeve_agent_freeze* freeze_;
  const reeve_agent_renew* renew_;
  const reeve_agent_fds* fds_;
  std::unordered_map<int, std::shared_ptr<Watched>> watched_;
  std::unordered_map<uint64_t, std::unique_ptr<Timer>> timers_;
};

}  // namespace reeve::plugin

#endif  // REEVE_AGENT_HPP
