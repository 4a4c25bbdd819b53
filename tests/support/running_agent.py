"""One agent, Reeve or Debian's qemu-ga, that runs on a unix socket in a directory of its own, and its processes."""

import os
import pathlib
import subprocess
import time

from qga import Client

START_LIMIT_S = 20
QEMU_GA = "/usr/sbin/qemu-ga"
# No agent of a test may touch the machine that it runs on.
NEVER = ",".join([
    "guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "fsfreeze-freeze-disks", "guest-fstrim", "guest-shutdown",
    "guest-suspend-disk",
    "guest-suspend-ram", "guest-suspend-hybrid", "guest-set-time", "guest-set-vcpus", "guest-set-memory-blocks",
    "guest-set-user-password", "guest-ssh-add-authorized-keys", "guest-ssh-remove-authorized-keys"])
# Both children's programs inherit this and nothing else.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "REEVE_TEST": "inherited"}


class Agent:
    """One agent that runs. `name` is `reeve` or `qemu-ga`."""

    def __init__(self, name, command, socket, log):
        self.name = name
        self.socket = socket
        self._log = log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                             env=ENVIRONMENT, cwd="/", umask=0o022)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with connect(self, START_LIMIT_S) as client:
                    client.call("guest-ping")
                    return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"{self.name} does not answer:\n{pathlib.Path(self._log).read_text(errors='replace')}")

    def processes(self):
        """{pid: name} of the agent and of all below it."""
        names, parents = {}, {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            pid = int(stat.parent.name)
            names[pid], parents[pid] = name, int(rest.split()[1])
        found, grew = {self._process.pid}, True
        while grew:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            found |= more
            grew = bool(more)
        return {pid: names[pid] for pid in found if pid in names}

    def process(self, name):
        """The pid of the one process of this name."""
        pids = [pid for pid, its_name in self.processes().items() if its_name == name]
        assert len(pids) == 1, f"{len(pids)} processes {name}"
        return pids[0]

    def stop(self):
        if self._process.poll() is None:
            self._ask_to_end()
            self._process.wait(timeout=START_LIMIT_S)

    def _ask_to_end(self):
        # qemu-ga's signal handler takes a lock of its event loop. A SIGTERM that comes while the loop has it, as just after
        # a client has left, is waited on for ever.
        if self.name == "qemu-ga":
            self._process.kill()
        else:
            self._process.terminate()


def reeve_words(directory, install):
    """What starts Reeve in a directory that holds nothing yet. `install` is a prefix made by `cmake --install`: Reeve starts nothing that others could have written."""
    for name in ("state", "etc", "var"):
        (directory / name).mkdir()
    return [f"{install}/sbin/reeved", "-m", "unix-listen", "-p", f"{directory}/socket", "-t", f"{directory}/state",
            "--etc-dir", f"{directory}/etc", "--var-dir", f"{directory}/var", "--plugin-dir",
            f"{install}/lib/reeve/plugins", "--policy", "open", "-b", NEVER]


def qemu_ga_words(directory):
    return [QEMU_GA, "-m", "unix-listen", "-p", f"{directory}/socket", "-t", str(directory), "-b", NEVER]


def start_reeve(directory, install, *options, within=()):
    """`options` of its own behind the usual ones. `within`: the words of a program that becomes the agent."""
    return Agent("reeve", [*within, *reeve_words(directory, install), *options], directory / "socket", directory / "log")


def start_qemu_ga(directory, *options, within=()):
    return Agent("qemu-ga", [*within, *qemu_ga_words(directory), *options], directory / "socket", directory / "log")


def connect(agent, timeout_s=60):
    """A client of its own. qemu-ga serves one at a time and queues few."""
    end = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return Client(agent.socket, timeout_s=timeout_s)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
