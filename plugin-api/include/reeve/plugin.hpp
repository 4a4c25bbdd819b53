#ifndef REEVE_PLUGIN_HPP
#define REEVE_PLUGIN_HPP

// A plugin in C++17 or later: header-only, no link-time dependency on the agent. Exceptions are caught at the edge.
//
//   class Hello : public reeve::plugin::Plugin {
//    public:
//     using Plugin::Plugin;
//     void Greet(const Request& request, Reply& reply) { reply.Return(R"({"text": "hello"})"); }
//   };
//   const reeve::plugin::Command<Hello> kCommands[] = {{"__com.example_hello", &Hello::Greet}};
//   REEVE_PLUGIN(Hello, (reeve::plugin::Identity{"com.example.hello", "1.0.0", "Example", "Apache-2.0"}), kCommands)

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "reeve/agent.hpp"
#include "reeve/json.hpp"
#include "reeve/plugin.h"

namespace reeve::plugin {

// What a command may throw to answer with an error: a status of plugin.h and the host's text.
class Failure : public std::runtime_error {
 public:
  Failure(int32_t status, const std::string& text) : std::runtime_error(text), status_(status) {}
  int32_t status() const { return status_; }

 private:
  int32_t status_;
};

struct Request {
  uint64_t id = 0;
  const Arguments& arguments;  // good until the command returns
  uint32_t channel = 0;
  uint32_t peer_kind = 0;  // REEVE_PEER_*
  uint32_t peer_number = 0;
  uint32_t deadline_ms = 0;  // 0: none
};

// The answer to one request. A command that answers later moves it away and keeps it; one that is dropped unanswered
// answers with an error by itself.
class Reply {
 public:
  Reply() = default;
  explicit Reply(reeve_sink* sink) : sink_(sink) {}
  Reply(Reply&& other) noexcept : sink_(std::exchange(other.sink_, nullptr)) {}
  Reply& operator=(Reply&& other) noexcept {
    if (this != &other) {
      Abandon();
      sink_ = std::exchange(other.sink_, nullptr);
    }
    return *this;
  }
  ~Reply() { Abandon(); }

  // Not yet answered, and not moved away.
  bool is_open() const { return sink_ != nullptr; }
  bool is_cancelled() const { return sink_ != nullptr && sink_->is_cancelled(sink_) != 0; }

  // A large value piece by piece; then Finish. False: cancelled or too large, stop writing.
  // REQUIRES, of all below: is_open().
  bool Write(std::string_view json) { return sink_->write(sink_, json.data(), json.size()) == REEVE_OK; }
  // The same without a copy: `size` is 0 when cancelled or too large. Commit before any other call.
  struct Room {
    char* data = nullptr;
    uint64_t size = 0;
  };
  Room Reserve(uint64_t wanted) {
    void* place = nullptr;
    uint64_t granted = 0;
    if (sink_->reserve(sink_, wanted, &place, &granted) != REEVE_OK) return {};
    return {static_cast<char*>(place), granted};
  }
  bool Commit(uint64_t count) { return sink_->commit(sink_, count) == REEVE_OK; }

  void Finish() { End(REEVE_OK, {}); }
  void Return(std::string_view json) {
    if (Write(json)) return Finish();
    Fail(is_cancelled() ? REEVE_ERROR_CANCELLED : REEVE_ERROR_LIMIT, "the reply could not be sent");
  }
  void Fail(int32_t status, std::string_view text) { End(status, text); }
  // Before the end: Plugin::Settled is called once the host was told, or will not be.
  void WantSettled() { sink_->want_settled(sink_); }

 private:
  void End(int32_t status, std::string_view text) {
    reeve_sink* const sink = std::exchange(sink_, nullptr);
    sink->finish(sink, status, StrOf(text));
  }
  void Abandon() {
    if (sink_ != nullptr) End(REEVE_ERROR_FAILED, "the plugin gave no answer");
  }

  reeve_sink* sink_ = nullptr;
};

// What every plugin may override. Configure, Activate and Start throw, or call Fail of their own, to end the process.
class Plugin {
 public:
  using Request = plugin::Request;
  using Reply = plugin::Reply;
  explicit Plugin(Agent& agent) : agent_(agent) {}
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin() = default;

  virtual void Configure(const Arguments& /*settings*/) {}
  virtual void Activate() {}
  virtual void Start() {}
  virtual void Cancelled(uint64_t /*request_id*/) {}
  virtual void Settled(uint64_t /*request_id*/, bool /*was_sent*/) {}
  virtual void Deactivate() {}

 protected:
  Agent& agent() const { return agent_; }

 private:
  Agent& agent_;
};

struct Identity {
  std::string_view id;
  std::string_view version;
  std::string_view vendor;
  std::string_view licence;
  uint32_t max_concurrency = 1;  // as in reeve_plugin
};

template <typename P>
struct Command {
  std::string_view name;
  void (P::*run)(const Request& request, Reply& reply);
};

// The C functions around a plugin of class P with the table `kRows`.
template <typename P, const Identity& kIdentity, const auto& kRows>
class Entry {
 public:
  static const reeve_descriptor* Descriptor() {
    static const auto commands = Names();
    static const reeve_descriptor descriptor = {
        sizeof(reeve_descriptor), REEVE_ABI_MAJOR,          REEVE_ABI_MINOR,
        REEVE_ABI_DRAFT,          /*min_agent_minor=*/0,    kRowCount,
        StrOf(kIdentity.id),      StrOf(kIdentity.version), StrOf(kIdentity.vendor),
        StrOf(kIdentity.licence), commands.data(),          &Entry::Create};
    return &descriptor;
  }

 private:
  static constexpr uint32_t kRowCount = static_cast<uint32_t>(sizeof(kRows) / sizeof(kRows[0]));
  struct Instance {
    explicit Instance(const reeve_agent* raw) : agent(raw), plugin(agent) {}
    Agent agent;
    P plugin;
  };

  static std::array<reeve_command, kRowCount> Names() {
    std::array<reeve_command, kRowCount> commands{};
    for (uint32_t i = 0; i < kRowCount; ++i) commands[i] = {sizeof(reeve_command), 0, StrOf(kRows[i].name)};
    return commands;
  }
  static P& Of(void* self) { return static_cast<Instance*>(self)->plugin; }

  template <typename Call>
  static int32_t Fenced(const reeve_agent* agent, Call call) noexcept {
#if defined(__cpp_exceptions)
    try {
      call();
      return REEVE_OK;
    } catch (const Failure& failure) {
      agent->log(agent, REEVE_LOG_ERROR, StrOf(failure.what()));
      return failure.status();
    } catch (const std::exception& exception) {
      agent->log(agent, REEVE_LOG_ERROR, StrOf(exception.what()));
    } catch (...) {
      agent->log(agent, REEVE_LOG_ERROR, StrOf("an exception of no known type"));
    }
    return REEVE_ERROR_FAILED;
#else
    static_cast<void>(agent);
    call();
    return REEVE_OK;
#endif
  }
  template <typename Call>
  static int32_t FencedIn(void* self, Call call) noexcept {
    return Fenced(static_cast<Instance*>(self)->agent.abi(), call);
  }

  static int32_t Create(const reeve_agent* agent, reeve_plugin* out) noexcept {
    return Fenced(agent, [&] {
      out->self = std::make_unique<Instance>(agent).release();
      out->max_concurrency = kIdentity.max_concurrency;
      out->configure = [](void* self, reeve_str settings) noexcept {
        return FencedIn(self, [&] { Of(self).Configure(Arguments(ViewOf(settings))); });
      };
      out->activate = [](void* self) noexcept { return FencedIn(self, [&] { Of(self).Activate(); }); };
      out->start = [](void* self) noexcept { return FencedIn(self, [&] { Of(self).Start(); }); };
      out->invoke = &Entry::Invoke;
      out->cancel = [](void* self, uint64_t id) noexcept { FencedIn(self, [&] { Of(self).Cancelled(id); }); };
      out->settled = [](void* self, uint64_t id, uint32_t was_sent) noexcept {
        FencedIn(self, [&] { Of(self).Settled(id, was_sent != 0); });
      };
      out->deactivate = [](void* self) noexcept { return FencedIn(self, [&] { Of(self).Deactivate(); }); };
      out->destroy = [](void* self) noexcept { delete static_cast<Instance*>(self); };
    });
  }

  static int32_t Invoke(void* self, const reeve_request* raw, reeve_sink* sink) noexcept {
    Reply reply(sink);
    const auto run = [&] {
      const Arguments arguments(ViewOf(raw->arguments));
      const Request request{raw->id, arguments, raw->channel, raw->peer_kind, raw->peer_number, raw->deadline_ms};
      (Of(self).*kRows[raw->command].run)(request, reply);
    };
#if defined(__cpp_exceptions)
    try {
      run();
    } catch (const Failure& failure) {
      if (reply.is_open()) reply.Fail(failure.status(), failure.what());
    } catch (const std::exception& exception) {
      if (reply.is_open()) reply.Fail(REEVE_ERROR_FAILED, exception.what());
    } catch (...) {
      if (reply.is_open()) reply.Fail(REEVE_ERROR_FAILED, "an exception of no known type");
    }
#else
    run();
#endif
    return REEVE_OK;
  }
};

}  // namespace reeve::plugin

// Once, in the file with the table, outside any namespace. IDENTITY stands in parentheses.
#define REEVE_PLUGIN(CLASS, IDENTITY, TABLE)                                                             \
  static constexpr ::reeve::plugin::Identity kReevePluginIdentity IDENTITY;                              \
  extern "C" REEVE_EXPORT int32_t reeve_plugin_query(const reeve_agent*, const reeve_descriptor** out) { \
    *out = ::reeve::plugin::Entry<CLASS, kReevePluginIdentity, TABLE>::Descriptor();                     \
    return REEVE_OK;                                                                                     \
  }

#endif  // REEVE_PLUGIN_HPP
