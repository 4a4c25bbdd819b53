#ifndef REEVE_PLUGIN_HPP
#define REEVE_PLUGIN_HPP

// A plugin in C++17 or later: header-only, no link-time dependency on the agent. Exceptions are caught at the edge.
//
//   #include "hello_commands.hpp"  // made from hello.plugin.yaml: a struct for each command
//
//   class Hello : public reeve::plugin::Plugin {
//    public:
//     using Plugin::Plugin;
//     // For the command __com.example_greet with the argument `name: str`.
//     void Greet(const Request& request, const hello_manifest::Greet& arguments, Reply& reply) {
//       reply.ReturnValue("hello, " + arguments.name);
//     }
//   };
//   REEVE_PLUGIN(Hello, hello_manifest::Manifest, &Hello::Greet)
//
// A command without a handler, a second handler, or one for what is no command of the manifest does not compile.

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "reeve/agent.hpp"
#include "reeve/json.hpp"
#include "reeve/plugin.h"
#include "reeve/typed.hpp"

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
  // A value of any type of typed.hpp, as JSON.
  template <typename T>
  void ReturnValue(const T& value) {
    JsonWriter json;
    WriteValue(json, value);
    Return(json.text());
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

// Turns true once its request was cancelled. May be copied, kept for as long as one likes, and asked from any thread: a
// thread that works on a request looks at it now and then, and gives up.
class Cancellation {
 public:
  Cancellation() = default;
  bool is_cancelled() const { return flag_ != nullptr && flag_->load(std::memory_order_relaxed); }

 private:
  friend class Plugin;
  explicit Cancellation(std::shared_ptr<const std::atomic<bool>> flag) : flag_(std::move(flag)) {}
  std::shared_ptr<const std::atomic<bool>> flag_;
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
  // On the main thread, while the request is unfinished.
  Cancellation CancellationOf(const Request& request) {
    for (auto it = cancellations_.begin(); it != cancellations_.end();) {
      it = it->second.expired() ? cancellations_.erase(it) : std::next(it);
    }
    std::shared_ptr<std::atomic<bool>> flag = cancellations_[request.id].lock();
    if (flag == nullptr) cancellations_[request.id] = flag = std::make_shared<std::atomic<bool>>(false);
    return Cancellation(std::move(flag));
  }

 private:
  template <typename P, typename Table>
  friend class Entry;
  void HandleCancel(uint64_t request_id) {
    const auto found = cancellations_.find(request_id);
    const std::shared_ptr<std::atomic<bool>> flag = found == cancellations_.end() ? nullptr : found->second.lock();
    if (flag != nullptr) flag->store(true, std::memory_order_relaxed);
    Cancelled(request_id);
  }

  Agent& agent_;
  std::unordered_map<uint64_t, std::weak_ptr<std::atomic<bool>>> cancellations_;
};

struct Identity {
  std::string_view id;
  std::string_view version;
  std::string_view vendor;
  std::string_view licence;
  uint32_t max_concurrency = 1;  // as in reeve_plugin
};

// A row of a table that is written by hand: arguments are then read from the request's.
template <typename P>
struct Command {
  std::string_view name;
  void (P::*run)(const Request& request, Reply& reply);
};

// What Entry asks of a table: Identity(), kCount, Name(i), Run(plugin, i, request, reply).
template <typename P, const Identity& kIdentity, const auto& kRows>
struct HandTable {
  static constexpr uint32_t kCount = static_cast<uint32_t>(sizeof(kRows) / sizeof(kRows[0]));
  static constexpr const Identity& identity() { return kIdentity; }
  static constexpr std::string_view Name(uint32_t index) { return kRows[index].name; }
  static void Run(P& plugin, uint32_t index, const Request& request, Reply& reply) {
    (plugin.*kRows[index].run)(request, reply);
  }
};

// A member function that carries out a command, and the command's struct, which is what tells them apart.
template <auto kMethod>
struct Handler;
template <typename P, typename T, void (P::*kMethod)(const Request&, const T&, Reply&)>
struct Handler<kMethod> {
  using Arguments = T;
};

// The same for a member function that reads the request's own `arguments`, without a struct: kUntyped<Command, &P::Method>.
template <typename T>
struct Untyped {};
template <typename T, typename P, void (P::*kMethod)(const Request&, Reply&)>
void RunUntyped(P& plugin, const Request& request, Untyped<T> /*command*/, Reply& reply) {
  (plugin.*kMethod)(request, reply);
}
template <typename T, typename P, void (*kFunction)(P&, const Request&, Untyped<T>, Reply&)>
struct Handler<kFunction> {
  using Arguments = T;
};
template <typename Method>
struct ClassOf;
template <typename P>
struct ClassOf<void (P::*)(const Request&, Reply&)> {
  using Type = P;
};
template <typename T, auto kMethod>
inline constexpr auto kUntyped = &RunUntyped<T, typename ClassOf<decltype(kMethod)>::Type, kMethod>;

template <typename P, typename = void>
struct ConcurrencyOf {
  static constexpr uint32_t kValue = 1;
};
template <typename P>
struct ConcurrencyOf<P, std::void_t<decltype(P::kMaxConcurrency)>> {
  static constexpr uint32_t kValue = P::kMaxConcurrency;
};

// The table of a manifest, made by reeve-manifest, and the handlers of its commands in any order.
template <typename P, typename Manifest, auto... kMethods>
class ManifestTable {
 public:
  static constexpr uint32_t kCount = Manifest::Commands::kCount;
  static constexpr Identity identity() {
    return {Manifest::kId, Manifest::kVersion, Manifest::kVendor, Manifest::kLicence, ConcurrencyOf<P>::kValue};
  }
  static constexpr std::string_view Name(uint32_t index) { return Manifest::kNames[index]; }
  static void Run(P& plugin, uint32_t index, const Request& request, Reply& reply) {
    static constexpr auto runners = Runners(static_cast<typename Manifest::Commands*>(nullptr));
    runners[index](plugin, request, reply);
  }

 private:
  using Runner = void (*)(P& plugin, const Request& request, Reply& reply);
  static_assert((Manifest::Commands::template kHas<typename Handler<kMethods>::Arguments> && ...),
                "a handler's arguments are of no command of the manifest");

  template <typename... Commands>
  static constexpr std::array<Runner, sizeof...(Commands)> Runners(CommandList<Commands...>*) {
    return {RunnerOf<Commands>()...};
  }
  template <typename C>
  static constexpr Runner RunnerOf() {
    constexpr int count = (0 + ... + int{std::is_same_v<C, typename Handler<kMethods>::Arguments>});
    static_assert(count != 0, "a command of the manifest has no handler");
    static_assert(count <= 1, "a command of the manifest has two handlers");
    Runner runner = nullptr;
    ((runner = std::is_same_v<C, typename Handler<kMethods>::Arguments> ? &RunWith<kMethods> : runner), ...);
    return runner;
  }
  template <auto kMethod>
  static void RunWith(P& plugin, const Request& request, Reply& reply) {
    using Struct = typename Handler<kMethod>::Arguments;
    if constexpr (!std::is_member_function_pointer_v<decltype(kMethod)>) {
      kMethod(plugin, request, Untyped<Struct>(), reply);
    } else {
      Struct arguments{};
      TypedReader reader;
      if (reader.ReadStruct(JsonValue(request.arguments.raw()), arguments)) {
        return (plugin.*kMethod)(request, arguments, reply);
      }
      reply.Fail(REEVE_ERROR_ARGUMENT,
                 "argument '" + std::string(reader.bad_member()) + "' is not as the manifest declares it");
    }
  }
};

// The C functions around a plugin of class P with its table.
template <typename P, typename Table>
class Entry {
 public:
  static const reeve_descriptor* Descriptor() {
    static const auto commands = Names();
    static constexpr Identity identity = Table::identity();
    static const reeve_descriptor descriptor = {
        sizeof(reeve_descriptor), REEVE_ABI_MAJOR,         REEVE_ABI_MINOR,    REEVE_ABI_DRAFT,
        /*min_agent_minor=*/0,    Table::kCount,           StrOf(identity.id), StrOf(identity.version),
        StrOf(identity.vendor),   StrOf(identity.licence), commands.data(),    &Entry::Create};
    return &descriptor;
  }

 private:
  struct Instance {
    explicit Instance(const reeve_agent* raw) : agent(raw), plugin(agent) {}
    Agent agent;
    P plugin;
  };

  static std::array<reeve_command, Table::kCount> Names() {
    std::array<reeve_command, Table::kCount> commands{};
    for (uint32_t i = 0; i < Table::kCount; ++i) commands[i] = {sizeof(reeve_command), 0, StrOf(Table::Name(i))};
    return commands;
  }
  static P& Of(void* self) { return static_cast<Instance*>(self)->plugin; }
  static Plugin& PluginOf(void* self) { return Of(self); }

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
      out->max_concurrency = Table::identity().max_concurrency;
      out->configure = [](void* self, reeve_str settings) noexcept {
        return FencedIn(self, [&] { Of(self).Configure(Arguments(ViewOf(settings))); });
      };
      out->activate = [](void* self) noexcept { return FencedIn(self, [&] { Of(self).Activate(); }); };
      out->start = [](void* self) noexcept { return FencedIn(self, [&] { Of(self).Start(); }); };
      out->invoke = &Entry::Invoke;
      out->cancel = [](void* self, uint64_t id) noexcept { FencedIn(self, [&] { PluginOf(self).HandleCancel(id); }); };
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
      Table::Run(Of(self), raw->command, request, reply);
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

#define REEVE_PLUGIN_QUERY(...)                                                                          \
  extern "C" REEVE_EXPORT int32_t reeve_plugin_query(const reeve_agent*, const reeve_descriptor** out) { \
    *out = __VA_ARGS__::Descriptor();                                                                    \
    return REEVE_OK;                                                                                     \
  }

// REEVE_PLUGIN(CLASS, MANIFEST, HANDLERS...): once in a plugin, outside any namespace. MANIFEST is NAME_manifest::Manifest
// of NAME_commands.hpp; the handlers are member functions of CLASS, one for each command, in any order. A CLASS that takes on
// more than one request at a time says so: `static constexpr uint32_t kMaxConcurrency = 8;`.
#define REEVE_PLUGIN(CLASS, ...) \
  REEVE_PLUGIN_QUERY(::reeve::plugin::Entry<CLASS, ::reeve::plugin::ManifestTable<CLASS, __VA_ARGS__>>)

// The same without a generated header. IDENTITY stands in parentheses; TABLE is an array of Command<CLASS>.
#define REEVE_PLUGIN_BY_HAND(CLASS, IDENTITY, TABLE)                        \
  static constexpr ::reeve::plugin::Identity kReevePluginIdentity IDENTITY; \
  REEVE_PLUGIN_QUERY(::reeve::plugin::Entry<CLASS, ::reeve::plugin::HandTable<CLASS, kReevePluginIdentity, TABLE>>)

#endif  // REEVE_PLUGIN_HPP
