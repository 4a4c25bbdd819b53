"""guest-exec and guest-exec-status on a running agent: what hosts see, beside qemu-ga."""

import json
import os
import signal
import stat

import pytest

from side_by_side import agents, client, connect, decoded, encoded, reeve, run, text_of, value_of, wait_for

CAPTURED_BYTES = 16 << 20

agent = agents(["reeve", "qemu-ga"])


def failure_of(client, path, **more):
    """GLib's text. 7.2 puts a frame around it that later releases have not got (they are the contract)."""
    text = text_of(client.call("guest-exec", path=path, **more))
    frame = "Guest agent command failed, error was '"
    return text[len(frame):-1] if text.startswith(frame) else text


def script(tmp_path, content, mode=0o755):
    path = tmp_path / "script"
    path.write_text(content)
    path.chmod(mode)
    # Whoever runs it need not be this user.
    for parent in [tmp_path, *tmp_path.parents][:3]:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & stat.S_ISVTX:
            parent.chmod(parent.stat().st_mode | 0o055)
    return str(path)


# ---- alike on both


def test_exit_code_and_nothing_else_of_a_silent_program(client):
    assert run(client, "/bin/true") == {"exited": True, "exitcode": 0}
    assert run(client, "/bin/sh", "-c", "exit 7") == {"exited": True, "exitcode": 7}


def test_both_streams_are_captured(client):
    assert run(client, "/bin/sh", "-c", "echo out; echo err >&2") == {
        "exited": True, "exitcode": 0, "out-data": encoded(b"out\n"), "out-truncated": False,
        "err-data": encoded(b"err\n"), "err-truncated": False}


@pytest.mark.parametrize("capture", [False, None])
def test_without_capture_there_is_no_output(client, capture):
    more = {} if capture is None else {"capture_output": capture}
    pid = value_of(client.call("guest-exec", path="/bin/echo", arg=["x"], **more))["pid"]
    assert wait_for(client, pid) == {"exited": True, "exitcode": 0}


def test_members_come_in_one_order(client):
    pid = value_of(client.call("guest-exec", path="/bin/sh", arg=["-c", "echo o; echo e >&2"], capture_output=True))["pid"]
    line = '{"return": {"exited": false}}'
    while line == '{"return": {"exited": false}}':
        line = client.exchange(json.dumps({"execute": "guest-exec-status", "arguments": {"pid": pid}}))
    assert line == ('{"return": {"exitcode": 0, "err-data": "ZQo=", "out-data": "bwo=", "err-truncated": false, '
                    '"out-truncated": false, "exited": true}}')


def test_arguments_reach_the_program_as_they_are(client):
    words = ["", " ", "a\nb", "\"'\\$x", "\u00e9\U0001f600", "-n", "*"]
    output = run(client, "/usr/bin/printf", "%s|", *words)["out-data"]
    assert decoded(output).decode() == "".join(word + "|" for word in words)


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 4096], ids=["empty", "short", "1 MiB"])
def test_input_reaches_the_program_whole_and_ends(client, data):
    status = run(client, "/bin/cat", **{"input-data": encoded(data)})
    assert decoded(status.get("out-data", "")) == data


def test_program_that_does_not_read_its_input_ends(client):
    assert run(client, "/bin/true", **{"input-data": encoded(bytes(1 << 20))})["exitcode"] == 0


def test_input_is_dev_null_without_input_data(client):
    assert decoded(run(client, "/bin/sh", "-c", "readlink /proc/self/fd/0")["out-data"]) == b"/dev/null\n"


def test_env_replaces_the_environment(client):
    assert decoded(run(client, "/usr/bin/env", env=["A=b", "C=d=e"])["out-data"]) == b"A=b\nC=d=e\n"
    assert "out-data" not in run(client, "/usr/bin/env", env=[])


def test_absent_env_is_the_agents_own(client):
    assert b"REEVE_TEST=inherited\n" in decoded(run(client, "/usr/bin/env")["out-data"])


def test_name_without_a_slash_is_looked_for_in_path(client, tmp_path):
    assert run(client, "true")["exitcode"] == 0
    path = script(tmp_path, "#!/bin/sh\nexit 5\n")
    assert run(client, "script", env=[f"PATH={os.path.dirname(path)}:/usr/bin"])["exitcode"] == 5


def test_script_without_an_interpreter_line_is_run_by_the_shell(client, tmp_path):
    status = run(client, script(tmp_path, "echo from $0\nexit 4\n"))
    assert (status["exitcode"], decoded(status["out-data"])) == (4, f"from {tmp_path}/script\n".encode())


def test_script_sees_its_own_path(client, tmp_path):
    path = script(tmp_path, "#!/bin/sh\necho $0\n")
    assert decoded(run(client, path)["out-data"]).decode() == path + "\n"


@pytest.mark.parametrize("path, why", [("/none", "No such file or directory"), ("/etc/passwd", "Permission denied"),
                                       ("/etc", "Permission denied"), ("", "No such file or directory"),
                                       ("/etc/passwd/x", "Not a directory"), ("no-such-program", "No such file or directory")])
def test_start_failure_has_glibs_text(client, path, why):
    assert failure_of(client, path) == f"Failed to execute child process \u201c{path}\u201d ({why})"


def test_bad_input_data_is_refused(client):
    assert text_of(client.call("guest-exec", path="/bin/cat", input_data="a b")) == "Base64 data contains invalid characters"


def test_sixteen_mebibytes_are_whole(client):
    status = run(client, "/bin/sh", "-c", f"head -c {CAPTURED_BYTES} /dev/zero")
    assert status["out-truncated"] is False
    assert len(decoded(status["out-data"])) == CAPTURED_BYTES


def test_one_byte_more_is_truncated_and_the_program_still_ends(client):
    status = run(client, "/bin/sh", "-c", f"head -c {CAPTURED_BYTES + 1} /dev/zero; exit 3")
    assert (status["exitcode"], status["out-truncated"]) == (3, True)
    assert len(decoded(status["out-data"])) == CAPTURED_BYTES


def test_grandchild_that_holds_the_output_keeps_it_running(client, tmp_path):
    go = tmp_path / "go"
    os.mkfifo(go)
    go.chmod(0o666)
    script(tmp_path, "")  # opens the way to it
    pid = value_of(client.call("guest-exec", path="/bin/sh", capture_output=True,
                               arg=["-c", f"(read x < {go}; echo late) & exit 2"]))["pid"]
    with open(go, "w") as writer:  # the grandchild is there
        assert value_of(client.call("guest-exec-status", pid=pid)) == {"exited": False}
        writer.write("\n")
    status = wait_for(client, pid)
    assert (status["exitcode"], decoded(status["out-data"])) == (2, b"late\n")


def test_record_survives_the_connection_and_is_told_once(agent, client):
    pid = value_of(client.call("guest-exec", path="/bin/echo", arg=["x"], capture_output=True))["pid"]
    with connect(agent) if agent.name == "reeve" else client as other:
        assert decoded(wait_for(other, pid)["out-data"]) == b"x\n"
        assert "error" in other.call("guest-exec-status", pid=pid)


def test_many_programs_run_at_once(client):
    pids = [value_of(client.call("guest-exec", path="/bin/sh", arg=["-c", f"sleep 0.2; exit {code}"]))["pid"]
            for code in range(20)]
    assert [wait_for(client, pid)["exitcode"] for pid in pids] == list(range(20))


def test_umask_limits_and_directory_are_those_of_the_service(client):
    """Each agent was started the same way, so each program must find the same (the expected text is this process's)."""
    probe = "umask; ulimit -a; pwd; grep -E 'SigIgn|SigBlk|NoNewPrivs|Seccomp:|CapEff' /proc/self/status"
    expected = os.popen(f"cd / && umask 022 && {probe}").read()
    found = decoded(run(client, "/bin/sh", "-c", probe)["out-data"]).decode()
    without_signals = [line for line in found.splitlines() if not line.startswith("SigIgn")]
    assert without_signals == [line for line in expected.splitlines() if not line.startswith("SigIgn")]


def test_only_the_three_standard_descriptors_are_open(client):
    # ls itself opens one more, the directory that it lists.
    assert decoded(run(client, "/bin/sh", "-c", "exec ls /proc/self/fd")["out-data"]).split() == [b"0", b"1", b"2", b"3"]


# ---- different on purpose


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_signal_comes_with_an_exit_code(reeve, number):
    """qemu-ga gives `signal` only; hosts read `exitcode` without asking whether it is there (Ansible)."""
    status = run(reeve, "/bin/sh", "-c", f"kill -{int(number)} $$")
    assert status == {"exited": True, "signal": int(number), "exitcode": 128 + int(number)}


def test_unknown_pid_is_named(reeve):
    """7.2 says `Invalid parameter 'pid'`, 11.1 `PID ld does not exist`."""
    for pid in (1, -5, 99999999999):
        assert text_of(reeve.call("guest-exec-status", pid=pid)) == f"PID {pid} does not exist"


@pytest.mark.parametrize("mode, out, err", [("none", None, None), ("stdout", b"o\n", None), ("stderr", None, b"e\n"),
                                            ("separated", b"o\n", b"e\n"), ("merged", b"o\ne\n", None)])
def test_capture_modes_do_what_their_names_say(reeve, mode, out, err):
    """7.2 knows true and false only; in 11.1.3 `stdout` and `stderr` corrupt the agent's descriptors."""
    status = run(reeve, "/bin/sh", "-c", "echo o; echo e >&2", **{"capture-output": mode})
    assert status.get("out-data") == (None if out is None else encoded(out))
    assert status.get("err-data") == (None if err is None else encoded(err))


def test_line_ends_in_input_data_are_skipped(reeve):
    """qemu-ga takes LF only; Proxmox sends lines."""
    assert decoded(run(reeve, "/bin/cat", **{"input-data": "aGVs\r\nbG8=\r\n"})["out-data"]) == b"hello"


@pytest.mark.parametrize("data", ["aGVsbG8", "====", "aGVsbG8=aGVs"])
def test_input_data_with_a_bad_end_is_refused(reeve, data):
    """qemu-ga drops an incomplete end in silence, and decodes past padding."""
    assert text_of(reeve.call("guest-exec", path="/bin/cat", input_data=data)) == "Base64 data contains invalid characters"
