// A plugin that asks the agent for what it is told.

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <map>
#include <memory>

#include "asking_commands.hpp"
#include "reeve/plugin.hpp"

namespace {

using asking_manifest::AskingResult;
using reeve::plugin::Descriptor;
using reeve::plugin::Opened;
using reeve::plugin::Program;
using reeve::plugin::Started;

// Whether there is more to come.
bool ReadSome(int fd, std::string& text) {
  char piece[4096];
  const ssize_t count = ::read(fd, piece, sizeof piece);
  if (count > 0) text.append(piece, static_cast<size_t>(count));
  return count > 0 || (count < 0 && errno == EAGAIN);
}

class Asking : public reeve::plugin::Plugin {
 public:
  static constexpr uint32_t kMaxConcurrency = 8;
  using Plugin::Plugin;
  using Words = std::vector<std::string>;

  void Run(const Request& request, const asking_manifest::AskingRun& arguments, Reply& reply) {
    Job& job = Begin(request.id, arguments.programs.size(), reply);
    for (size_t i = 0; i < arguments.programs.size(); ++i) RunOne(job, i, request.id, arguments.programs[i]);
  }
  void RunOneByOne(const Request& request, const asking_manifest::AskingRunOneByOne& arguments, Reply& reply) {
    Job& job = Begin(request.id, arguments.programs.size(), reply);
    job.rest = arguments.programs;
    RunOne(job, 0, request.id, job.rest[0]);
  }
  void Once(const Request& request, const asking_manifest::AskingOnce& arguments, Reply& reply) {
    RunOne(Begin(request.id, 1, reply), 0, request.id, arguments.program);
  }
  void Standing(const Request& request, const asking_manifest::AskingStanding& arguments, Reply& reply) {
    RunOne(Begin(request.id, 1, reply), 0, 0, arguments.program);
  }
  void Open(const Request& request, const asking_manifest::AskingOpen& arguments, Reply& reply) {
    Job& job = Begin(request.id, arguments.paths.size(), reply);
    for (size_t i = 0; i < arguments.paths.size(); ++i) {
      const auto on_opened = [this, &job, i](const Opened& opened) {
        AskingResult& result = job.results[i];
        if (opened.fd) {
          ReadSome(opened.fd.get(), result.output.emplace());
        } else {
          result.refusal = opened.refusal.text;
        }
        End(job);
      };
      const int32_t asked = agent().Open(request.id, arguments.paths[i], REEVE_ACCESS_READ, 0, on_opened);
      if (asked != REEVE_OK) Refuse(job, i, asked);
    }
  }
  // What the inherited descriptors are good for in here.
  void Descriptors(const Request&, const asking_manifest::AskingDescriptors&, Reply& reply) {
    std::vector<std::string> seen;
    seen.push_back("mounts: " + Mounts());
    seen.push_back("state: " + State());
    seen.push_back("directory: " + Directory("/"));
    seen.push_back("file: " + std::string(::open("/etc/passwd", O_RDONLY) < 0 ? ::strerror(errno) : "opened"));
    reply.ReturnValue(seen);
  }

 private:
  struct Job {
    uint64_t id = 0;
    Reply reply;
    std::vector<AskingResult> results;
    size_t missing = 0;
    std::vector<Words> rest;  // to be run one after the other
    std::map<size_t, Started> running;
  };

  Job& Begin(uint64_t id, size_t count, Reply& reply) {
    Job& job = jobs_[id];
    job.id = id;
    job.reply = std::move(reply);
    job.results.resize(count);
    job.missing = count;
    return job;
  }
  void RunOne(Job& job, size_t index, uint64_t request_id, const Words& words) {
    Program program;
    program.arguments = words;
    program.streams = REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED;
    const auto on_started = [this, &job, index](Started started) {
      if (started.runs) return Follow(job, index, std::move(started));
      job.results[index].refusal = started.refusal.text;
      End(job);
    };
    const int32_t asked = agent().Run(request_id, program, on_started);
    if (asked != REEVE_OK) Refuse(job, index, asked);
  }
  void Follow(Job& job, size_t index, Started started) {
    job.results[index].output.emplace();
    const int out = started.stdout_fd.get();
    job.running[index] = std::move(started);
    agent().Watch(out, EPOLLIN, [this, &job, index, out](uint32_t) {
      if (ReadSome(out, *job.results[index].output)) return;
      agent().Forget(out);
      const int status_fd = job.running[index].status_fd.get();
      agent().Watch(status_fd, EPOLLIN, [this, &job, index, status_fd](uint32_t) {
        reeve_program_status status{};
        if (::read(status_fd, &status, sizeof status) < 0 && errno == EAGAIN) return;
        agent().Forget(status_fd);
        job.results[index].exit_code = status.kind == REEVE_PROGRAM_EXITED ? status.value : -status.value;
        End(job);
      });
    });
  }
  void Refuse(Job& job, size_t index, int32_t status) {
    job.results[index].refusal = "not asked: " + std::to_string(status);
    End(job);
  }
  void End(Job& job) {
    --job.missing;
    const size_t next = job.results.size() - job.missing;
    if (job.missing > 0 && !job.rest.empty()) return RunOne(job, next, job.id, job.rest[next]);
    if (job.missing > 0) return;
    job.reply.ReturnValue(job.results);
    // Not from within what is to go: a callback of its own is running.
    agent().After(0, [this, id = job.id] { jobs_.erase(id); });
  }

  std::string Mounts() const {
    const int fd = agent().Inherited("mountinfo");
    if (fd < 0) return "none";
    std::string text(1 << 20, '\0');
    const ssize_t count = ::pread(fd, text.data(), text.size(), 0);
    if (count < 0) return ::strerror(errno);
    text.resize(static_cast<size_t>(count));
    return text;
  }
  std::string State() const {
    const int fd = agent().Inherited("state:asking");
    if (fd < 0) return "none";
    char text[64];
    const ssize_t count = ::pread(fd, text, sizeof text, 0);
    if (count < 0 || ::pwrite(fd, "kept", 4, 0) != 4) return ::strerror(errno);
    return std::string(text, static_cast<size_t>(count));
  }
  static std::string Directory(const char* path) {
    const Descriptor fd(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd ? "opened" : ::strerror(errno);
  }

  std::map<uint64_t, Job> jobs_;
};

}  // namespace

REEVE_PLUGIN(Asking, asking_manifest::Manifest, &Asking::Run, &Asking::RunOneByOne, &Asking::Open, &Asking::Once,
             &Asking::Standing, &Asking::Descriptors)
