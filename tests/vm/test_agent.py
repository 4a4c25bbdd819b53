"""What an unmodified libvirt gets from the agent of a real guest."""

import base64
import hashlib
import json
import random

import agent
import pytest

EIGHT_MIB = 8 * 1024 * 1024
BOTH = "echo out; echo err >&2"


def random_bytes(seed):
    return random.Random(seed).randbytes(EIGHT_MIB)


def sha256_in_guest(guest, path):
    return guest.check(f"sha256sum '{path}'").split()[0]


def test_virsh_pings(open_guest):
    done = open_guest.virsh("qemu-agent-command", "reeve-guest", '{"execute":"guest-ping"}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"return": {}}), done.stderr


def test_virsh_is_told_what_the_agent_can_do(open_guest):
    done = open_guest.virsh("qemu-agent-command", "reeve-guest", '{"execute":"guest-info"}')
    enabled = {command["name"] for command in json.loads(done.stdout)["return"]["supported_commands"] if command["enabled"]}
    assert enabled >= {"guest-sync", "guest-sync-delimited", "guest-ping", "guest-info", "guest-exec", "guest-exec-status",
                       "guest-file-open", "guest-file-close", "guest-file-read", "guest-file-write", "guest-file-seek",
                       "guest-file-flush"}


def test_an_unknown_command_is_an_error_and_no_more(open_guest):
    done = open_guest.virsh("qemu-agent-command", "reeve-guest", '{"execute":"guest-nonsense"}')
    assert done.returncode != 0
    assert "guest-nonsense has not been found" in done.stderr
    assert open_guest.agent("guest-ping") == {}


@pytest.mark.parametrize("capture, out, err", [
    (True, b"out\n", b"err\n"),
    (False, None, None),
    pytest.param("none", None, None, marks=pytest.mark.reeve),
    pytest.param("stdout", b"out\n", None, marks=pytest.mark.reeve),
    pytest.param("stderr", None, b"err\n", marks=pytest.mark.reeve),
    pytest.param("separated", b"out\n", b"err\n", marks=pytest.mark.reeve),
    pytest.param("merged", b"out\nerr\n", None, marks=pytest.mark.reeve),
])
def test_exec_captures_what_was_asked_for(open_guest, capture, out, err):
    status = agent.run(open_guest, agent.SHELL, "-c", BOTH, capture=capture)
    assert (status["exitcode"], status.get("out-data"), status.get("err-data")) == (0, out, err)


def test_exec_tells_the_exit_code(open_guest):
    assert agent.run(open_guest, agent.SHELL, "-c", "exit 3")["exitcode"] == 3


def test_exec_tells_the_signal(open_guest):
    status = agent.run(open_guest, agent.SHELL, "-c", "kill -KILL $$")
    assert status["signal"] == 9


@pytest.mark.reeve
def test_exec_tells_a_signal_in_the_exit_code_too(open_guest):
    assert agent.run(open_guest, agent.SHELL, "-c", "kill -KILL $$")["exitcode"] == 128 + 9


def test_exec_hands_over_input(open_guest):
    status = agent.run(open_guest, "/usr/bin/sha256sum", stdin=b"spoken by the host")
    assert status["out-data"].split()[0].decode() == hashlib.sha256(b"spoken by the host").hexdigest()


def test_exec_of_nothing_is_refused(open_guest):
    done = open_guest.virsh("qemu-agent-command", "reeve-guest",
                            '{"execute":"guest-exec","arguments":{"path":"/no/such/program"}}')
    assert done.returncode != 0
    assert "No such file or directory" in done.stderr
    assert open_guest.agent("guest-ping") == {}


def test_eight_mebibytes_come_in_unchanged(open_guest):
    data = random_bytes(1)
    agent.write_file(open_guest, "/root/from-host", data)
    assert sha256_in_guest(open_guest, "/root/from-host") == hashlib.sha256(data).hexdigest()


def test_eight_mebibytes_go_out_unchanged(open_guest):
    open_guest.check(f"head -c {EIGHT_MIB} /dev/urandom >/root/from-guest")
    data = agent.read_file(open_guest, "/root/from-guest")
    assert hashlib.sha256(data).hexdigest() == sha256_in_guest(open_guest, "/root/from-guest")


def test_virsh_carries_the_largest_piece_its_command_line_holds(open_guest):
    data = random_bytes(2)[:agent.WRITE_PIECE]
    handle = open_guest.agent("guest-file-open", path="/root/by-virsh", mode="w")
    request = {"execute": "guest-file-write",
               "arguments": {"handle": handle, "buf-b64": base64.b64encode(data).decode()}}
    done = open_guest.virsh("qemu-agent-command", "reeve-guest", json.dumps(request))
    assert json.loads(done.stdout)["return"]["count"] == len(data), done.stderr
    open_guest.agent("guest-file-close", handle=handle)
    assert sha256_in_guest(open_guest, "/root/by-virsh") == hashlib.sha256(data).hexdigest()
