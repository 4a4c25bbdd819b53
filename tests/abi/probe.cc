// A plugin that uses every interface of the agent, for probe_test.cc.

#include <unistd.h>

#include <algorithm>
#include <map>

#include "reeve/plugin.hpp"

namespace {

using reeve::plugin::JsonWriter;
using reeve::plugin::Opened;
using reeve::plugin::Program;
using reeve::plugin::Refusal;
using reeve::plugin::Started;

std::string Text(std::string_view text) {
  return JsonWriter().String(text).text();
}

class Probe : public reeve::plugin::Plugin {
 public:
  using Plugin::Plugin;
  void Configure(const reeve::plugin::Arguments& settings) override { word_ = settings.String("word"); }
  void Start() override { agent().Log(REEVE_LOG_INFO, "probe is started"); }
  void Cancelled(uint64_t id) override {
    const auto found = kept_.find(id);
    if (found == kept_.end()) return;
    found->second.Fail(REEVE_ERROR_CANCELLED, "given up");
    kept_.erase(found);
  }
  void Settled(uint64_t, bool was_sent) override { settled_ += was_sent ? "sent " : "dropped "; }

  // Answers with the first bytes of a file that the agent opens.
  void Open(const Request& request, Reply& reply) {
    const uint64_t id = Keep(request, reply);
    const auto on_opened = [this, id](Opened opened) {
      Reply answer = Take(id);
      if (!opened.fd) return answer.Fail(REEVE_ERROR_DENIED, opened.refusal.text);
      char bytes[64];
      const ssize_t count = ::read(opened.fd.get(), bytes, sizeof bytes);
      answer.Return(Text({bytes, static_cast<size_t>(count)}));
    };
    if (agent().Open(id, request.arguments.String("path"), REEVE_ACCESS_READ, 0, on_opened) != REEVE_OK)
      Take(id).Fail(REEVE_ERROR_FAILED, "not asked");
  }
  void Run(const Request& request, Reply& reply) {
    const uint64_t id = Keep(request, reply);
    Program program;
    program.arguments = request.arguments.Strings("arg");
    program.environment = std::vector<std::string>{"A=1"};
    program.streams = REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED;
    agent().Run(id, program, [this, id](Started started) {
      Reply answer = Take(id);
      if (!started.runs) return answer.Fail(REEVE_ERROR_DENIED, started.refusal.text);
      reeve_program_status status{};
      const bool is_known = ::read(started.status_fd.get(), &status, sizeof status) == sizeof status;
      JsonWriter json;
      json.BeginList().Uint(started.pid).Int(is_known ? status.value : -1).Bool(!started.stdin_fd).EndList();
      answer.Return(json.text());
    });
  }
  void Signal(const Request& request, Reply& reply) {
    const uint64_t id = Keep(request, reply);
    agent().Signal(id, 9, 15, [this, id](const Refusal& refusal) { Take(id).Return(Text(refusal.text)); });
  }
  void Later(const Request& request, Reply& reply) {
    const uint64_t id = Keep(request, reply);
    agent().After(1, [this, id] { agent().Post([this, id] { Take(id).Return("1"); }); });
  }
  void Never(const Request& request, Reply& reply) { Keep(request, reply); }
  void Hold(const Request& request, Reply& reply) {
    agent().SetHeld(request.arguments.Uint("count"));
    reply.Return("{}");
  }
  void Block(const Request&, Reply& reply) {
    const auto block = agent().HandleBlock();
    JsonWriter json;
    reply.Return(json.BeginList().Uint(block.first).Uint(block.count).String(word_).EndList().text());
  }
  // A string of `count` bytes, half by copy, half in place.
  void Large(const Request& request, Reply& reply) {
    const auto count = static_cast<size_t>(request.arguments.Int("count"));
    reply.Write("\"");
    reply.Write(std::string(count / 2, 'c'));
    for (size_t rest = count - count / 2; rest > 0;) {
      const auto room = reply.Reserve(rest);
      std::fill_n(room.data, room.size, 'p');
      reply.Commit(room.size);
      rest -= room.size;
    }
    reply.Write("\"");
    reply.Finish();
  }
  void Settle(const Request&, Reply& reply) {
    reply.WantSettled();
    reply.Return(Text(settled_));
  }
  void Throw(const Request&, Reply&) { throw std::runtime_error("thrown in a command"); }

 private:
  uint64_t Keep(const Request& request, Reply& reply) {
    kept_[request.id] = std::move(reply);
    return request.id;
  }
  Reply Take(uint64_t id) {
    Reply reply = std::move(kept_.at(id));
    kept_.erase(id);
    return reply;
  }

  std::string word_, settled_;
  std::map<uint64_t, Reply> kept_;
};

const reeve::plugin::Command<Probe> kCommands[] = {
    {"open", &Probe::Open},     {"run", &Probe::Run},     {"signal", &Probe::Signal}, {"later", &Probe::Later},
    {"never", &Probe::Never},   {"hold", &Probe::Hold},   {"block", &Probe::Block},   {"large", &Probe::Large},
    {"settle", &Probe::Settle}, {"throw", &Probe::Throw},
};

}  // namespace

REEVE_PLUGIN_BY_HAND(Probe, (reeve::plugin::Identity{"org.reeve.probe", "1.0.0", "Reeve", "Apache-2.0", 4}), kCommands)
