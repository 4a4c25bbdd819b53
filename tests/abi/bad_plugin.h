#pragma once

/* A good plugin, of which each bad_*.c changes one thing: it defines BAD_... and includes this file. */

#include "reeve/plugin.h"

#define STR(literal) {literal, sizeof(literal) - 1}

#ifndef BAD_DESCRIPTOR_SIZE
#define BAD_DESCRIPTOR_SIZE sizeof(reeve_descriptor)
#endif
#ifndef BAD_MAJOR
#define BAD_MAJOR REEVE_ABI_MAJOR
#endif
#ifndef BAD_DRAFT
#define BAD_DRAFT REEVE_ABI_DRAFT
#endif
#ifndef BAD_MIN_MINOR
#define BAD_MIN_MINOR 0
#endif
#ifndef BAD_ID
#define BAD_ID "org.reeve.bad"
#endif
#ifndef BAD_VERSION
#define BAD_VERSION "1.0.0"
#endif
#ifndef BAD_COMMANDS
#define BAD_COMMANDS                            \
  {sizeof(reeve_command), 0, STR("bad-one")}, { \
    sizeof(reeve_command), 0, STR("bad-two")    \
  }
#endif
#ifndef BAD_COMMAND_COUNT
#define BAD_COMMAND_COUNT 2
#endif
#ifndef BAD_COMMAND_ARRAY
#define BAD_COMMAND_ARRAY commands
#endif
#ifndef BAD_CREATE
#define BAD_CREATE create
#endif
#ifndef BAD_CREATE_BODY
#define BAD_CREATE_BODY
#endif
#ifndef BAD_ACTIVATE_BODY
#define BAD_ACTIVATE_BODY
#endif
#ifndef BAD_QUERY_BODY
#define BAD_QUERY_BODY
#endif
#ifndef BAD_INVOKE_BODY
#define BAD_INVOKE_BODY
#endif

static int32_t invoke(void *self, const reeve_request *request, reeve_sink *reply) {
  const reeve_str no_text = {0, 0};
  (void)self;
  (void)request;
  BAD_INVOKE_BODY
  reply->finish(reply, REEVE_OK, no_text);
  return REEVE_OK;
}

static int32_t activate(void *self) {
  (void)self;
  BAD_ACTIVATE_BODY
  return REEVE_OK;
}

__attribute__((unused)) static int32_t create(const reeve_agent *agent, reeve_plugin *plugin) {
  (void)agent;
  plugin->invoke = invoke;
  plugin->activate = activate;
  BAD_CREATE_BODY
  return REEVE_OK;
}

__attribute__((unused)) static const reeve_command commands[] = {BAD_COMMANDS};

static const reeve_descriptor descriptor = {
    .struct_size = BAD_DESCRIPTOR_SIZE,
    .abi_major = BAD_MAJOR,
    .abi_minor = REEVE_ABI_MINOR,
    .abi_draft = BAD_DRAFT,
    .min_agent_minor = BAD_MIN_MINOR,
    .command_count = BAD_COMMAND_COUNT,
    .id = STR(BAD_ID),
    .version = STR(BAD_VERSION),
    .vendor = STR("Reeve"),
    .licence = STR("Apache-2.0"),
    .commands = BAD_COMMAND_ARRAY,
    .create = BAD_CREATE,
};

int32_t reeve_plugin_query(const reeve_agent *agent, const reeve_descriptor **out) {
  (void)agent;
  *out = &descriptor;
  BAD_QUERY_BODY
  return REEVE_OK;
}
