/* Of a later minor: its structs have grown at their ends, and the agent steps over what it does not know. */

#include "reeve/plugin.h"

#define STR(literal) {literal, sizeof(literal) - 1}

typedef struct newer_command {
  reeve_command base;
  uint64_t tail;
} newer_command;

typedef struct newer_descriptor {
  reeve_descriptor base;
  uint64_t tail[4];
} newer_descriptor;

static const newer_command commands[] = {
    {{sizeof(newer_command), 0, STR("bad-one")}, 0xA5A5A5A5u},
    {{sizeof(newer_command), 0, STR("bad-two")}, 0xA5A5A5A5u},
};

static int32_t invoke(void *self, const reeve_request *request, reeve_sink *reply) {
  const reeve_str no_text = {0, 0};
  (void)self;
  reply->write(reply, request->command == 0 ? "1" : "2", 1);
  reply->finish(reply, REEVE_OK, no_text);
  return REEVE_OK;
}

static int32_t create(const reeve_agent *agent, reeve_plugin *plugin) {
  (void)agent;
  plugin->invoke = invoke;
  return REEVE_OK;
}

static const newer_descriptor descriptor = {
    .base =
        {
            .struct_size = sizeof(newer_descriptor),
            .abi_major = REEVE_ABI_MAJOR,
            .abi_minor = REEVE_ABI_MINOR + 7,
            .abi_draft = REEVE_ABI_DRAFT,
            .min_agent_minor = 0,
            .command_count = 2,
            .id = STR("org.reeve.bad"),
            .version = STR("1.0.0"),
            .vendor = STR("Reeve"),
            .licence = STR("Apache-2.0"),
            .commands = &commands[0].base,
            .create = create,
        },
    .tail = {1, 2, 3, 4},
};

int32_t reeve_plugin_query(const reeve_agent *agent, const reeve_descriptor **out) {
  (void)agent;
  *out = &descriptor.base;
  return REEVE_OK;
}
