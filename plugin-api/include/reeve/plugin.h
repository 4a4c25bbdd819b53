#ifndef REEVE_PLUGIN_H
#define REEVE_PLUGIN_H

/*
 * The plugin ABI of Reeve, version 1.0. C11; also C++17 and later. 64-bit machines. Frozen: what that promises stands in
 * README.md (plugin-api); tests/abi/layout_1_0.c holds every number of it.
 *
 * Who is who: the *agent* is the process that loads a plugin (a worker, one per plugin, confined); the *host* is the
 * hypervisor's side, which sends commands. A plugin is one shared object with one exported function,
 * reeve_plugin_query.
 *
 * Growth. Each struct begins with struct_size, which its maker sets to the sizeof that it was compiled with. A reader
 * uses no more than that, and asks for no more than the struct had in 1.0 (REEVE_LEAST_*); members are only ever added at
 * the end; zero means "not set"; reserved members are zero and are checked. New powers are new interfaces, fetched by
 * string id ("reeve.agent.files/1"), never new members of reeve_agent, reeve_plugin or of an interface.
 *
 * Memory. Nobody frees what the other side allocated. What is handed in is lent until the call returns, unless its
 * comment says otherwise. Text is UTF-8 with a length and without a final NUL.
 *
 * Threads. [main] is the one thread on which the plugin is loaded, started and called, one call at a time; after
 * `start` it runs the agent's loop. [any]: from any thread, also of the plugin's own.
 *
 * No exception, longjmp, exit, abort, fork, signal handler, setlocale, chdir, umask or putenv crosses or hides behind
 * these functions. plugin.hpp beside this file catches exceptions for a plugin written in C++.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEVE_ABI_MAJOR 1u
#define REEVE_ABI_MINOR 0u
/* 0: frozen. A plugin of a draft is loaded by agents of that draft alone. */
#define REEVE_ABI_DRAFT 0u

#define REEVE_EXPORT __attribute__((visibility("default")))

/* What a plugin makes has at least these sizes, those of 1.0, whatever minor reads it. */
#define REEVE_LEAST_DESCRIPTOR_SIZE 104u
#define REEVE_LEAST_COMMAND_SIZE 24u
#define REEVE_LEAST_PROGRAM_SIZE 48u

/* Status: 0, or one of these. The number chooses the error class that the host sees */

#define REEVE_OK 0
/* Class GenericError, with the text that goes with it: */
#define REEVE_ERROR_FAILED (-1)      /* it was tried and did not work */
#define REEVE_ERROR_ARGUMENT (-2)    /* an argument is wrong in a way that the manifest's types cannot say */
#define REEVE_ERROR_NOT_FOUND (-3)   /* no such handle, user, device, interface, descriptor */
#define REEVE_ERROR_DENIED (-4)      /* permission or policy */
#define REEVE_ERROR_LIMIT (-5)       /* too large or too many */
#define REEVE_ERROR_BUSY (-6)        /* try again later */
#define REEVE_ERROR_CANCELLED (-7)   /* the request was cancelled, at its deadline or before */
#define REEVE_ERROR_CLOSED (-8)      /* the other side is gone */
#define REEVE_ERROR_UNSUPPORTED (-9) /* this machine or this agent has not got it */
/* Class CommandNotFound, and the only one that is: this command does not exist on this machine. */
#define REEVE_ERROR_NO_COMMAND (-10)
#define REEVE_ERROR_LAST REEVE_ERROR_NO_COMMAND
/* A status out of this list is taken for REEVE_ERROR_FAILED. */

#define REEVE_LOG_ERROR 0u
#define REEVE_LOG_WARNING 1u
#define REEVE_LOG_INFO 2u
#define REEVE_LOG_DEBUG 3u

/* Text, or bytes: `n` bytes from `p`. `p` may be NULL when `n` is 0. */
typedef struct reeve_str {
  const char *p;
  uint64_t n;
} reeve_str;

/* What the agent gives */

typedef struct reeve_agent reeve_agent;

/* Lives as long as the process. */
struct reeve_agent {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor; /* for `create` and after: the agreed one, the smaller of both sides' */
  uint32_t abi_draft;
  reeve_str name;    /* "reeve" */
  reeve_str version; /* of Reeve, for logs; never to be compared */
  /* [any] The interface of exactly that id, or NULL. It lives as long as the process. */
  const void *(*get_interface)(const reeve_agent *agent, reeve_str id);
  /* [any] One line, REEVE_LOG_*. Rate-limited by the agent; never waits. What the plugin logs before a failed
   * configure, activate or start says why in the agent's status. */
  void (*log)(const reeve_agent *agent, uint32_t severity, reeve_str text);
};

#define REEVE_PEER_SERIAL 0u
#define REEVE_PEER_UNIX 1u  /* peer_number is the uid */
#define REEVE_PEER_VSOCK 2u /* peer_number is the CID */

/* One request. Lent until `invoke` returns; `id` alone stays good until the request is finished. */
typedef struct reeve_request {
  uint32_t struct_size;
  uint32_t command; /* index into the descriptor's commands */
  uint64_t id;      /* never 0, never used again in this process */
  /* A JSON object in canonical form: checked against the manifest's types, no duplicate key, only declared members,
   * valid UTF-8, at most 64 MiB. Long strings (base64) have no escapes in them, so they can be read in place. */
  reeve_str arguments;
  /* The configured channel that it came by. What one channel made (handles, program numbers) is not to be used by
   * another. */
  uint32_t channel;
  uint32_t peer_kind; /* REEVE_PEER_* */
  uint32_t peer_number;
  uint32_t deadline_ms; /* left when `invoke` was called; 0: none */
} reeve_request;

typedef struct reeve_sink reeve_sink;

/* Where the answer to one request goes. It may be kept after `invoke` has returned, and is gone once `finish` returns.
 * All functions but is_cancelled are [main]. */
struct reeve_sink {
  uint32_t struct_size;
  uint32_t reserved;
  /* Adds to the JSON value of the reply. May be called as often as wanted; what it is given is copied at once.
   * Waits while the core is behind, so a reply of any size needs little memory here. REEVE_ERROR_CANCELLED when the
   * request was cancelled meanwhile, REEVE_ERROR_LIMIT above 128 MiB: stop writing and finish. */
  int32_t (*write)(reeve_sink *sink, const void *bytes, uint64_t count);
  /* The same without a copy: room for at least 1 and at most `wanted` bytes, `*granted` of them, to be filled and then
   * passed to `commit`, before any other call on any sink. */
  int32_t (*reserve)(reeve_sink *sink, uint64_t wanted, void **place, uint64_t *granted);
  int32_t (*commit)(reeve_sink *sink, uint64_t count);
  /* Ends the request, exactly once. With REEVE_OK what was written is the value of the reply; nothing written means
   * `{}`. For a command whose manifest says `no-success-reply` the host is then told nothing. With an error what was
   * written is dropped and `text` (one line, at most 4 KiB) goes to the host. */
  void (*finish)(reeve_sink *sink, int32_t status, reeve_str text);
  /* To be called before `finish` by a plugin that frees something only once the host was really told: `settled` of
   * reeve_plugin follows later. */
  void (*want_settled)(reeve_sink *sink);
  /* [any] 1 once the request was cancelled: finish it within 500 ms, else the process is ended. */
  uint32_t (*is_cancelled)(const reeve_sink *sink);
};

/* What the plugin gives */

/* One command: its name only. Arguments, flags and deadline stand in the manifest and nowhere else. The names must be
 * those of the manifest, in any order. The agent steps through the array by commands[0].struct_size. */
typedef struct reeve_command {
  uint32_t struct_size;
  uint32_t reserved;
  reeve_str name;
} reeve_command;

/* Filled by `create`. The agent has zeroed it and set struct_size to what it knows: fill no more than that. Order of
 * calls: configure, activate, start, then invoke and cancel as they come, deactivate at the end of an orderly stop.
 * Only `invoke` must be there. All are [main]. What configure, activate and start return but REEVE_OK ends the process. */
typedef struct reeve_plugin {
  uint32_t struct_size;
  /* How many requests may be unanswered at once. 0 is 1: the next is handed in when the last was finished. At most 32. */
  uint32_t max_concurrency;
  void *self; /* passed to every function below */
  /* The plugin's `settings:` out of the policy, as JSON; `{}` when there are none. 200 ms. */
  int32_t (*configure)(void *self, reeve_str settings);
  /* The last time that files may be opened (those that the manifest's paths grant), libraries loaded, locales read.
   * Once it returns, the sandbox closes. 5 s for all of loading. */
  int32_t (*activate)(void *self);
  /* In the closed sandbox: the first place to make threads, set timers, watch descriptors. */
  int32_t (*start)(void *self);
  /* Carries out a request. REEVE_OK: it is finished, or `reply` is kept and will be. Anything else finishes it with
   * that status and no text, unless it was finished. It must not wait for long: what takes long is asked with a
   * callback, or done by a thread, and answered later. */
  int32_t (*invoke)(void *self, const reeve_request *request, reeve_sink *reply);
  /* A request that is not finished was cancelled; finish it within 500 ms. */
  void (*cancel)(void *self, uint64_t request_id);
  /* After want_settled: the reply was handed to the host (1), or dropped (0) because the host no longer waited. */
  void (*settled)(void *self, uint64_t request_id, uint32_t was_sent);
  /* The service stops; threads end here. 2 s. */
  int32_t (*deactivate)(void *self);
  /* Never called by an agent (the process ends instead); for tests of the plugin. */
  void (*destroy)(void *self);
  /* [any] Interfaces of the plugin; none are defined yet. NULL for what is not known. */
  const void *(*get_interface)(void *self, reeve_str id);
} reeve_plugin;

/* What a plugin is. Lives as long as the process, and never changes. */
typedef struct reeve_descriptor {
  uint32_t struct_size;
  uint32_t abi_major;       /* REEVE_ABI_MAJOR as compiled */
  uint32_t abi_minor;       /* REEVE_ABI_MINOR as compiled */
  uint32_t abi_draft;       /* REEVE_ABI_DRAFT as compiled */
  uint32_t min_agent_minor; /* the oldest minor that it can live with */
  uint32_t command_count;   /* at most 256 */
  reeve_str id;             /* reverse domain, as in the manifest: "org.example.hello" */
  reeve_str version;        /* the plugin's own */
  reeve_str vendor;
  reeve_str licence; /* SPDX */
  const reeve_command *commands;
  int32_t (*create)(const reeve_agent *agent, reeve_plugin *plugin); /* [main] 200 ms */
} reeve_descriptor;

/* The one exported function. [main], once. `agent` is good for reading versions and for log only; get_interface
 * gives NULL until `create`. Returns REEVE_OK and sets `*descriptor`, or an error when this agent will not do. */
REEVE_EXPORT int32_t reeve_plugin_query(const reeve_agent *agent, const reeve_descriptor **descriptor);

/* reeve.agent.files/1: open a path, by the agent's rights and under its policy */

#define REEVE_AGENT_FILES "reeve.agent.files/1"

#define REEVE_ACCESS_READ 1u
#define REEVE_ACCESS_WRITE 2u
#define REEVE_ACCESS_CREATE 4u /* made when it is not there */
#define REEVE_OPEN_TRUNCATE 1u
#define REEVE_OPEN_APPEND 2u

typedef struct reeve_opened {
  uint32_t struct_size;
  int32_t fd;              /* non-blocking, close-on-exec, and yours */
  uint64_t max_file_bytes; /* the size that policy lets the file grow to; 0: no limit. The plugin sees to it. */
} reeve_opened;

/* [main] The answer, once. `opened` is lent, NULL when it was not opened: then an errno or 0, and a text (lent):
 * "/etc/shadow: Permission denied (policy rule ...)". Answers come within 5 s, also from a dead mount. */
typedef void (*reeve_on_opened)(void *context, const reeve_opened *opened, int32_t error_number, reeve_str error_text);

typedef struct reeve_agent_files {
  uint32_t struct_size;
  uint32_t reserved;
  /* [main] Asks for `path` on behalf of the request `request_id`, which must be unfinished and of a command whose
   * manifest says `asks-warden`. A request may ask, for files and programs together, as often as its command says
   * (`asks: N`, 1 when it says nothing), one after the other or all at once: what is too much at one time waits in the
   * agent. Each is answered, in any order; never before this returns, and even when the request is finished first. Any
   * status but REEVE_OK: not asked, no answer follows.
   * For a command with `check: file` policy's rules for the host decide, for one without `check` those for this plugin
   * (`plugins.NAME.directories`), whose `id` the manifest names under `directories`. */
  int32_t (*open)(const reeve_agent *agent, uint64_t request_id, reeve_str path, uint32_t access, uint32_t flags,
                  reeve_on_opened on_opened, void *context);
} reeve_agent_files;

/* reeve.agent.run/1: run a program, by the agent's rights and under its policy */

#define REEVE_AGENT_RUN "reeve.agent.run/1"

/* Streams without their bit are /dev/null. */
#define REEVE_STREAM_STDIN 1u
#define REEVE_STREAM_STDOUT 2u
#define REEVE_STREAM_STDERR 4u
#define REEVE_STREAM_MERGED 8u /* with STDOUT: standard error goes into the same pipe */

typedef struct reeve_program {
  uint32_t struct_size;
  uint32_t streams;             /* REEVE_STREAM_* */
  const reeve_str *arguments;   /* argv, the program first */
  uint64_t argument_count;      /* at least 1 */
  const reeve_str *environment; /* NAME=value */
  uint64_t environment_count;
  uint32_t has_environment; /* 1: `environment` is given, be it empty; 0: what the rule says */
  uint32_t stdin_bytes;     /* how much will be written to stdin */
} reeve_program;

/* A program that runs. Descriptors are non-blocking and yours; -1 where a stream was not asked for. */
typedef struct reeve_started {
  uint32_t struct_size;
  uint32_t pid;
  uint64_t program;  /* names it to `signal` */
  int32_t status_fd; /* gives one reeve_program_status when the program has ended, then the end of the stream */
  int32_t stdin_fd;
  int32_t stdout_fd;
  int32_t stderr_fd;
  uint64_t max_output_bytes; /* of each stream, as the rule has it; 0: no limit of its own. Read on and keep no more. */
} reeve_started;

#define REEVE_PROGRAM_EXITED 1u /* `value` is its exit code */
#define REEVE_PROGRAM_KILLED 2u /* `value` is the signal */

/* What status_fd gives; its size never changes. An end of the stream without it: nobody knows how it ended. */
typedef struct reeve_program_status {
  uint32_t kind;
  int32_t value;
  uint32_t was_timed_out; /* 1: ended by the agent at its rule's timeout */
  uint32_t reserved;
} reeve_program_status;

/* [main] The answer, once. `started` is lent, NULL when it does not run: then an errno or 0, and a text (lent). */
typedef void (*reeve_on_started)(void *context, const reeve_started *started, int32_t error_number,
                                 reeve_str error_text);
/* [main] The answer to `signal`, once. */
typedef void (*reeve_on_signalled)(void *context, int32_t error_number, reeve_str error_text);

typedef struct reeve_agent_run {
  uint32_t struct_size;
  uint32_t reserved;
  /* [main] As `open` of reeve.agent.files/1. `program` and what it points at are lent until this returns. At most
   * 32,768 words and 2 MiB of arguments and environment: else REEVE_ERROR_LIMIT.
   * For a command without `check` the program is one of this plugin's own (`plugins.NAME.programs`), which its manifest
   * names under `programs`; the first argument is the rule's name there, and the program is then called by the path
   * under `run`, or that path itself. At most 32 of them run at one time.
   * `request_id` 0: for no request, which only those programs may be that the manifest calls `standing`. */
  int32_t (*run)(const reeve_agent *agent, uint64_t request_id, const reeve_program *program,
                 reeve_on_started on_started, void *context);
  /* [main] Signals the whole group of a program that this process started. `request_id` is the request on whose
   * behalf, or 0 for the plugin's own reasons. on_signalled may be NULL. */
  int32_t (*signal)(const reeve_agent *agent, uint64_t request_id, uint64_t program, int32_t signal_number,
                    reeve_on_signalled on_signalled, void *context);
} reeve_agent_run;

/* reeve.agent.loop/1: work between requests */

#define REEVE_AGENT_LOOP "reeve.agent.loop/1"

typedef void (*reeve_on_ready)(void *context, uint32_t events); /* [main] */
typedef void (*reeve_on_time)(void *context);                   /* [main] */

/* Usable from `start` on. A callback may watch, change and forget any descriptor, also its own; after `forget` or
 * `cancel` returns, the callback is not called again. */
typedef struct reeve_agent_loop {
  uint32_t struct_size;
  uint32_t reserved;
  /* [main] `events` as epoll_ctl(2) takes them. `fd` is lent until `forget`, which must come before it is closed. */
  int32_t (*watch)(const reeve_agent *agent, int32_t fd, uint32_t events, reeve_on_ready on_ready, void *context);
  int32_t (*change)(const reeve_agent *agent, int32_t fd, uint32_t events);
  void (*forget)(const reeve_agent *agent, int32_t fd);
  /* [main] Calls once, after that much running time (suspend and pause of the guest do not count). Returns the
   * timer's number, never 0. */
  uint64_t (*after)(const reeve_agent *agent, uint64_t delay_ms, reeve_on_time on_time, void *context);
  void (*cancel)(const reeve_agent *agent, uint64_t timer);
  /* [main] Running time since some point; never goes back. */
  uint64_t (*now_ms)(const reeve_agent *agent);
  /* [any] Calls on the main thread, soon, in order: how a thread of the plugin's own brings back what it did. */
  int32_t (*post)(const reeve_agent *agent, reeve_on_time call, void *context);
} reeve_agent_loop;

/* reeve.agent.state/1: what the plugin holds between requests */

#define REEVE_AGENT_STATE "reeve.agent.state/1"

typedef struct reeve_agent_state {
  uint32_t struct_size;
  uint32_t reserved;
  /* [main] How many handles, records, programs the plugin holds now. While it is not 0 the process is not stopped for
   * being idle. All of it is lost when the process crashes. */
  void (*set_held)(const reeve_agent *agent, uint64_t count);
  /* Numbers for handles that no earlier process of this plugin gave out, also before a reboot of the agent: `*count`
   * of them from `*first`. REEVE_ERROR_NOT_FOUND when the manifest does not ask for them (`handle-block: true`). */
  int32_t (*handle_block)(const reeve_agent *agent, uint64_t *first, uint64_t *count);
} reeve_agent_state;

/* reeve.agent.freeze/1: for the plugin that freezes file systems; NULL for every other.
 * While that holds something (set_held) nothing else is served than what may run while frozen, and nobody writes to a
 * disk. Its worker outlives the core: what stands open then is carried on, and its answers go nowhere. `deactivate` comes
 * at once when the service stops, at SIGTERM and when the agent is gone, whatever is open: thaw there. */

#define REEVE_AGENT_FREEZE "reeve.agent.freeze/1"

/* [main] The answer to `quiesce`, once: REEVE_OK, or REEVE_ERROR_BUSY when not all of the agent have said within 2 s that
 * they are quiet. */
typedef void (*reeve_on_quiet)(void *context, int32_t status);

typedef struct reeve_agent_freeze {
  uint32_t struct_size;
  uint32_t reserved;
  /* [main] Running time until the plugin thaws by itself, for whoever asks how the agent is; 0: it does not. To be said
   * before set_held, and when it is set anew; the agent counts it down. */
  void (*set_time_left)(const reeve_agent *agent, uint64_t time_left_ms);
  /* [main] Why the freeze that is on ends, one line of at most 512 bytes. To be said before set_held(0). */
  void (*set_end)(const reeve_agent *agent, reeve_str why);
  /* [main] Asks that the agent writes no line of a log to a disk any more; only what is frozen after the answer REEVE_OK
   * cannot meet such a line. It stays so until set_held(0). Never answered before this returns. REEVE_ERROR_ARGUMENT, and
   * no answer, while nothing is held; REEVE_ERROR_BUSY, and no answer, while another is not answered yet. */
  int32_t (*quiesce)(const reeve_agent *agent, reeve_on_quiet on_quiet, void *context);
} reeve_agent_freeze;

/* reeve.agent.renew/1: another process in the place of this one */

#define REEVE_AGENT_RENEW "reeve.agent.renew/1"

typedef struct reeve_agent_renew {
  uint32_t struct_size;
  uint32_t reserved;
  /* [main] What this process may open is outdated: a file that the manifest grants was replaced by another, or came into
   * being, since the sandbox closed. The agent starts a new process for the next request as soon as this one has answered
   * all that it was given and holds nothing (set_held), but no process lives less than a second for it. */
  void (*renew)(const reeve_agent *agent);
} reeve_agent_renew;

/* reeve.agent.fds/1: inherited descriptors */

#define REEVE_AGENT_FDS "reeve.agent.fds/1"

typedef struct reeve_agent_fds {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] The descriptor that the manifest's `inherit:` names ("mountinfo", "proc:loadavg") and policy granted, lent
   * for the life of the process; REEVE_ERROR_NOT_FOUND else. */
  int32_t (*find)(const reeve_agent *agent, reeve_str name);
} reeve_agent_fds;

#ifdef __cplusplus
}
#endif

#endif /* REEVE_PLUGIN_H */
