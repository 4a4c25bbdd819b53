#pragma once

#include <cstdint>

// What core, workers and warden say to each other: one message a SOCK_SEQPACKET packet, a Header, then the payload
// struct of its type, then the variable bytes that the payload announces. Fixed widths, little-endian, no padding
// (static_assert below), reserved fields are zero and are checked. The page beside this file is PROTOCOL.md.
//
// A message that is too short or too long for what it announces, of an unknown type, out of turn, of another
// generation than the peer was told, or with an unexpected number of descriptors ends the peer: nothing is repaired.

namespace reeve::wire {

inline constexpr uint32_t kMagic = 0x31565252;  // "RRV1"
// Largest packet. What is longer goes through a ring (core and worker) or in several packets (kProgramWords).
inline constexpr uint32_t kMaxMessageBytes = 64 * 1024;
inline constexpr uint32_t kMaxTextBytes = 4096;  // error texts and names
inline constexpr uint32_t kMaxInFlight = 32;     // requests at one worker; more ends it
// What a worker asks the warden at one time, answers outstanding; more ends it. Fewer than a socket's buffer holds answers.
inline constexpr uint32_t kMaxAsksAtOnce = 64;
inline constexpr uint32_t kMaxProgramBytes = 2 << 20;  // argv and env of one program together: ARG_MAX is 2 MiB
inline constexpr uint32_t kMaxWords = 32768;           // argv and env entries of one program
inline constexpr uint32_t kBuildIdBytes = 32;

enum class Type : uint16_t {
  // Every process's first message to the warden; and the core's and worker's first to each other.
  kHello = 1,

  // core -> warden
  kStartWorker = 10,  // StartWorker
  kStopWorker = 11,   // WorkerId
  kAnnounce = 12,     // Announce; header.request_id is the request, which may then ask as often as its command says
  kRetract = 13,      // WorkerId; header.request_id: answered, or given up; its programs go on
  kOpenDevice = 14,   // ChannelNumber: answered when the device is there
  // warden -> core
  kWorkerStarted = 20,  // WorkerStarted + descriptors: control socket, ring to the worker, ring from the worker
  kWorkerEnded = 21,    // WorkerEnded + text; also when a start failed
  kDeviceOpened = 22,   // ChannelNumber + descriptor
  kDeviceFailed = 23,   // ChannelNumber + text
  kNewGeneration = 24,  // + descriptor: the sealed blob; the header carries the new generation
  kStopping = 25,       // the service stops: answer what is held and end
  kStatusFacts = 26,    // StatusFactsHead + texts (status_facts.h): once the core serves, and when they change
  kStillFrozen = 27,    // Hold: ahead of kServe, when the freezing plugin held something when the last core ended
  kStandingRun = 28,    // StandingRun + words: what became of a kRunProgram for no request, for the audit trail

  // worker -> warden
  kConfined = 30,       // the load sandbox stands
  kReady = 31,          // Ready + command names, each ended by NUL: the run sandbox stands
  kOpenPath = 32,       // OpenPath + path
  kProgramWords = 33,   // part of the words of the kRunProgram with the same number
  kRunProgram = 34,     // RunProgram; request 0: for none, by a rule that is standing
  kSignalProgram = 35,  // SignalProgram
  // warden -> worker
  kLoad = 40,              // checked from outside: load the plugin
  kServe = 41,             // checked again: serve the core
  kPathOpened = 42,        // PathOpened + descriptor
  kProgramStarted = 43,    // ProgramStarted + descriptors as asked for: status, then stdin, stdout, stderr where wanted
  kRefused = 44,           // Refused + text: the answer to kOpenPath, kRunProgram or kSignalProgram
  kProgramSignalled = 45,  // AskNumber
  kNewCore = 46,  // + descriptor: the socket to the next core; the rings begin anew. Of the freezing plugin only

  // core -> worker
  kRequest = 50,   // Request: a piece of a request stands in the ring
  kCancel = 51,    // the deadline of header.request_id has come
  kConsumed = 52,  // Consumed: credit only, both directions
  kSettled = 53,   // Settled: what became of the reply of header.request_id, when kWantSettled asked for it
  kPing = 54,      // kPong is due: sent only while no request is in flight
  kQuiet = 55,     // QuietNumber: the answer to kQuiesce; the warden's too
  // worker -> core
  kReply = 60,        // ReplyPiece: a piece of a reply stands in the ring
  kReplyEnd = 61,     // ReplyEnd + text
  kHold = 62,         // Hold: how much state the plugin holds; a worker that holds any does not idle out. The freezing
                      // plugin's tells the warden too
  kLogLine = 63,      // LogLine + text, rate-limited by the receiver
  kWantSettled = 64,  // before the kReplyEnd of header.request_id: kSettled is wanted
  kPong = 65,         // Pong: the loop turns
  kFreezeNote = 66,   // FreezeNote + text: how long what is frozen stays so, why it ended. Of the freezing plugin only
  kQuiesce = 67,  // QuietNumber, after a kHold of more than 0: kQuiet is due once nothing is written to a log any more.
                  // Of the freezing plugin only, to the warden too
  kRenew = 68,    // another process is to take this one's place
};

struct Header {
  uint32_t magic = kMagic;
  Type type{};
  uint16_t reserved = 0;
  uint64_t generation = 0;
  uint64_t request_id = 0;     // 0 where the type has none
  uint32_t deadline_ms = 0;    // running time left when it was sent; 0: none
  uint32_t payload_bytes = 0;  // everything after the header
};
static_assert(sizeof(Header) == 32);

struct Hello {
  uint8_t build_id[kBuildIdBytes] = {};
};

struct StartWorker {
  uint32_t plugin = 0;  // index into Config::plugins
  uint32_t reserved = 0;
};

struct WorkerId {
  uint32_t worker = 0;  // given by the warden, never used again
  uint32_t reserved = 0;
};

struct Announce {
  uint32_t worker = 0;
  uint32_t channel = 0;    // index into Config::channels
  uint32_t peer_kind = 0;  // policy::Caller::PeerKind
  uint32_t peer_number = 0;
  uint32_t command = 0;  // index into the plugin's commands
  uint32_t rule = 0;     // index of the program or directory rule the core decided by; policy::Decision::kNoIndex
};

struct ChannelNumber {
  uint32_t channel = 0;
  uint32_t reserved = 0;
};

struct WorkerStarted {
  uint32_t worker = 0;
  uint32_t plugin = 0;
  uint32_t pid = 0;
  uint32_t ring_bytes = 0;  // of each ring
};

struct WorkerEnded {
  uint32_t worker = 0;  // 0: it never started
  uint32_t plugin = 0;
  int32_t exit_status = 0;  // wait(2); kNotTried
  uint32_t text_bytes = 0;  // why, in words: "killed by its seccomp filter"
};

// The worker was not started because an earlier process of its plugin cannot be ended yet.
inline constexpr int32_t kNotTried = -1;

// A program that a plugin asked for without a request: told when it runs and when it has ended, or when it does not run.
struct StandingRun {
  uint64_t program = 0;  // as in ProgramStarted; 0: it does not run
  uint32_t plugin = 0;
  uint32_t rule = 0;        // index into the plugin's own programs; policy::Decision::kNoIndex: none allows it
  uint32_t kind = 0;        // RunKind
  int32_t value = 0;        // exit code or signal
  uint32_t text_bytes = 0;  // argv, each word ended by NUL; as many words as fit
  uint32_t reserved = 0;
};
enum class RunKind : uint32_t { kRefused = 1, kFailed = 2, kStarted = 3, kExited = 4, kKilled = 5 };

// What the core tells whoever asks how the agent stands; its meaning is in status_facts.h.
struct StatusFactsHead {
  int64_t started_at_s = 0;
  uint32_t warden_pid = 0;
  uint32_t warden_uid = 0;
  uint32_t core_pid = 0;
  uint32_t log_pid = 0;
  uint32_t core_start_count = 0;
  uint32_t landlock_level = 0;
  uint32_t has_cgroup = 0;
  uint32_t reserved = 0;
  uint32_t text_bytes[4] = {};  // policy note, last core's end, controllers, what is missing (a line each)
};

struct Ready {
  uint32_t abi_major = 0;
  uint32_t abi_minor = 0;  // agreed
  uint32_t command_count = 0;
  uint32_t names_bytes = 0;
};

// What a worker asks has a number of its own choice, never 0 and of no other ask that is unanswered; the answer repeats it.
struct AskNumber {
  uint32_t ask = 0;
  uint32_t reserved = 0;
};

struct OpenPath {
  uint32_t access = 0;      // policy::FileAccessMask
  uint32_t open_flags = 0;  // of kOpen* below; anything else ends the worker
  uint32_t path_bytes = 0;
  uint32_t ask = 0;
};
// What a worker may ask of an open file. The warden adds O_CLOEXEC, O_NOCTTY and O_NONBLOCK itself.
inline constexpr uint32_t kOpenTruncate = 1u << 0;
inline constexpr uint32_t kOpenAppend = 1u << 1;

struct PathOpened {
  uint64_t max_file_bytes = 0;  // the file may not grow beyond this; 0: no limit of its rule's own
  uint32_t ask = 0;
  uint32_t reserved = 0;
};

struct ProgramWords {
  uint32_t bytes = 0;  // argv then env, each word ended by NUL
  uint32_t ask = 0;    // of the kRunProgram that follows
};

struct RunProgram {
  uint32_t argument_count = 0;  // argv[0] included
  uint32_t environment_count = 0;
  uint32_t total_bytes = 0;      // of all kProgramWords of this ask
  uint32_t streams = 0;          // kStream* below
  uint32_t has_environment = 0;  // 1: the host gave env, perhaps empty
  uint32_t stdin_bytes = 0;      // how much will be written to stdin; policy has a say
  uint32_t ask = 0;
  uint32_t reserved = 0;
};
inline constexpr uint32_t kStreamStdin = 1u << 0;   // a pipe; else /dev/null
inline constexpr uint32_t kStreamStdout = 1u << 1;  // a pipe; else /dev/null
inline constexpr uint32_t kStreamStderr = 1u << 2;  // a pipe; else /dev/null
inline constexpr uint32_t kStreamMerged = 1u << 3;  // stderr is stdout's pipe

struct SignalProgram {
  uint64_t program = 0;  // from ProgramStarted
  int32_t signal = 0;
  uint32_t ask = 0;
};

struct ProgramStarted {
  uint64_t program = 0;  // the warden's number of it, never used again
  uint32_t pid = 0;
  uint32_t max_output_bytes = 0;  // of each stream, as the rule has it; 0: no limit of its own
  uint32_t ask = 0;
  uint32_t reserved = 0;
};

// What the status pipe of a program carries at its end, once, before it closes.
struct ProgramStatus {
  uint32_t kind = 0;  // 1: exited, `value` is its code. 2: killed, `value` is the signal
  int32_t value = 0;
  uint32_t was_timed_out = 0;  // 1: ended by the agent at its rule's timeout
  uint32_t reserved = 0;
};
static_assert(sizeof(ProgramStatus) == 16);

struct Refused {
  uint32_t error_number = 0;  // an errno where one fits (EACCES, ENOENT), else 0
  uint32_t text_bytes = 0;
  uint32_t ask = 0;
  uint32_t reserved = 0;
};

// A piece at this offset stands in the packet itself, behind its struct, and not in the ring. Short requests and
// replies travel so: one packet, no page of the ring touched (bench/ring_bench.cc).
inline constexpr uint32_t kInlineOffset = UINT32_MAX;
inline constexpr uint32_t kMaxInlineBytes = 4096;

struct Request {
  uint32_t command = 0;  // index into the plugin's commands
  uint32_t channel = 0;
  uint32_t peer_kind = 0;
  uint32_t peer_number = 0;
  uint32_t ring_offset = 0;  // the piece's place; never wraps
  uint32_t piece_bytes = 0;
  uint64_t total_bytes = 0;  // of the whole request; the piece that completes it is the last
  uint64_t consumed = 0;     // of the other ring, as kConsumed
};

struct ReplyPiece {
  uint32_t ring_offset = 0;
  uint32_t piece_bytes = 0;
  uint64_t consumed = 0;
};

struct ReplyEnd {
  int32_t status = 0;        // REEVE_OK or an error of plugin-api
  uint32_t text_bytes = 0;   // of the error's text; with status 0 of the reply's last bytes, which stand in the packet
  uint64_t total_bytes = 0;  // of all pieces of this reply, those last bytes among them
  uint64_t consumed = 0;
};

struct Consumed {
  uint64_t consumed = 0;  // bytes of the ring that the receiver has copied out since the start, all pieces together
};

struct Settled {
  uint32_t was_sent = 0;  // 1: handed to the host's transport; 0: dropped
  uint32_t reserved = 0;
};

struct Hold {
  uint64_t held = 0;
};

struct QuietNumber {
  uint64_t number = 0;  // the worker's choice; the answer repeats it
};

struct FreezeNote {
  uint64_t time_left_ms = 0;  // running time until the plugin thaws by itself; 0: it does not
  uint32_t text_bytes = 0;    // why the freeze ends; 0: it does not end
  uint32_t reserved = 0;
};
inline constexpr uint32_t kMaxFreezeTextBytes = 512;

struct Pong {
  uint64_t heap_bytes = 0;  // taken from the kernel for the heap; as the worker says, so for its recycling only
};

struct LogLine {
  uint32_t severity = 0;  // reeve::Severity
  uint32_t text_bytes = 0;
};

static_assert(sizeof(StartWorker) == 8 && sizeof(WorkerId) == 8 && sizeof(Announce) == 24);
static_assert(sizeof(StatusFactsHead) == 56 && sizeof(StandingRun) == 32);
static_assert(sizeof(WorkerStarted) == 16 && sizeof(WorkerEnded) == 16 && sizeof(Ready) == 16);
static_assert(sizeof(OpenPath) == 16 && sizeof(ProgramWords) == 8 && sizeof(RunProgram) == 32);
static_assert(sizeof(SignalProgram) == 16 && sizeof(ProgramStarted) == 24 && sizeof(Refused) == 16);
static_assert(sizeof(AskNumber) == 8 && sizeof(PathOpened) == 16);
static_assert(sizeof(Request) == 40 && sizeof(ReplyPiece) == 16 && sizeof(ReplyEnd) == 24);
static_assert(sizeof(Settled) == 8 && sizeof(Hold) == 8 && sizeof(LogLine) == 8 && sizeof(Consumed) == 8);
static_assert(sizeof(Pong) == 8 && sizeof(QuietNumber) == 8 && sizeof(FreezeNote) == 16);

}  // namespace reeve::wire
