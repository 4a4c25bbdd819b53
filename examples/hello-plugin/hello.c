/* The smallest plugin: one command that answers at once, in plain C. */

#include "hello_commands.h" /* made from hello.plugin.yaml */
#include "reeve/plugin.h"

#define STR(literal) {literal, sizeof(literal) - 1}

static int32_t invoke(void *self, const reeve_request *request, reeve_sink *reply) {
  static const char greeting[] = "{\"greeting\": \"hello\"}";
  const reeve_str no_text = {0, 0};
  (void)self;
  (void)request; /* one command: request->command is 0 */
  reply->finish(reply, reply->write(reply, greeting, sizeof greeting - 1), no_text);
  return REEVE_OK;
}

static int32_t create(const reeve_agent *agent, reeve_plugin *plugin) {
  (void)agent;
  plugin->invoke = invoke;
  return REEVE_OK;
}

#define ROW(constant, name) {sizeof(reeve_command), 0, STR(name)},
static const reeve_command commands[] = {HELLO_COMMANDS(ROW)};

static const reeve_descriptor descriptor = {
    .struct_size = sizeof(reeve_descriptor),
    .abi_major = REEVE_ABI_MAJOR,
    .abi_minor = REEVE_ABI_MINOR,
    .abi_draft = REEVE_ABI_DRAFT,
    .min_agent_minor = 0,
    .command_count = sizeof commands / sizeof commands[0],
    .id = STR("com.example.hello"),
    .version = STR("1.0.0"),
    .vendor = STR("Example"),
    .licence = STR("Apache-2.0"),
    .commands = commands,
    .create = create,
};

int32_t reeve_plugin_query(const reeve_agent *agent, const reeve_descriptor **out) {
  (void)agent;
  *out = &descriptor;
  return REEVE_OK;
}
