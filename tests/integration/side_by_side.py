"""Reeve and Debian's qemu-ga, each on a unix socket, for the same calls on both.

What the two must have in common is tested on both; what differs on purpose (docs/differences.md) is tested on each by
itself, with the reason beside it. Reeve runs under `profile: open`, which is what qemu-ga does."""

import base64
import json
import os
import pathlib
import shutil
import tempfile
import time

import pytest

from running_agent import QEMU_GA, connect, start_qemu_ga, start_reeve

PROGRAM_LIMIT_S = 30


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


@pytest.fixture
def client(agent):
    with connect(agent) as connection:
        yield connection


@pytest.fixture
def reeve(client):
    """The client, for what only Reeve does, or does otherwise; the test says why (conftest.py deselects it
    for qemu-ga)."""
    return client


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
