// Tells from inside how a program is shut in, a line each: `what outcome`. Tries only what does no harm where it is allowed:
// descriptors that are none, wrong magic numbers, null pointers. Static, since it also runs where no C library can be found.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void Say(const char* what, long result) {
  printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
}

static void PrintStatus(void) {
  FILE* file = fopen("/proc/self/status", "r");
  char line[512];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    char* colon = strchr(line, ':');
    if (colon == NULL) continue;
    *colon = ' ';
    printf("status.%s", line);
  }
  printf("securebits %d\ncwd %s\npid %d\n", prctl(PR_GET_SECUREBITS), get_current_dir_name(), getpid());
}

static void TryWriting(const char* directory) {
  char path[256], what[300];
  snprintf(path, sizeof path, "%s/reeve-confinement-probe-%d", directory, getpid());
  snprintf(what, sizeof what, "write:%s", directory);
  const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  Say(what, fd);
  if (fd >= 0) unlink(path);
}

static void TrySocket(const char* what, int family, int type) {
  const int fd = socket(family, type, 0);
  Say(what, fd);
  if (fd >= 0) close(fd);
}

static void TryLoopback(void) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  Say("connect:loopback", fd < 0 ? -1 : connect(fd, (struct sockaddr*)&address, sizeof address));
}

// In a child, which a namespace or a tracer of its own may have.
static void TryInChild(const char* what, long (*attempt)(void)) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    Say(what, attempt());
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  if (child < 0) Say(what, -1);
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s killed:%d\n", what, WTERMSIG(status));
}

static long UnshareUser(void) {
  return unshare(CLONE_NEWUSER);
}
static long UnshareNet(void) {
  return unshare(CLONE_NEWNET);
}
static long TraceMe(void) {
  return ptrace(PTRACE_TRACEME, 0, 0, 0);
}

#define TRY(name, ...) Say("call:" #name, syscall(SYS_##name, ##__VA_ARGS__))

static void TryCalls(void) {
  TRY(mount, "reeve", "/nonexistent", "tmpfs", 0, 0);
  TRY(umount2, "/nonexistent", 0);
  TRY(move_mount, -1, "", -1, "", 0);
  TRY(setns, -1, 0);
  TRY(chroot, "/nonexistent");
  TRY(keyctl, 0, 0, 0);
  TRY(bpf, -1, 0, 0);
  TRY(io_uring_setup, 0, 0);
  TRY(perf_event_open, 0, 0, 0, 0, 0);
  TRY(userfaultfd, -1);
  TRY(process_vm_readv, getpid(), 0, -1, 0, 0, 0);
  TRY(pidfd_getfd, -1, -1, 0);
  TRY(finit_module, -1, "", 0);
  TRY(delete_module, 0, 0);
  TRY(kexec_load, 0, -1, 0, -1);
  TRY(reboot, 0, 0, 0, 0);
  TRY(swapon, 0, 0);
  TRY(iopl, 9);
  TRY(clock_settime, CLOCK_MONOTONIC, 0);
  TRY(sethostname, 0, -1);
  TryInChild("call:unshare-user", UnshareUser);
  TryInChild("call:unshare-net", UnshareNet);
  TryInChild("call:ptrace", TraceMe);
}

// Further arguments are paths: whether each can be opened for writing, without waiting.
int main(int argc, char** argv) {
  static const char* const kDirectories[] = {"/",    "/etc", "/usr",     "/usr/local", "/root", "/home",
                                             "/run", "/tmp", "/var/tmp", "/dev/shm",   "/dev",  "/var/lib"};
  PrintStatus();
  for (size_t i = 0; i < sizeof kDirectories / sizeof *kDirectories; ++i) TryWriting(kDirectories[i]);
  TrySocket("socket:inet", AF_INET, SOCK_STREAM);
  TrySocket("socket:inet6", AF_INET6, SOCK_DGRAM);
  TrySocket("socket:netlink", AF_NETLINK, SOCK_RAW);
  TrySocket("socket:vsock", AF_VSOCK, SOCK_STREAM);
  TrySocket("socket:unix", AF_UNIX, SOCK_STREAM);
  TryLoopback();
  Say("read:shadow", open("/etc/shadow", O_RDONLY));
  Say("read:passwd", open("/etc/passwd", O_RDONLY));
  Say("device:null", open("/dev/null", O_WRONLY));
  Say("device:kmsg", open("/dev/kmsg", O_WRONLY));
  Say("setuid:0", setuid(0));
  TryCalls();
  for (int i = 2; i < argc; ++i) {
    char what[300];
    snprintf(what, sizeof what, "open:%s", argv[i]);
    Say(what, open(argv[i], O_WRONLY | O_NONBLOCK));
  }
  return 0;
}
