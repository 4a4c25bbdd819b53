#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/sys.h"
#include "reeve/plugin.h"

// An agent for unit tests of plugins: the C ABI without processes, sandbox or policy. It loads the plugin
// that is linked into the test, opens files itself, and lets the test play the programs that the plugin runs.
// One thread.

namespace reeve::test {

inline std::string_view ViewOf(reeve_str text) {
  return {text.n == 0 ? "" : text.p, text.n};
}
inline reeve_str StrOf(std::string_view text) {
  return {text.data(), text.size()};
}

// What became of one request.
struct Answer {
  bool is_finished = false;
  int32_t status = REEVE_OK;
  std::string text;   // of a failure
  std::string value;  // what was written; `{}` when nothing was
  uint64_t written_bytes = 0;
  bool wants_settled = false;
};

class FakeAgent {
 public:
  // What a plugin asked of reeve.agent.files/1.
  struct OpenRequest {
    uint64_t request_id;
    std::string path;
    uint32_t access;
    uint32_t flags;
    reeve_on_opened on_opened;
    void* context;
  };
  // A program that the plugin believes to run. The descriptors are its own ends; closing one is its end of
  // the stream.
  struct FakeProgram {
    uint64_t request_id = 0;  // 0: for none
    std::vector<std::string> arguments;
    std::optional<std::vector<std::string>> environment;
    uint32_t streams = 0;
    uint32_t stdin_bytes = 0;
    uint32_t pid = 0;
    uint64_t number = 0;
    UniqueFd status, in, out, err;

    void Say(const UniqueFd& stream, std::string_view text) { (void)!sys::Write(stream.get(), AsBytes(text)); }
    void End(uint32_t kind, int32_t value, uint32_t was_timed_out = 0) {
      const reeve_program_status record{kind, value, was_timed_out, 0};
      (void)!sys::Write(status.get(), BytesOf(record));
      status.Reset();
    }
    void CloseOutput() {
      out.Reset();
      err.Reset();
    }
  };

  FakeAgent() : loop_(std::move(*EventLoop::Create(clock_))) {
    agent_ = {sizeof agent_,  REEVE_ABI_MAJOR, REEVE_ABI_MINOR,          REEVE_ABI_DRAFT,
              StrOf("reeve"), StrOf("0"),      &FakeAgent::GetInterface, &FakeAgent::LogLine};
    self_ = this;
    files_ = {sizeof files_, 0, &FakeAgent::AskToOpen};
    run_ = {sizeof run_, 0, &FakeAgent::AskToRun, &FakeAgent::AskToSignal};
    loop_interface_ = {sizeof loop_interface_, 0,
                       &FakeAgent::Watch,      &FakeAgent::Change,
                       &FakeAgent::Forget,     &FakeAgent::After,
                       &FakeAgent::Cancel,     &FakeAgent::NowMs,
                       &FakeAgent::Post};
    freeze_ = {sizeof freeze_, 0, &FakeAgent::SetFreezeTimeLeft, &FakeAgent::SetFreezeEnd, &FakeAgent::Quiesce};
    renew_ = {sizeof renew_, 0, &FakeAgent::Renew};
    state_ = {sizeof state_, 0, &FakeAgent::SetHeld, &FakeAgent::HandleBlock};
  }
  ~FakeAgent() {
    if (plugin_.destroy != nullptr) plugin_.destroy(plugin_.self);
    self_ = nullptr;
  }

  // Query, create, configure, activate, start. Returns the first status that is not REEVE_OK.
  int32_t Load(std::string_view settings = "{}") {
    EXPECT_EQ(reeve_plugin_query(&agent_, &descriptor_), REEVE_OK);
    plugin_.struct_size = sizeof plugin_;
    if (int32_t status = descriptor_->create(&agent_, &plugin_); status != REEVE_OK) return status;
    if (int32_t status = plugin_.configure(plugin_.self, StrOf(settings)); status != REEVE_OK) return status;
    if (int32_t status = plugin_.activate(plugin_.self); status != REEVE_OK) return status;
    return plugin_.start(plugin_.self);
  }
  std::vector<std::string> CommandNames() const {
    std::vector<std::string> names;
    for (uint32_t i = 0; i < descriptor_->command_count; ++i) names.emplace_back(ViewOf(descriptor_->commands[i].name));
    return names;
  }
  const reeve_plugin& plugin() const { return plugin_; }

  // Hands the request in; the answer is filled in when it comes.
  std::shared_ptr<Answer> Begin(std::string_view command, std::string_view arguments, uint32_t channel = 0) {
    auto sink = std::make_unique<Sink>(this, ++last_request_id_);
    const auto answer = sink->answer;
    reeve_request request{};
    request.struct_size = sizeof request;
    request.command = CommandIndex(command);
    request.id = last_request_id_;
    request.arguments = StrOf(arguments);
    request.channel = channel;
    request.deadline_ms = deadline_ms_;
    reeve_sink* const raw = &sink->abi;
    sinks_[request.id] = std::move(sink);
    const int32_t status = plugin_.invoke(plugin_.self, &request, raw);
    EXPECT_EQ(status, REEVE_OK);
    return answer;
  }
  // Begin, then turns of the loop until it is answered.
  Answer Call(std::string_view command, std::string_view arguments, uint32_t channel = 0) {
    const auto answer = Begin(command, arguments, channel);
    for (int turns = 0; turns < 100 && !answer->is_finished; ++turns) Turn();
    EXPECT_TRUE(answer->is_finished) << command << " " << arguments.substr(0, 200);
    return *answer;
  }
  // Of the requests that follow; 0: none.
  void SetDeadline(uint32_t deadline_ms) { deadline_ms_ = deadline_ms; }
  uint64_t last_request_id() const { return last_request_id_; }
  void CancelRequest(uint64_t request_id) {
    sinks_.at(request_id)->is_cancelled = true;
    plugin_.cancel(plugin_.self, request_id);
  }
  void Settle(uint64_t request_id, bool was_sent) { plugin_.settled(plugin_.self, request_id, was_sent ? 1 : 0); }

  // One turn of the loop, without waiting, after the answers that were held back in AnswerOpens.
  void Turn() {
    if (answers_opens_) AnswerOpens();
    EXPECT_TRUE(loop_.RunOnce(std::chrono::milliseconds(0)).has_value());
  }
  void Advance(std::chrono::nanoseconds by) {
    clock_.Advance(by);
    Turn();
  }

  // ---- Files: opened for real, unless the test holds the answers back or refuses.
  void LimitFiles(uint64_t max_file_bytes) { max_file_bytes_ = max_file_bytes; }
  // What the plugin said of its freeze.
  uint64_t freeze_time_left_ms() const { return freeze_time_left_ms_; }
  const std::string& freeze_end() const { return freeze_end_; }
  // From now on who asks for quiet waits for AnswerQuiet; else it is given at the next turn.
  void HoldQuiet() { answers_quiet_ = false; }
  bool is_quiet_wanted() const { return quiet_.has_value(); }
  void AnswerQuiet(int32_t status) {
    const auto quiet = *std::exchange(quiet_, std::nullopt);
    quiet.first(quiet.second, status);
  }
  // How often the plugin wanted another process in its place.
  int renewals() const { return renewals_; }
  void HoldOpens() { answers_opens_ = false; }
  void RefuseOpens(int32_t error_number, std::string text) { open_refusal_ = {error_number, std::move(text)}; }
  std::vector<OpenRequest>& opens() { return opens_; }
  void AnswerOpens() {
    for (const OpenRequest& request : std::exchange(opens_, {})) {
      if (open_refusal_) {
        request.on_opened(request.context, nullptr, open_refusal_->first, StrOf(open_refusal_->second));
        continue;
      }
      Result<UniqueFd> file = sys::Open(request.path, OpenFlags(request), 0644);
      const reeve_opened opened{sizeof opened, file ? file->Release() : -1, max_file_bytes_};
      request.on_opened(request.context, file ? &opened : nullptr, file ? 0 : file.error().system_errno(),
                        StrOf(file ? std::string() : file.error().message()));
    }
  }

  // ---- Programs: the last one that was started. Refused when the test says so.
  void RefusePrograms(int32_t error_number, std::string text) { run_refusal_ = {error_number, std::move(text)}; }
  // Only those that are asked for by this name.
  void RefuseProgram(const std::string& name, int32_t error_number, std::string text) {
    run_refusals_[name] = {error_number, std::move(text)};
  }
  FakeProgram& program() { return *programs_.back(); }
  FakeProgram& program(size_t index) { return *programs_.at(index); }  // in the order of their start
  size_t program_count() const { return programs_.size(); }
  void SetNextPid(uint32_t pid) { next_pid_ = pid; }
  // What their rule lets each of their streams give.
  void LimitOutput(uint64_t max_output_bytes) { max_output_bytes_ = max_output_bytes; }

  // What the answer to a signal is: by default that it was sent.
  void RefuseSignals(int32_t error_number, std::string text) { signal_refusal_ = {error_number, std::move(text)}; }
  // What was signalled: the program's number and the signal.
  const std::vector<std::pair<uint64_t, int32_t>>& signals() const { return signals_; }

  uint64_t held() const { return held_; }
  void WithoutHandleBlock() { has_handle_block_ = false; }
  // The most that `reserve` grants at once.
  void GrantAtMost(uint64_t bytes) { granted_at_most_ = bytes; }
  // Replies are counted, not kept.
  void DropValues() { drops_values_ = true; }
  // Called before each piece of a reply is accepted.
  void OnPiece(std::function<void()> on_piece) { on_piece_ = std::move(on_piece); }
  std::vector<std::string>& log() { return log_; }

 private:
  struct Sink {
    Sink(FakeAgent* agent, uint64_t request_id) : owner(agent), id(request_id) {
      abi = {sizeof abi,        0, &Sink::Write, &Sink::Reserve, &Sink::Commit, &Sink::Finish, &Sink::WantSettled,
             &Sink::IsCancelled};
    }
    static Sink& Of(reeve_sink* sink) { return *reinterpret_cast<Sink*>(sink); }
    static int32_t Write(reeve_sink* raw, const void* bytes, uint64_t count) {
      return Of(raw).Take({static_cast<const char*>(bytes), count});
    }
    static int32_t Reserve(reeve_sink* raw, uint64_t wanted, void** place, uint64_t* granted) {
      Sink& sink = Of(raw);
      EXPECT_FALSE(sink.is_reserved);
      EXPECT_GT(wanted, 0u);
      if (sink.is_cancelled) return REEVE_ERROR_CANCELLED;
      sink.is_reserved = true;
      sink.room.resize(std::min(wanted, sink.owner->granted_at_most_));
      *place = sink.room.data();
      *granted = sink.room.size();
      return REEVE_OK;
    }
    static int32_t Commit(reeve_sink* raw, uint64_t count) {
      Sink& sink = Of(raw);
      EXPECT_TRUE(sink.is_reserved);
      EXPECT_LE(count, sink.room.size());
      sink.is_reserved = false;
      return sink.Take(std::string_view(sink.room).substr(0, count));
    }
    int32_t Take(std::string_view text) {
      EXPECT_FALSE(is_reserved);
      if (owner->on_piece_) owner->on_piece_();
      if (is_cancelled) return REEVE_ERROR_CANCELLED;
      answer->written_bytes += text.size();
      if (!owner->drops_values_) answer->value += text;
      return REEVE_OK;
    }
    static void Finish(reeve_sink* raw, int32_t status, reeve_str text) {
      Sink& sink = Of(raw);
      EXPECT_FALSE(sink.answer->is_finished) << "a request was answered twice";
      EXPECT_FALSE(sink.is_reserved);
      sink.answer->is_finished = true;
      sink.answer->status = status;
      sink.answer->text = ViewOf(text);
      if (sink.answer->written_bytes == 0) sink.answer->value = "{}";
      const uint64_t id = sink.id;
      sink.owner->sinks_.erase(id);
    }
    static void WantSettled(reeve_sink* raw) { Of(raw).answer->wants_settled = true; }
    static uint32_t IsCancelled(const reeve_sink* raw) {
      return reinterpret_cast<const Sink*>(raw)->is_cancelled ? 1 : 0;
    }

    reeve_sink abi{};  // first: a reeve_sink* is a Sink*
    FakeAgent* owner;
    uint64_t id;
    std::shared_ptr<Answer> answer = std::make_shared<Answer>();
    std::string room;
    bool is_reserved = false;
    bool is_cancelled = false;
  };

  uint32_t CommandIndex(std::string_view name) const {
    const std::vector<std::string> names = CommandNames();
    const auto found = std::find(names.begin(), names.end(), name);
    EXPECT_NE(found, names.end()) << name;
    return static_cast<uint32_t>(found - names.begin());
  }
  static int OpenFlags(const OpenRequest& request) {
    const bool reads = (request.access & REEVE_ACCESS_READ) != 0, writes = (request.access & REEVE_ACCESS_WRITE) != 0;
    int flags = (reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    if (request.access & REEVE_ACCESS_CREATE) flags |= O_CREAT;
    if (request.flags & REEVE_OPEN_TRUNCATE) flags |= O_TRUNC;
    if (request.flags & REEVE_OPEN_APPEND) flags |= O_APPEND;
    return flags;
  }

  static const void* GetInterface(const reeve_agent*, reeve_str raw_id) {
    const std::string_view id = ViewOf(raw_id);
    if (id == REEVE_AGENT_FILES) return &self_->files_;
    if (id == REEVE_AGENT_RUN) return &self_->run_;
    if (id == REEVE_AGENT_LOOP) return &self_->loop_interface_;
    if (id == REEVE_AGENT_STATE) return &self_->state_;
    if (id == REEVE_AGENT_FREEZE) return &self_->freeze_;
    if (id == REEVE_AGENT_RENEW) return &self_->renew_;
    return nullptr;
  }
  static void SetFreezeTimeLeft(const reeve_agent*, uint64_t time_left_ms) {
    self_->freeze_time_left_ms_ = time_left_ms;
  }
  static void SetFreezeEnd(const reeve_agent*, reeve_str why) { self_->freeze_end_ = ViewOf(why); }
  static int32_t Quiesce(const reeve_agent*, reeve_on_quiet on_quiet, void* context) {
    EXPECT_GT(self_->held_, 0u) << "quiet is wanted for nothing";
    self_->quiet_ = {on_quiet, context};
    if (self_->answers_quiet_) self_->loop_.After(std::chrono::nanoseconds(0), [] { self_->AnswerQuiet(REEVE_OK); });
    return REEVE_OK;
  }
  static void Renew(const reeve_agent*) { ++self_->renewals_; }
  static void LogLine(const reeve_agent*, uint32_t, reeve_str text) {
    if (self_ != nullptr) self_->log_.emplace_back(ViewOf(text));
  }
  static int32_t AskToOpen(const reeve_agent*, uint64_t request_id, reeve_str path, uint32_t access, uint32_t flags,
                           reeve_on_opened on_opened, void* context) {
    self_->opens_.push_back({request_id, std::string(ViewOf(path)), access, flags, on_opened, context});
    return REEVE_OK;
  }

  static std::optional<std::pair<int32_t, std::string>> RefusalOf(std::string_view program) {
    const auto found = self_->run_refusals_.find(std::string(program));
    return found == self_->run_refusals_.end() ? self_->run_refusal_ : std::optional(found->second);
  }
  // The answer comes in the next turn, never before this returns.
  static int32_t AskToRun(const reeve_agent*, uint64_t request_id, const reeve_program* asked,
                          reeve_on_started on_started, void* context) {
    if (const auto refusal = RefusalOf(ViewOf(asked->arguments[0]))) {
      self_->loop_.After(std::chrono::nanoseconds(0), [on_started, context, refusal] {
        on_started(context, nullptr, refusal->first, StrOf(refusal->second));
      });
      return REEVE_OK;
    }
    auto program = std::make_unique<FakeProgram>();
    for (uint64_t i = 0; i < asked->argument_count; ++i) program->arguments.emplace_back(ViewOf(asked->arguments[i]));
    if (asked->has_environment != 0) {
      program->environment.emplace();
      for (uint64_t i = 0; i < asked->environment_count; ++i) {
        program->environment->emplace_back(ViewOf(asked->environment[i]));
      }
    }
    program->request_id = request_id;
    program->streams = asked->streams;
    program->stdin_bytes = asked->stdin_bytes;
    program->pid = self_->next_pid_++;
    program->number = self_->programs_.size() + 1;
    reeve_started started{sizeof started, program->pid, program->number, -1, -1, -1, -1, self_->max_output_bytes_};
    ForPlugin(program->status, started.status_fd);
    if (asked->streams & REEVE_STREAM_STDIN) ToPlugin(program->in, started.stdin_fd);
    if (asked->streams & REEVE_STREAM_STDOUT) ForPlugin(program->out, started.stdout_fd);
    if (asked->streams & REEVE_STREAM_STDERR) ForPlugin(program->err, started.stderr_fd);
    self_->programs_.push_back(std::move(program));
    self_->loop_.After(std::chrono::nanoseconds(0),
                       [started, on_started, context] { on_started(context, &started, 0, StrOf("")); });
    return REEVE_OK;
  }
  static void ForPlugin(UniqueFd& writing, int32_t& reading) {
    sys::TwoFds pipe = sys::Pipe(O_NONBLOCK).value();
    reading = pipe.first.Release();
    writing = std::move(pipe.second);
  }
  static void ToPlugin(UniqueFd& reading, int32_t& writing) {
    sys::TwoFds pipe = sys::Pipe(O_NONBLOCK).value();
    reading = std::move(pipe.first);
    writing = pipe.second.Release();
  }
  static int32_t AskToSignal(const reeve_agent*, uint64_t, uint64_t program, int32_t signal_number,
                             reeve_on_signalled on_signalled, void* context) {
    self_->signals_.emplace_back(program, signal_number);
    if (on_signalled == nullptr) return REEVE_OK;
    self_->loop_.After(std::chrono::nanoseconds(0), [on_signalled, context] {
      on_signalled(context, self_->signal_refusal_.first, StrOf(self_->signal_refusal_.second));
    });
    return REEVE_OK;
  }

  static int32_t Watch(const reeve_agent*, int32_t fd, uint32_t events, reeve_on_ready on_ready, void* context) {
    const Status watched =
        self_->loop_.Watch(fd, events, [on_ready, context](uint32_t ready) { on_ready(context, ready); });
    EXPECT_TRUE(watched.has_value());
    return watched ? REEVE_OK : REEVE_ERROR_FAILED;
  }
  static int32_t Change(const reeve_agent*, int32_t fd, uint32_t events) {
    return self_->loop_.Change(fd, events) ? REEVE_OK : REEVE_ERROR_FAILED;
  }
  static void Forget(const reeve_agent*, int32_t fd) { self_->loop_.Forget(fd); }
  static uint64_t After(const reeve_agent*, uint64_t delay_ms, reeve_on_time on_time, void* context) {
    return self_->loop_.After(std::chrono::milliseconds(delay_ms), [on_time, context] { on_time(context); });
  }
  static void Cancel(const reeve_agent*, uint64_t timer) { self_->loop_.Cancel(timer); }
  static uint64_t NowMs(const reeve_agent*) {
    return static_cast<uint64_t>(self_->clock_.Now() / std::chrono::milliseconds(1));
  }
  static int32_t Post(const reeve_agent*, reeve_on_time call, void* context) {
    self_->loop_.After(std::chrono::nanoseconds(0), [call, context] { call(context); });
    return REEVE_OK;
  }
  static void SetHeld(const reeve_agent*, uint64_t count) { self_->held_ = count; }
  static int32_t HandleBlock(const reeve_agent*, uint64_t* first, uint64_t* count) {
    if (!self_->has_handle_block_) return REEVE_ERROR_NOT_FOUND;
    *first = 1000;
    *count = 65536;
    return REEVE_OK;
  }

  // The C functions above get a reeve_agent* without a context of its own; there is one agent at a time.
  inline static FakeAgent* self_ = nullptr;

  FakeClock clock_;
  EventLoop loop_;
  reeve_agent agent_{};
  reeve_agent_files files_{};
  reeve_agent_run run_{};
  reeve_agent_loop loop_interface_{};
  reeve_agent_state state_{};
  reeve_agent_freeze freeze_{};
  uint64_t freeze_time_left_ms_ = 0;
  std::string freeze_end_;
  bool answers_quiet_ = true;
  std::optional<std::pair<reeve_on_quiet, void*>> quiet_;
  reeve_agent_renew renew_{};
  int renewals_ = 0;
  const reeve_descriptor* descriptor_ = nullptr;
  reeve_plugin plugin_{};
  uint64_t last_request_id_ = 0;
  uint32_t deadline_ms_ = 0;
  std::map<uint64_t, std::unique_ptr<Sink>> sinks_;
  bool answers_opens_ = true;
  uint64_t max_file_bytes_ = 0;
  std::vector<OpenRequest> opens_;
  std::optional<std::pair<int32_t, std::string>> open_refusal_;
  std::vector<std::unique_ptr<FakeProgram>> programs_;
  std::optional<std::pair<int32_t, std::string>> run_refusal_;
  std::map<std::string, std::pair<int32_t, std::string>> run_refusals_;
  std::pair<int32_t, std::string> signal_refusal_ = {0, ""};
  std::vector<std::pair<uint64_t, int32_t>> signals_;
  uint32_t next_pid_ = 4711;
  uint64_t max_output_bytes_ = 0;
  uint64_t held_ = 0;
  bool has_handle_block_ = true;
  uint64_t granted_at_most_ = 64 * 1024;
  bool drops_values_ = false;
  std::function<void()> on_piece_;
  std::vector<std::string> log_;
};

}  // namespace reeve::test
