"""Reeve in a root of loop devices (loop_root.py) with the test in the place of its service manager: it starts, stops, kills and
starts it again in the same namespace, and sees all processes that come of it."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

from loop_root import ENVIRONMENT, REEVED, LoopRoot, foreign_mounts, reeved_words
from qga import Client
from running_reeve import words_of

PR_SET_CHILD_SUBREAPER = 36
START_LIMIT_S = 30
STOP_LIMIT_S = 20  # packaging/reeved.service


def adopt_orphans():
    """From now on what Reeve leaves behind becomes a child of this process, where it is found and reaped."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _stat(pid):
    """State and parent; ("", 0) when it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[1])


def _descendants():
    """{pid: state} of all below this process."""
    stats = {int(entry.name): _stat(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}
    found, grew = {os.getpid()}, True
    while grew:
        more = {pid for pid, (_, parent) in stats.items() if parent in found} - found
        found |= more
        grew = bool(more)
    return {pid: stats[pid][0] for pid in found - {os.getpid()}}


def _has_living_thread(pid):
    try:
        return any(_stat(f"{pid}/task/{task}")[0] not in ("Z", "X", "") for task in os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return False


class ServedRoot(LoopRoot):
    """The root stands from `with` on; Reeve from start() on. REQUIRES: adopt_orphans, in a process of its own."""

    KEEPS = True

    def __enter__(self):
        self.service = None
        self.service_log = None
        super().__enter__()
        self.service_log = open(self.directory / "service-log", "ab")  # not frozen: it is outside
        return self

    def __exit__(self, *_):
        self.thaw_all()
        self.kill_all()
        self.thaw_all()
        self.service_log.close()
        super().__exit__()

    def _end(self):
        self.thaw_all()
        self.process.kill()
        self.process.wait()
        for fd in self.held.values():
            os.close(fd)

    def log(self):
        return super().log() + "".join(path.read_text(errors="replace") for path in self.directory.glob("service-log"))

    def _enter(self, *command, **popen):
        return subprocess.Popen(["nsenter", "-t", str(self.process.pid), "-m", "-r", "-w", "--", *command],
                                stdin=subprocess.DEVNULL, env=ENVIRONMENT, umask=0o022, **popen)

    def _refuse_what_is_foreign(self):
        cat = self._enter("/bin/cat", "/proc/self/mountinfo", stdout=subprocess.PIPE, text=True)
        mounts, _ = cat.communicate(timeout=START_LIMIT_S)
        foreign = foreign_mounts(mounts, set(self.loops.values()))
        if foreign or not mounts:
            raise RuntimeError("refused: the mount table shows what is not the test's:\n" + "\n".join(foreign))

    def start(self, waits=True):
        """How long it took until it answered."""
        self._refuse_what_is_foreign()
        began = time.monotonic()
        self.service = self._enter(REEVED, *reeved_words(self.words), stdout=self.service_log, stderr=self.service_log)
        if waits:
            self._wait_with_restarts()
        return time.monotonic() - began

    def _wait_with_restarts(self):
        """A start that finds what is left of the last one ends, and is tried again, as by Restart=always."""
        end = time.monotonic() + START_LIMIT_S
        while True:
            try:
                return self.wait_until_it_answers()
            except RuntimeError:
                if self.service.poll() is None or time.monotonic() > end:
                    raise
                time.sleep(0.1)
                self.service = self._enter(REEVED, *reeved_words(self.words), stdout=self.service_log, stderr=self.service_log)

    def wait_until_it_answers(self, limit_s=START_LIMIT_S):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self.service.poll() is not None:
                raise RuntimeError(f"reeved ended with {self.service.returncode}:\n{self.log()[-4000:]}")
            try:
                with self.connect(timeout_s=limit_s) as client:
                    client.call("guest-ping")
                    return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"reeved does not answer:\n{self.log()[-4000:]}")

    def connect(self, timeout_s=20):
        return Client(self.path("/run/socket"), timeout_s=timeout_s)

    def thaw_by_list(self):
        """What ExecStopPost runs. How long it took."""
        began = time.monotonic()
        done = self._enter(REEVED, "--thaw", "-t", "/run/reeve", stdout=self.service_log, stderr=self.service_log)
        if done.wait(timeout=START_LIMIT_S) != 0:
            raise RuntimeError(f"reeved --thaw ended with {done.returncode}")
        return time.monotonic() - began

    def processes(self):
        """{pid: its words} of all that lives and came of Reeve, the warden among them."""
        found = {pid: words_of(pid) for pid, state in _descendants().items() if state != "Z" and pid != self.process.pid}
        return {pid: words for pid, words in found.items() if words}

    def unreaped(self):
        """Processes that have ended and wait for Reeve, not for this process, to notice."""
        own = os.getpid()
        return [pid for pid, state in _descendants().items() if state == "Z" and _stat(pid)[1] != own]

    def find(self, *words):
        return next((pid for pid, its in self.processes().items() if its[:len(words)] == list(words)), None)

    def kill_all(self):
        """As a service manager ends a control group whose main process is gone: returns when all threads are. One that was
        killed while it freezes is at it yet for a while."""
        end = time.monotonic() + STOP_LIMIT_S
        while pids := [pid for pid in _descendants() if pid != self.process.pid and _has_living_thread(pid)]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                return  # as at TimeoutStopSec
            time.sleep(0.002)
        if self.service is not None:
            self.service.wait(timeout=START_LIMIT_S)

    def waits(self):
        """What each thread of Reeve's waits for in the kernel, but for those that wait for work."""
        lines = []
        for pid in _descendants():
            if pid == self.process.pid:
                continue
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
                with contextlib.suppress(OSError):
                    frames = [line.split()[-1].partition("+")[0] for line in (task / "stack").read_text().splitlines()]
                    if not frames or frames[0] not in ("do_epoll_wait", "futex_do_wait"):
                        lines.append(f"{(task / 'comm').read_text().strip()} {pid}/{task.name} {_stat(task.name)[0]} {frames}")
        return lines

    def reap(self):
        """Orphans that have ended."""
        known = {self.process.pid, *([self.service.pid] if self.service else [])}
        for pid, state in _descendants().items():
            if state == "Z" and pid not in known and _stat(pid)[1] == os.getpid():
                os.waitpid(pid, os.WNOHANG)

    def names_something(self):
        """Whether there is more in the list than its head (storage/freeze_list.cc): hooks may have been under way."""
        return len(self.listed()) > 64

    def listed(self):
        """The list of frozen file systems, as bytes; b'' when there is nothing in it."""
        try:
            return self.path("/run/reeve/state/fsfreeze").read_bytes().strip(b"\0")
        except FileNotFoundError:
            return b""
