/*
 * The layout of ABI 1.0, by number: a change that breaks a plugin built yesterday does not compile. Rows are only ever added,
 * for members at the end of a struct and for new structs; SIZE then gets the new size, and the old one stays the least that an
 * agent or a plugin must live with (struct_size). Machines of 64 bits, as the header says.
 */
#include <stddef.h>

#include "reeve/plugin.h"

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes) && _Alignof(type) <= 8, #type " has another size")
#define MEMBER(type, member, offset, member_type)                                            \
  _Static_assert(offsetof(type, member) == (offset), #type "." #member " stands elsewhere"); \
  _Static_assert(_Generic(((type *)0)->member, member_type: 1, default: 0), #type "." #member " is of another type")
#define VALUE(name, value) _Static_assert((name) == (value), #name " has another value")

SIZE(reeve_str, 16);
MEMBER(reeve_str, p, 0, const char *);
MEMBER(reeve_str, n, 8, uint64_t);

SIZE(reeve_agent, 64);
MEMBER(reeve_agent, struct_size, 0, uint32_t);
MEMBER(reeve_agent, abi_major, 4, uint32_t);
MEMBER(reeve_agent, abi_minor, 8, uint32_t);
MEMBER(reeve_agent, abi_draft, 12, uint32_t);
MEMBER(reeve_agent, name, 16, reeve_str);
MEMBER(reeve_agent, version, 32, reeve_str);
MEMBER(reeve_agent, get_interface, 48, const void *(*)(const reeve_agent *, reeve_str));
MEMBER(reeve_agent, log, 56, void (*)(const reeve_agent *, uint32_t, reeve_str));

SIZE(reeve_request, 48);
MEMBER(reeve_request, struct_size, 0, uint32_t);
MEMBER(reeve_request, command, 4, uint32_t);
MEMBER(reeve_request, id, 8, uint64_t);
MEMBER(reeve_request, arguments, 16, reeve_str);
MEMBER(reeve_request, channel, 32, uint32_t);
MEMBER(reeve_request, peer_kind, 36, uint32_t);
MEMBER(reeve_request, peer_number, 40, uint32_t);
MEMBER(reeve_request, deadline_ms, 44, uint32_t);

SIZE(reeve_sink, 56);
MEMBER(reeve_sink, struct_size, 0, uint32_t);
MEMBER(reeve_sink, reserved, 4, uint32_t);
MEMBER(reeve_sink, write, 8, int32_t (*)(reeve_sink *, const void *, uint64_t));
MEMBER(reeve_sink, reserve, 16, int32_t (*)(reeve_sink *, uint64_t, void **, uint64_t *));
MEMBER(reeve_sink, commit, 24, int32_t (*)(reeve_sink *, uint64_t));
MEMBER(reeve_sink, finish, 32, void (*)(reeve_sink *, int32_t, reeve_str));
MEMBER(reeve_sink, want_settled, 40, void (*)(reeve_sink *));
MEMBER(reeve_sink, is_cancelled, 48, uint32_t (*)(const reeve_sink *));

SIZE(reeve_command, 24);
MEMBER(reeve_command, struct_size, 0, uint32_t);
MEMBER(reeve_command, reserved, 4, uint32_t);
MEMBER(reeve_command, name, 8, reeve_str);

SIZE(reeve_plugin, 88);
MEMBER(reeve_plugin, struct_size, 0, uint32_t);
MEMBER(reeve_plugin, max_concurrency, 4, uint32_t);
MEMBER(reeve_plugin, self, 8, void *);
MEMBER(reeve_plugin, configure, 16, int32_t (*)(void *, reeve_str));
MEMBER(reeve_plugin, activate, 24, int32_t (*)(void *));
MEMBER(reeve_plugin, start, 32, int32_t (*)(void *));
MEMBER(reeve_plugin, invoke, 40, int32_t (*)(void *, const reeve_request *, reeve_sink *));
MEMBER(reeve_plugin, cancel, 48, void (*)(void *, uint64_t));
MEMBER(reeve_plugin, settled, 56, void (*)(void *, uint64_t, uint32_t));
MEMBER(reeve_plugin, deactivate, 64, int32_t (*)(void *));
MEMBER(reeve_plugin, destroy, 72, void (*)(void *));
MEMBER(reeve_plugin, get_interface, 80, const void *(*)(void *, reeve_str));

SIZE(reeve_descriptor, 104);
MEMBER(reeve_descriptor, struct_size, 0, uint32_t);
MEMBER(reeve_descriptor, abi_major, 4, uint32_t);
MEMBER(reeve_descriptor, abi_minor, 8, uint32_t);
MEMBER(reeve_descriptor, abi_draft, 12, uint32_t);
MEMBER(reeve_descriptor, min_agent_minor, 16, uint32_t);
MEMBER(reeve_descriptor, command_count, 20, uint32_t);
MEMBER(reeve_descriptor, id, 24, reeve_str);
MEMBER(reeve_descriptor, version, 40, reeve_str);
MEMBER(reeve_descriptor, vendor, 56, reeve_str);
MEMBER(reeve_descriptor, licence, 72, reeve_str);
MEMBER(reeve_descriptor, commands, 88, const reeve_command *);
MEMBER(reeve_descriptor, create, 96, int32_t (*)(const reeve_agent *, reeve_plugin *));

SIZE(reeve_opened, 16);
MEMBER(reeve_opened, struct_size, 0, uint32_t);
MEMBER(reeve_opened, fd, 4, int32_t);
MEMBER(reeve_opened, max_file_bytes, 8, uint64_t);

SIZE(reeve_agent_files, 16);
MEMBER(reeve_agent_files, struct_size, 0, uint32_t);
MEMBER(reeve_agent_files, reserved, 4, uint32_t);
MEMBER(reeve_agent_files, open, 8,
       int32_t (*)(const reeve_agent *, uint64_t, reeve_str, uint32_t, uint32_t, reeve_on_opened, void *));

SIZE(reeve_program, 48);
MEMBER(reeve_program, struct_size, 0, uint32_t);
MEMBER(reeve_program, streams, 4, uint32_t);
MEMBER(reeve_program, arguments, 8, const reeve_str *);
MEMBER(reeve_program, argument_count, 16, uint64_t);
MEMBER(reeve_program, environment, 24, const reeve_str *);
MEMBER(reeve_program, environment_count, 32, uint64_t);
MEMBER(reeve_program, has_environment, 40, uint32_t);
MEMBER(reeve_program, stdin_bytes, 44, uint32_t);

SIZE(reeve_started, 40);
MEMBER(reeve_started, struct_size, 0, uint32_t);
MEMBER(reeve_started, pid, 4, uint32_t);
MEMBER(reeve_started, program, 8, uint64_t);
MEMBER(reeve_started, status_fd, 16, int32_t);
MEMBER(reeve_started, stdin_fd, 20, int32_t);
MEMBER(reeve_started, stdout_fd, 24, int32_t);
MEMBER(reeve_started, stderr_fd, 28, int32_t);
MEMBER(reeve_started, max_output_bytes, 32, uint64_t);

SIZE(reeve_program_status, 16);
MEMBER(reeve_program_status, kind, 0, uint32_t);
MEMBER(reeve_program_status, value, 4, int32_t);
MEMBER(reeve_program_status, was_timed_out, 8, uint32_t);
MEMBER(reeve_program_status, reserved, 12, uint32_t);

SIZE(reeve_agent_run, 24);
MEMBER(reeve_agent_run, struct_size, 0, uint32_t);
MEMBER(reeve_agent_run, reserved, 4, uint32_t);
MEMBER(reeve_agent_run, run, 8,
       int32_t (*)(const reeve_agent *, uint64_t, const reeve_program *, reeve_on_started, void *));
MEMBER(reeve_agent_run, signal, 16,
       int32_t (*)(const reeve_agent *, uint64_t, uint64_t, int32_t, reeve_on_signalled, void *));

SIZE(reeve_agent_loop, 64);
MEMBER(reeve_agent_loop, struct_size, 0, uint32_t);
MEMBER(reeve_agent_loop, reserved, 4, uint32_t);
MEMBER(reeve_agent_loop, watch, 8, int32_t (*)(const reeve_agent *, int32_t, uint32_t, reeve_on_ready, void *));
MEMBER(reeve_agent_loop, change, 16, int32_t (*)(const reeve_agent *, int32_t, uint32_t));
MEMBER(reeve_agent_loop, forget, 24, void (*)(const reeve_agent *, int32_t));
MEMBER(reeve_agent_loop, after, 32, uint64_t (*)(const reeve_agent *, uint64_t, reeve_on_time, void *));
MEMBER(reeve_agent_loop, cancel, 40, void (*)(const reeve_agent *, uint64_t));
MEMBER(reeve_agent_loop, now_ms, 48, uint64_t (*)(const reeve_agent *));
MEMBER(reeve_agent_loop, post, 56, int32_t (*)(const reeve_agent *, reeve_on_time, void *));

SIZE(reeve_agent_state, 24);
MEMBER(reeve_agent_state, struct_size, 0, uint32_t);
MEMBER(reeve_agent_state, reserved, 4, uint32_t);
MEMBER(reeve_agent_state, set_held, 8, void (*)(const reeve_agent *, uint64_t));
MEMBER(reeve_agent_state, handle_block, 16, int32_t (*)(const reeve_agent *, uint64_t *, uint64_t *));

SIZE(reeve_agent_freeze, 32);
MEMBER(reeve_agent_freeze, struct_size, 0, uint32_t);
MEMBER(reeve_agent_freeze, reserved, 4, uint32_t);
MEMBER(reeve_agent_freeze, set_time_left, 8, void (*)(const reeve_agent *, uint64_t));
MEMBER(reeve_agent_freeze, set_end, 16, void (*)(const reeve_agent *, reeve_str));
MEMBER(reeve_agent_freeze, quiesce, 24, int32_t (*)(const reeve_agent *, reeve_on_quiet, void *));

SIZE(reeve_agent_renew, 16);
MEMBER(reeve_agent_renew, struct_size, 0, uint32_t);
MEMBER(reeve_agent_renew, reserved, 4, uint32_t);
MEMBER(reeve_agent_renew, renew, 8, void (*)(const reeve_agent *));

SIZE(reeve_agent_fds, 16);
MEMBER(reeve_agent_fds, struct_size, 0, uint32_t);
MEMBER(reeve_agent_fds, reserved, 4, uint32_t);
MEMBER(reeve_agent_fds, find, 8, int32_t (*)(const reeve_agent *, reeve_str));

VALUE(REEVE_ABI_MAJOR, 1u);
VALUE(REEVE_ABI_MINOR, 0u);
VALUE(REEVE_ABI_DRAFT, 0u);
VALUE(REEVE_LEAST_DESCRIPTOR_SIZE, 104u);
VALUE(REEVE_LEAST_COMMAND_SIZE, 24u);
VALUE(REEVE_LEAST_PROGRAM_SIZE, 48u);
VALUE(REEVE_OK, 0);
VALUE(REEVE_ERROR_FAILED, -1);
VALUE(REEVE_ERROR_ARGUMENT, -2);
VALUE(REEVE_ERROR_NOT_FOUND, -3);
VALUE(REEVE_ERROR_DENIED, -4);
VALUE(REEVE_ERROR_LIMIT, -5);
VALUE(REEVE_ERROR_BUSY, -6);
VALUE(REEVE_ERROR_CANCELLED, -7);
VALUE(REEVE_ERROR_CLOSED, -8);
VALUE(REEVE_ERROR_UNSUPPORTED, -9);
VALUE(REEVE_ERROR_NO_COMMAND, -10);
VALUE(REEVE_LOG_ERROR, 0u);
VALUE(REEVE_LOG_WARNING, 1u);
VALUE(REEVE_LOG_INFO, 2u);
VALUE(REEVE_LOG_DEBUG, 3u);
VALUE(REEVE_PEER_SERIAL, 0u);
VALUE(REEVE_PEER_UNIX, 1u);
VALUE(REEVE_PEER_VSOCK, 2u);
VALUE(REEVE_ACCESS_READ, 1u);
VALUE(REEVE_ACCESS_WRITE, 2u);
VALUE(REEVE_ACCESS_CREATE, 4u);
VALUE(REEVE_OPEN_TRUNCATE, 1u);
VALUE(REEVE_OPEN_APPEND, 2u);
VALUE(REEVE_STREAM_STDIN, 1u);
VALUE(REEVE_STREAM_STDOUT, 2u);
VALUE(REEVE_STREAM_STDERR, 4u);
VALUE(REEVE_STREAM_MERGED, 8u);
VALUE(REEVE_PROGRAM_EXITED, 1u);
VALUE(REEVE_PROGRAM_KILLED, 2u);
