"""exec-run and exec-kill: a program in one call, whatever becomes of it, and the end of one that guest-exec started."""

import concurrent.futures
import json
import os
import signal
import time

import pytest

from running_reeve import lives, reeve_in_directory, wait_until
from side_by_side import decoded, encoded, text_of, value_of

TIMEOUT_S = 1  # of the rule `impatient`
GRACE_S = 2  # from SIGTERM to SIGKILL
SLACK_S = 20  # of a machine with other things to do
DEADLINE_MS = 700  # of exec-run, where a test lowers it
CANCEL_GRACE_MS = 500
CAPTURED_BYTES = 16 << 20

POLICY = """\
schema: 1
exec:
  rules:
    shell: {{run: /bin/sh, args: any, as: root, confine: unconfined, stdin: true, reason: test}}
    impatient: {{run: {root}/impatient, args: any, as: root, confine: unconfined, timeout: {timeout_s}s, reason: test}}
    picky: {{run: /usr/bin/printf, args: [[{{literal: hello}}]], as: root, confine: unconfined, reason: test}}
    missing: {{run: {root}/missing, as: root, confine: unconfined, reason: test}}
"""


@pytest.fixture(scope="module")
def reeve(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        impatient = reeve.directory / "impatient"
        impatient.write_text("#!/bin/sh\neval \"$1\"\n")
        impatient.chmod(0o755)
        reeve.write_policy(POLICY.format(root=reeve.directory, timeout_s=TIMEOUT_S))
        reeve.start()
        assert "the last good" not in reeve.log() and "minimal" not in reeve.log(), reeve.log()
        yield reeve


def run(reeve, script, **more):
    """The value of an exec-run of a shell's script."""
    return value_of(reeve.call("exec-run", path="/bin/sh", arg=["-c", script], **more))


def pids_in(path):
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def wait_for_pids(path, count):
    return wait_until(lambda: len(found := pids_in(path)) == count and found, 10, "the programs have begun")


def are_gone(pids):
    wait_until(lambda: not any(lives(pid) for pid in pids), GRACE_S + SLACK_S, "the programs are gone")


def has_groups(reeve):
    """Whether each program has a control group, which alone reaches what has left its session."""
    return "without a control group" not in reeve.log()


# ---- one call


def test_exit_code_and_output_come_in_one_call(reeve):
    assert run(reeve, "echo out; echo err >&2; exit 7") == {
        "timed-out": False, "exited": True, "exitcode": 7, "out-data": encoded(b"out\n"), "out-truncated": False,
        "err-data": encoded(b"err\n"), "err-truncated": False}


def test_silent_program_has_no_output_members(reeve):
    assert run(reeve, ":") == {"timed-out": False, "exited": True, "exitcode": 0}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_signal_comes_with_an_exit_code(reeve, number):
    status = run(reeve, f"kill -{int(number)} $$")
    assert (status["signal"], status["exitcode"]) == (int(number), 128 + int(number))


def test_input_reaches_the_program(reeve):
    data = bytes(range(256)) * 4096
    assert decoded(run(reeve, "cat", input_data=encoded(data))["out-data"]) == data


def test_env_and_capture_mode_are_those_of_guest_exec(reeve):
    assert run(reeve, "echo o; echo e >&2", capture_output="merged")["out-data"] == encoded(b"o\ne\n")
    assert "out-data" not in run(reeve, "echo o", capture_output=False)
    reply = reeve.call("exec-run", path="/bin/sh", arg=["-c", ":"], env=["A=b"])
    assert text_of(reply).startswith("exec-run refused: /bin/sh is not allowed by policy rule 'shell' in "), reply


def test_large_output_is_truncated_and_the_program_still_ends(reeve):
    with reeve.connect(timeout_s=60) as client:
        status = value_of(client.call("exec-run", path="/bin/sh", arg=["-c", f"head -c {CAPTURED_BYTES + 1} /dev/zero; exit 3"]))
    assert (status["exitcode"], status["out-truncated"]) == (3, True)
    assert len(decoded(status["out-data"])) == CAPTURED_BYTES


def test_start_failure_has_the_text_of_guest_exec(reeve):
    texts = [text_of(reeve.call(command, path=f"{reeve.directory}/missing")) for command in ("guest-exec", "exec-run")]
    assert texts[0] == texts[1]
    assert texts[0].startswith("Failed to execute child process \u201c")


def test_it_leaves_no_record(reeve):
    pid = int(decoded(run(reeve, "echo $$")["out-data"]))
    assert text_of(reeve.call("guest-exec-status", pid=pid)) == f"PID {pid} does not exist"


def test_what_a_program_left_in_the_background_lives_on(reeve):
    """As under guest-exec, when it does not hold the output."""
    pid = int(decoded(run(reeve, "sleep 1000 >/dev/null 2>&1 & echo $!")["out-data"]))
    assert lives(pid)
    os.kill(pid, signal.SIGKILL)


def test_many_at_once_on_several_connections(reeve):
    """More than a worker takes at once."""
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        codes = list(pool.map(lambda code: run(reeve, f"sleep 0.2; exit {code}")["exitcode"], range(40)))
    assert codes == list(range(40))


# ---- the timeout


@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_timeout_is_above_zero(reeve, timeout):
    reply = reeve.call("exec-run", path="/bin/sh", arg=["-c", ":"], timeout=timeout)
    assert text_of(reply) == f"value '{timeout}' is invalid for argument timeout"


def test_at_the_timeout_the_program_ends_and_its_output_is_given(reeve):
    begin = time.monotonic()
    status = run(reeve, "echo before; sleep 1000", timeout=0.3)
    assert time.monotonic() - begin >= 0.3
    assert status == {"timed-out": True, "exited": True, "signal": 15, "exitcode": 143, "out-data": encoded(b"before\n"),
                      "out-truncated": False}


def test_at_the_timeout_what_ignores_it_is_killed_with_its_daemons(reeve, tmp_path):
    if not has_groups(reeve):
        pytest.skip("no writable version 2 control group here")
    file = tmp_path / "pids"
    status = run(reeve, f"trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >>{file}; sleep 1000; sleep 1000' & "
                        f"echo $$ >>{file}; wait; sleep 1000; sleep 1000", timeout=0.5)
    assert (status["timed-out"], status["signal"]) == (True, 9)
    assert len(pids_in(file)) == 2
    are_gone(pids_in(file))


def test_grandchild_that_holds_the_output_is_killed_at_the_timeout(reeve):
    if not has_groups(reeve):
        pytest.skip("no writable version 2 control group here")
    status = run(reeve, "setsid sleep 1000 & echo $!; exit 4", timeout=0.3)
    assert (status["timed-out"], status["exitcode"]) == (True, 4)
    are_gone([int(decoded(status["out-data"]))])


def test_rules_timeout_wins_when_it_is_the_smaller(reeve):
    begin = time.monotonic()
    status = value_of(reeve.call("exec-run", path=f"{reeve.directory}/impatient", arg=["echo x; exec sleep 1000"], timeout=60))
    assert time.monotonic() - begin >= TIMEOUT_S
    assert (status["timed-out"], status["signal"], status["out-data"]) == (True, 15, encoded(b"x\n"))


# ---- who no longer waits


def begin(client, script):
    client.send(json.dumps({"execute": "exec-run", "arguments": {"path": "/bin/sh", "arg": ["-c", script]}}).encode() + b"\n")


def lasting(file):
    """A script that would go on for long, with a child in a session of its own where a control group reaches that."""
    return f"sleep 1000 & echo $! $$ >{file}; wait"


def test_program_of_a_client_that_leaves_is_killed(reeve, tmp_path):
    file = tmp_path / "pids"
    with reeve.connect() as client:
        begin(client, lasting(file))
        pids = wait_for_pids(file, 2)
    are_gone(pids)


def test_program_waiting_behind_that_of_a_client_that_leaves_is_never_started(reeve, tmp_path):
    file, second = tmp_path / "pids", tmp_path / "second"
    with reeve.connect() as client:
        begin(client, lasting(file))
        begin(client, f"echo $$ >{second}; sleep 1000")
        pids = wait_for_pids(file, 2)
    are_gone(pids)
    wait_until(lambda: value_of(reeve.call("exec-run", path="/bin/sh", arg=["-c", ":"]))["exitcode"] == 0, 5, "the next")
    assert not pids_in(second) or not any(lives(pid) for pid in pids_in(second))


def test_guest_exec_of_a_client_that_leaves_goes_on(reeve, tmp_path):
    with reeve.connect() as client:
        pid = value_of(client.call("guest-exec", path="/bin/sh", arg=["-c", "sleep 1000"]))["pid"]
    time.sleep(CANCEL_GRACE_MS / 1000)
    assert value_of(reeve.call("guest-exec-status", pid=pid)) == {"exited": False}
    assert value_of(reeve.call("exec-kill", pid=pid, signal="KILL")) == {}


def test_sync_that_overtakes_ends_the_program_and_drops_the_answer(reeve, tmp_path):
    file = tmp_path / "pids"
    with reeve.connect() as client:
        begin(client, lasting(file))
        pids = wait_for_pids(file, 2)
        assert value_of(client.call("guest-sync", id=77)) == 77
        are_gone(pids)
        assert value_of(client.call("guest-ping")) == {}  # and nothing came between


def test_answer_that_nobody_reads_ends_with_its_connection(reeve):
    """A program that is done, with an answer of many MiB on the way."""
    for _ in range(3):
        with reeve.connect() as client:
            begin(client, f"head -c {CAPTURED_BYTES} /dev/zero")
            client.read_some()
    assert run(reeve, "exit 5")["exitcode"] == 5


def test_killed_worker_takes_the_program_with_it(reeve, tmp_path):
    file = tmp_path / "pids"
    run(reeve, ":")
    with reeve.connect() as client:
        begin(client, lasting(file))
        pids = wait_for_pids(file, 2)
        os.kill(reeve.worker("exec"), signal.SIGKILL)
        text = text_of(json.loads(client.read_line()))
    assert "ended while it served this request" in text and "killed by signal 9" in text
    are_gone(pids)
    assert run(reeve, "exit 5")["exitcode"] == 5


def test_killed_core_takes_the_program_with_it(reeve_install, tmp_path):
    file = tmp_path / "pids"
    with reeve_in_directory(reeve_install) as other:
        other.write_policy("schema: 1\nprofile: open\n")
        other.start()
        with other.connect() as client:
            begin(client, lasting(file))
            pids = wait_for_pids(file, 2)
            os.kill(other.core(), signal.SIGKILL)
            are_gone(pids)


def test_programs_that_last_do_not_keep_other_commands_out(reeve, tmp_path):
    """More of them than a worker takes at once."""
    file = tmp_path / "pids"
    clients = [reeve.connect() for _ in range(40)]
    try:
        for client in clients:
            begin(client, f"echo $$ >>{file}; sleep 1000")
        wait_until(lambda: len(pids_in(file)) >= 24, 20, "as many as may run at once")
        pid = value_of(reeve.call("guest-exec", path="/bin/sh", arg=["-c", "exit 3"]))["pid"]
        assert end_of(reeve, pid)["exitcode"] == 3
    finally:
        for client in clients:
            client.__exit__()
    are_gone(pids_in(file))
    assert run(reeve, "exit 5")["exitcode"] == 5


# ---- the deadline


@pytest.fixture(scope="module")
def hurried(reeve_install):
    """The least deadline that leaves no time to end a program in good order."""
    with reeve_in_directory(reeve_install) as other:
        other.write_policy(f"schema: 1\nprofile: open\nlimits: {{deadlines: {{exec-run: {DEADLINE_MS}ms}}}}\n")
        other.start()
        yield other


def test_program_that_heeds_the_request_to_end_is_answered_for_within_the_deadline(hurried):
    status = run(hurried, "echo x; exec sleep 1000", timeout=60)
    assert (status["timed-out"], status["signal"], status["out-data"]) == (True, 15, encoded(b"x\n"))


def test_at_the_deadline_the_program_is_killed_and_the_error_says_so(hurried, tmp_path):
    file = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ >{file}; while :; do sleep 0.05; done"
    reply = hurried.call("exec-run", path="/bin/sh", arg=["-c", script])
    assert text_of(reply) == "exec-run did not finish in time: its program was killed"
    are_gone(pids_in(file))
    assert "was stopped" not in hurried.log()  # the worker heeded it


# ---- policy


def test_refusals_name_the_command_and_the_rule(reeve):
    for path, arguments, rule in (("/usr/bin/printf", ["bye"], "picky"), ("/usr/bin/env", [], "default")):
        text = text_of(reeve.call("exec-run", path=path, arg=arguments))
        assert text.startswith(f"exec-run refused: {path} is not allowed by policy rule '{rule}' in "), text
    assert value_of(reeve.call("exec-run", path="/usr/bin/printf", arg=["hello"]))["out-data"] == encoded(b"hello")


def enabled(reply):
    return {entry["name"]: entry["enabled"] for entry in value_of(reply)["supported_commands"]}


def test_a_rule_opens_both_commands(reeve):
    commands = enabled(reeve.call("guest-info"))
    assert commands["exec-run"] and commands["exec-kill"]


@pytest.mark.parametrize("policy", ["schema: 1\n", "schema: 1\nprofile: open\ncommands: {deny: [guest-exec]}\n"],
                         ids=["no rule", "guest-exec denied"])
def test_without_a_rule_or_with_guest_exec_denied_they_are_closed(reeve_install, policy):
    with reeve_in_directory(reeve_install) as other:
        other.write_policy(policy)
        other.start()
        commands = enabled(other.call("guest-info"))
        assert not commands["exec-run"] and not commands["exec-kill"]
        error = other.call("exec-run", path="/bin/true")["error"]
        assert error["class"] == "CommandNotFound"
        assert error["desc"].startswith("Command exec-run has been disabled: policy rule "), error


# ---- exec-kill


def start(reeve, script):
    return value_of(reeve.call("guest-exec", path="/bin/sh", arg=["-c", script], capture_output=True))["pid"]


def status_of(reeve, pid):
    return value_of(reeve.call("guest-exec-status", pid=pid))


def end_of(reeve, pid):
    return wait_until(lambda: (now := status_of(reeve, pid))["exited"] and now, 10, "the end")


def test_kill_ends_a_program_and_leaves_its_output_to_be_fetched(reeve, tmp_path):
    file = tmp_path / "pids"
    pid = start(reeve, f"echo said; sleep 1000 & echo $! $$ >{file}; wait")
    pids = wait_for_pids(file, 2)
    assert value_of(reeve.call("exec-kill", pid=pid)) == {}
    assert end_of(reeve, pid) == {"exited": True, "signal": 15, "exitcode": 143, "out-data": encoded(b"said\n"), "out-truncated": False}
    are_gone(pids)


def test_kill_with_a_named_signal(reeve, tmp_path):
    file = tmp_path / "pids"
    pid = start(reeve, f"trap 'echo caught; exit 9' HUP; echo $$ >{file}; while :; do sleep 0.05; done")
    wait_for_pids(file, 1)
    assert value_of(reeve.call("exec-kill", pid=pid, signal="HUP")) == {}
    status = end_of(reeve, pid)
    assert (status["exitcode"], status["out-data"]) == (9, encoded(b"caught\n"))


def test_kill_reaches_what_has_left_the_session(reeve, tmp_path):
    if not has_groups(reeve):
        pytest.skip("no writable version 2 control group here")
    file = tmp_path / "pids"
    pid = start(reeve, f"setsid sleep 1000 & echo $! >{file}; exit 2")
    pids = wait_for_pids(file, 1)
    assert status_of(reeve, pid) == {"exited": False}  # its daemon holds the output
    assert value_of(reeve.call("exec-kill", pid=pid, signal="KILL")) == {}
    assert end_of(reeve, pid)["exitcode"] == 2
    are_gone(pids)


def test_kill_of_what_is_not_there(reeve):
    for pid in (1, -5, 99999999999):
        assert text_of(reeve.call("exec-kill", pid=pid)) == f"PID {pid} does not exist"
    pid = start(reeve, ":")
    wait_until(lambda: not lives(pid), 10, "the end")
    wait_until(lambda: "error" in (reply := reeve.call("exec-kill", pid=pid)) and text_of(reply) == f"PID {pid} has exited", 10, "ESRCH")
    assert end_of(reeve, pid)["exitcode"] == 0


def test_kill_takes_the_signals_that_it_names(reeve):
    pid = start(reeve, "sleep 1000")
    assert text_of(reeve.call("exec-kill", pid=pid, signal="9")) == "Parameter 'signal' does not accept value '9'"
    assert value_of(reeve.call("exec-kill", pid=pid, signal="KILL")) == {}
    assert end_of(reeve, pid)["signal"] == 9
