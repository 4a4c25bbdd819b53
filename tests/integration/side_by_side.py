"""Reeve and Debian's qemu-ga, each on a unix socket, for the same calls on both.

What the two must have in common is tested on both; what differs on purpose (docs/differences.md) is tested on each by
itself, with the reason beside it. Reeve runs under `profile: open`, which is what qemu-ga does."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from qga import Client

START_LIMIT_S = 20
PROGRAM_LIMIT_S = 30
QEMU_GA = "/usr/sbin/qemu-ga"
# The oracle must never touch the machine that it runs on.
NEVER = ",".join([
    "guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fstrim", "guest-shutdown", "guest-suspend-disk",
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

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=START_LIMIT_S)


def start_reeve(directory, install):
    """`install` is a prefix made by `cmake --install`: Reeve starts nothing that others could have written."""
    for name in ("state", "etc", "var"):
        (directory / name).mkdir()
    return Agent("reeve", [
        f"{install}/sbin/reeved", "-m", "unix-listen", "-p", f"{directory}/socket", "-t", f"{directory}/state",
        "--etc-dir", f"{directory}/etc", "--var-dir", f"{directory}/var", "--plugin-dir",
        f"{install}/lib/reeve/plugins", "--policy", "open"], directory / "socket", directory / "log")


def start_qemu_ga(directory):
    return Agent("qemu-ga", [QEMU_GA, "-m", "unix-listen", "-p", f"{directory}/socket", "-t", str(directory), "-b", NEVER],
                 directory / "socket", directory / "log")


def agents(params):
    """A fixture over the named agents, one of each for a whole file of tests."""

    @pytest.fixture(scope="module", params=params, name="agent")
    def fixture(request):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-side-by-side-"))
        directory.chmod(0o755)
        if request.param == "qemu-ga":
            if not os.access(QEMU_GA, os.X_OK):
                pytest.skip("no qemu-ga here to compare with")
            agent = start_qemu_ga(directory)
        else:
            agent = start_reeve(directory, request.getfixturevalue("reeve_install"))
        yield agent
        agent.stop()
        shutil.rmtree(directory)

    return fixture


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


def encoded(data):
    return base64.b64encode(data).decode()


def decoded(text):
    return base64.b64decode(text)


def value_of(reply):
    assert "return" in reply, reply
    return reply["return"]


def text_of(reply):
    """The text of a failure, whose class must be GenericError."""
    assert reply.get("error", {}).get("class") == "GenericError", reply
    return reply["error"]["desc"]


def run(client, path, *arguments, **more):
    """Starts a program and waits for its end: the value of the last guest-exec-status."""
    call = {"path": path, "arg": list(arguments), "capture-output": True, **more}
    reply = json.loads(client.exchange(json.dumps({"execute": "guest-exec", "arguments": call})))
    return wait_for(client, value_of(reply)["pid"])


def wait_for(client, pid):
    end = time.monotonic() + PROGRAM_LIMIT_S
    while time.monotonic() < end:
        status = value_of(client.call("guest-exec-status", pid=pid))
        if status["exited"]:
            return status
        time.sleep(0.005)
    raise AssertionError(f"program {pid} does not end")
