// Asks the plugin as an agent would, in one process and without a sandbox. 0: all is as it should be.

#include <cstdio>
#include <string>

#include "mine_commands.h"
#include "reeve/agent.hpp"

namespace {

struct Answer : reeve_sink {
  std::string value, text;
  int32_t status = REEVE_OK;

  Answer() : reeve_sink{} {
    struct_size = sizeof(reeve_sink);
    write = [](reeve_sink* sink, const void* bytes, uint64_t count) {
      static_cast<Answer*>(sink)->value.append(static_cast<const char*>(bytes), count);
      return int32_t{REEVE_OK};
    };
    finish = [](reeve_sink* sink, int32_t its_status, reeve_str its_text) {
      static_cast<Answer*>(sink)->status = its_status;
      static_cast<Answer*>(sink)->text = reeve::plugin::ViewOf(its_text);
    };
    is_cancelled = [](const reeve_sink*) { return uint32_t{0}; };
  }
};

int failures = 0;

void Expect(bool is_true, const char* what) {
  if (is_true) return;
  std::fprintf(stderr, "not so: %s\n", what);
  ++failures;
}

Answer Ask(const reeve_plugin& plugin, uint32_t command, std::string_view arguments) {
  static uint64_t last_id = 0;
  reeve_request request{};
  request.struct_size = sizeof request;
  request.command = command;
  request.id = ++last_id;
  request.arguments = reeve::plugin::StrOf(arguments);
  Answer answer;
  plugin.invoke(plugin.self, &request, &answer);
  return answer;
}

}  // namespace

int main() {
  reeve_agent agent{};
  agent.struct_size = sizeof agent;
  agent.get_interface = [](const reeve_agent*, reeve_str) { return static_cast<const void*>(nullptr); };
  agent.log = [](const reeve_agent*, uint32_t, reeve_str) {};
  const reeve_descriptor* descriptor = nullptr;
  reeve_plugin plugin{};
  plugin.struct_size = sizeof plugin;
  if (reeve_plugin_query(&agent, &descriptor) != REEVE_OK || descriptor->create(&agent, &plugin) != REEVE_OK) return 1;

  const Answer greeting = Ask(plugin, MINE_COM_EXAMPLE_MINE_GREET, R"({"name": "world", "times": 2})");
  Expect(greeting.value == R"(["hello, world", "hello, world"])", "it greets as often as it is told");
  const Answer refusal = Ask(plugin, MINE_COM_EXAMPLE_MINE_GREET, R"({"name": "world", "times": 11})");
  Expect(refusal.status == REEVE_ERROR_ARGUMENT, "it greets nobody for ever");

  plugin.destroy(plugin.self);
  return failures == 0 ? 0 : 1;
}
