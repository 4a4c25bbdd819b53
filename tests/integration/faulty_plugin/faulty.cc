// A plugin that goes wrong as it is told.

#include <time.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "reeve/plugin.hpp"

namespace {

using reeve::plugin::Failure;
using reeve::plugin::JsonWriter;

class Faulty : public reeve::plugin::Plugin {
 public:
  using Plugin::Plugin;

  void Configure(const reeve::plugin::Arguments& settings) override {
    if (settings.Has("fails")) throw Failure(REEVE_ERROR_FAILED, "told to fail");
  }

  void Answer(const Request& request, Reply& reply) {
    const std::string text(request.arguments.Has("text") ? request.arguments.String("text") : "");
    reply.Return(JsonWriter().String(text).text());
  }
  void End(const Request& request, Reply&) {
    const std::string how(request.arguments.String("how"));
    if (how == "exit") ::_exit(3);
    if (how == "trap") __builtin_trap();
    throw Failure(REEVE_ERROR_ARGUMENT, "unknown end");
  }
  // Its loop stands; it does not see that it is cancelled.
  void Hang(const Request&, Reply&) {
    const timespec second{1, 0};
    while (true) ::nanosleep(&second, nullptr);
  }
  // As many lines through the agent as to standard error.
  void Log(const Request& request, Reply& reply) {
    for (int64_t i = 0; i < request.arguments.Int("lines"); ++i) {
      const std::string number = std::to_string(i);
      agent().Log(REEVE_LOG_WARNING, "flood by log " + number);
      const std::string line = "flood by stderr " + number + "\n";
      if (::write(STDERR_FILENO, line.data(), line.size()) < 0) throw Failure(REEVE_ERROR_FAILED, "standard error");
    }
    reply.Return("{}");
  }
  void Hold(const Request& request, Reply& reply) {
    agent().SetHeld(static_cast<uint64_t>(request.arguments.Int("count")));
    reply.Return("{}");
  }
};

const reeve::plugin::Command<Faulty> kCommands[] = {
    {"faulty-answer", &Faulty::Answer}, {"faulty-end", &Faulty::End}, {"faulty-end-again", &Faulty::End},
    {"faulty-hang", &Faulty::Hang},     {"faulty-log", &Faulty::Log}, {"faulty-hold", &Faulty::Hold},
};

}  // namespace

REEVE_PLUGIN_BY_HAND(Faulty, (reeve::plugin::Identity{"org.reeve.faulty", "1.2.3", "Reeve", "Apache-2.0", 4}),
                     kCommands)
