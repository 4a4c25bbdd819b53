"""A Reeve that runs for one test: its own directories, policy and settings, and what can be seen of its processes."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from qga import Client
from running_agent import NEVER

START_LIMIT_S = 30
# Limits of processes are counted by uid, so no two tests that run at once may share a range.
FIRST_UID = 1_000_000 + os.getpid() % 50_000 * 256
CORE_UID, LOG_UID = FIRST_UID, FIRST_UID + 1
# Of the plugins that Reeve comes with, in the order of their names.
PLUGINS = sorted(path.parent.name for path in pathlib.Path(__file__).parents[2].glob("plugins/*/*.plugin.yaml"))
EXEC_UID, FILE_UID = (FIRST_UID + 2 + PLUGINS.index(name) for name in ("exec", "file"))
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def wait_until(claim, limit_s, what):
    """The first true value of `claim()`, looked at until `limit_s` is over."""
    end = time.monotonic() + limit_s
    while True:
        value = claim()
        if value:
            return value
        assert time.monotonic() < end, f"not within {limit_s} s: {what}"
        time.sleep(0.01)


def status_of(pid):
    """/proc/PID/status by its keys; None when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def lives(pid):
    status = status_of(pid)
    return status is not None and not status["State"].startswith(("Z", "X"))


def words_of(pid):
    """Its command line; empty when it has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def children_of(pid):
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        status = status_of(entry.name)
        if status is not None and int(status["PPid"]) == pid:
            found.append(int(entry.name))
    return found


def descendants_of(pid):
    found = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


class Reeve:
    """Directories of its own, and the process `reeved`, which start() starts."""

    def __init__(self, install, directory):
        self.install = install
        self.directory = directory
        self.socket = directory / "socket"
        self.etc = directory / "etc"
        self.log_path = directory / "stderr"
        for name in ("state", "etc", "var"):
            (directory / name).mkdir(mode=0o755)
        self.settings("")
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def settings(self, text):
        (self.etc / "reeve.yaml").write_text(f"schema: 1\nuid-range: {FIRST_UID}-{FIRST_UID + 255}\n{text}")

    def write_policy(self, text):
        path = self.etc / "policy.yaml"
        path.write_text(text)
        return path

    def start(self, *arguments, channel=None, environment=None, waits=True, blocked=NEVER, **popen):
        """`channel`: the -m and -p words, by default the socket's. Started again after an end, the log goes on."""
        if blocked:
            arguments = ("-b", blocked, *arguments)
        words = ["-m", "unix-listen", "-p", str(self.socket)] if channel is None else channel
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [f"{self.install}/sbin/reeved", *words, "-t", f"{self.directory}/state", "--etc-dir", str(self.etc),
                 "--var-dir", f"{self.directory}/var", "--plugin-dir", f"{self.install}/lib/reeve/plugins", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", umask=0o022,
                env={**ENVIRONMENT, **(environment or {})}, **popen)
        if waits:
            wait_until(self.answers, START_LIMIT_S, "an answer to guest-ping")
        return self

    def answers(self):
        assert self.process.poll() is None, f"reeved ended with {self.process.returncode}:\n{self.log()}"
        try:
            with self.connect(timeout_s=5) as client:
                reply = client.call("guest-ping")
            # Its command line may close it.
            return reply == {"return": {}} or reply["error"]["class"] == "CommandNotFound"
        except OSError:
            return False

    def connect(self, timeout_s=20):
        return Client(self.socket, timeout_s=timeout_s)

    def call(self, command, **arguments):
        with self.connect() as client:
            return client.call(command, **arguments)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def find(self, *words):
        """The pid of the warden's child with this command line; None while there is none."""
        for pid in children_of(self.pid):
            if words_of(pid) == list(words) and lives(pid):
                return pid
        return None

    def core(self):
        return self.find("reeve-core")

    def log_process(self):
        return self.find("reeve-log")

    def worker(self, name):
        return self.find("reeve-worker", name)

    def stop(self, number=signal.SIGTERM, limit_s=10):
        """The exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=limit_s)

    def clean_up(self):
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def reeve_in_directory(install):
    """A Reeve that is not started yet, below a directory that only root may write and everybody may read."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-running-"))
    directory.chmod(0o755)
    reeve = Reeve(install, directory)
    try:
        yield reeve
    finally:
        reeve.clean_up()
        shutil.rmtree(directory)
