"""Each confinement that a rule can name, seen from inside by a probe: who it is, what it may call, write and reach; and that
ordinary programs still do their work."""

import base64
import ctypes
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

import confinements
from confinements import EXPECTED, parse
from running_reeve import FIRST_UID, reeve_in_directory, status_of, wait_until, words_of

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "support/confinement_probe.c"
# Empty on Debian, below /usr, which is all that a sandboxed program sees: in a mount namespace of Reeve's, the probe is there.
PLACE = "/usr/local/games"
PROBE = f"{PLACE}/probe"
LAST_UID = FIRST_UID + 255
SANDBOXED_UIDS = range(LAST_UID - 31, LAST_UID + 1)
TIMEOUT_S = 1
GRACE_S = 2
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def with_probe_in_place(directory):
    """For the child before it becomes reeved: its own mounts, with `directory` at PLACE."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter():
        nothing = ctypes.c_char_p(None)
        for result in (libc.unshare(CLONE_NEWNS), libc.mount(nothing, b"/", nothing, MS_REC | MS_PRIVATE, nothing),
                       libc.mount(os.fsencode(directory), PLACE.encode(), nothing, MS_BIND, nothing)):
            if result != 0:
                raise OSError(ctypes.get_errno(), "mounts of its own")

    return enter


@pytest.fixture(scope="module")
def reeve(reeve_install):
    with reeve_in_directory(reeve_install) as reeve, tempfile.TemporaryDirectory(dir="/run", prefix="reeve-test-") as run:
        place = reeve.directory / "place"
        place.mkdir()
        subprocess.run(["cc", "-O2", "-static", "-o", place / "probe", SOURCE], check=True)
        reeve.fifo = f"{run}/fifo"
        os.chmod(run, 0o755)
        os.mkfifo(reeve.fifo)
        os.chmod(reeve.fifo, 0o666)
        reeve.reader = os.open(reeve.fifo, os.O_RDONLY | os.O_NONBLOCK)  # else no writer can open it without waiting
        reeve.write_policy(confinements.policy(PROBE, TIMEOUT_S))
        reeve.start(preexec_fn=with_probe_in_place(place))
        assert "the last good" not in reeve.log() and "minimal" not in reeve.log(), reeve.log()
        yield reeve
        os.close(reeve.reader)


def start(reeve, path, *arguments):
    reply = reeve.call("guest-exec", path=path, arg=list(arguments), capture_output=True)
    assert "return" in reply, reply
    return reply["return"]["pid"]


def end_of(reeve, pid, limit_s=30):
    status = wait_until(lambda: (now := reeve.call("guest-exec-status", pid=pid)["return"])["exited"] and now, limit_s, "the end")
    for key in ("out-data", "err-data"):
        status[key] = base64.b64decode(status.get(key, "")).decode()
    return status


def shell(reeve, profile, script):
    return start(reeve, "/usr/bin/bash", "-c", script, profile)


def run(reeve, profile, script):
    status = end_of(reeve, shell(reeve, profile, script))
    return status.get("exitcode"), status["out-data"], status["err-data"]


@pytest.fixture(scope="module")
def found(reeve):
    """What the probe finds, by profile."""
    answers = {}
    for profile in EXPECTED:
        status = end_of(reeve, start(reeve, PROBE, profile, reeve.fifo))
        assert status["exitcode"] == 0, (profile, status)
        answers[profile] = parse(status["out-data"])
    return answers


@pytest.mark.parametrize("profile", EXPECTED)
def test_profile_is_what_its_table_says(found, profile):
    wrong = confinements.differences(found[profile], profile, own_capabilities=int(status_of("self")["CapBnd"], 16))
    assert not wrong, (profile, wrong, found[profile])


def test_probe_sees_what_an_unconfined_program_may(found):
    """Else the refusals above would show nothing."""
    free = found["unconfined"]
    assert {free[f"write:{name}"] for name in ("/", "/etc", "/usr", "/run", "/tmp", "/dev/shm")} == {"ok"}
    assert free["call:unshare-user"] == free["call:ptrace"] == free["socket:inet"] == "ok"
    assert free["connect:loopback"] == "ECONNREFUSED"
    assert free["call:reboot"] == "EINVAL" and free["call:finit_module"] in ("EBADF", "ENOSYS")  # a kernel without modules


def test_fifo_of_the_machine_takes_nothing_from_a_reader_or_a_sandbox(reeve, found):
    """A read-only mount alone would let both write to it."""
    assert {profile: answers[f"open:{reeve.fifo}"] for profile, answers in found.items()} == {
        "unconfined": "ok", "admin": "ok", "admin-user": "ok", "hook": "ok", "service": "ok",
        "readonly": "EACCES", "readonly-root": "EACCES", "sandboxed": "ENOENT"}


def test_sandboxed_program_has_a_user_that_nobody_else_has(reeve):
    pids = [shell(reeve, "sandboxed", "id -u; sleep 0.5") for _ in range(3)]
    uids = [int(end_of(reeve, pid)["out-data"]) for pid in pids]
    assert len(set(uids)) == 3 and set(uids) <= set(SANDBOXED_UIDS)


def test_number_that_a_process_has_is_not_given_to_a_sandboxed_program(reeve):
    """Each of the numbers is held by a process that Reeve did not start."""
    strangers = [subprocess.Popen(["/usr/bin/sleep", "100"], user=uid, group=uid, extra_groups=[]) for uid in SANDBOXED_UIDS]
    try:
        reply = reeve.call("guest-exec", path="/usr/bin/bash", arg=["-c", "id", "sandboxed"])
        assert "is in use" in reply["error"]["desc"]
    finally:
        for stranger in strangers:
            stranger.kill()
            stranger.wait()
    assert run(reeve, "sandboxed", "echo free")[1] == "free\n"


def test_one_more_sandboxed_program_than_there_are_numbers_is_refused(reeve):
    pids = [shell(reeve, "sandboxed", "sleep 100") for _ in SANDBOXED_UIDS]
    try:
        reply = reeve.call("guest-exec", path="/usr/bin/bash", arg=["-c", "id", "sandboxed"])
        assert "as many sandboxed programs run as there are numbers for" in reply["error"]["desc"]
    finally:
        for pid in pids:
            os.killpg(pid, signal.SIGKILL)
    assert {end_of(reeve, pid)["signal"] for pid in pids} == {signal.SIGKILL}
    assert run(reeve, "sandboxed", "echo free")[1] == "free\n"


# ---- ordinary programs

ORDINARY = {
    "ls": ("ls -l /usr/bin/env", "/usr/bin/env\n"),
    "id": ("id -u >/dev/null && echo done", "done\n"),
    "python3": ("/usr/bin/python3 -c 'import json, subprocess; print(json.dumps(subprocess.run([\"echo\", \"x\"]).returncode))'",
                "0\n"),
    "systemctl": ("systemctl --version", "systemd"),
    "pipe": ("seq 1000 | grep 7 | wc -l", "271\n"),
    "date": ("date -u -d @0 +%Y", "1970\n"),
    "exit": ("exit 7", ""),
}
WITH_FILES = {
    "sort": ("seq 200000 | sort -S 64K -T /tmp | tail -n 1", "99999\n"),
    "here": ("cat <<< text", "text\n"),
    "own": ("cd /tmp && echo a > x && mv x y && cat y && rm y", "a\n"),
}


# A service has no place for temporary files.
WORK = [(profile, name) for profile in EXPECTED for name in [*ORDINARY, *WITH_FILES]
        if (profile, name) not in (("service", "sort"), ("service", "own"))]


@pytest.mark.parametrize("profile, name", WORK)
def test_ordinary_program_works(reeve, profile, name):
    script, expected = {**ORDINARY, **WITH_FILES}[name]
    code, out, err = run(reeve, profile, script)
    assert (code, err) == (7 if name == "exit" else 0, ""), (code, out, err)
    assert out.startswith(expected) if name == "systemctl" else out.endswith(expected), out


@pytest.mark.parametrize("profile", [profile for profile in EXPECTED if profile != "sandboxed"])
def test_ps_shows_the_machine_but_to_a_sandboxed_program(reeve, profile):
    assert f" {reeve.pid} " in run(reeve, profile, "ps -e -o pid= | tr '\\n' ' '; echo")[1] + " "


def test_sandboxed_program_sees_no_process_but_its_own(reeve):
    out = run(reeve, "sandboxed", "echo /proc/[0-9]*; echo /proc/*/; cat /proc/1/cmdline 2>&1 | tr -d '\\0'")[1]
    assert "/proc/1 " not in out and "meminfo" not in out and "reeve" not in out, out


def test_sandboxed_program_sees_only_usr(reeve):
    out = run(reeve, "sandboxed", "echo /* /etc/* /dev/*; echo $HOME; pwd")[1].splitlines()
    assert set(out[0].split()) <= {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/tmp", "/proc", "/dev", "/etc",
                                   "/etc/ld.so.cache", "/etc/alternatives", "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                   "/dev/urandom", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"}
    assert out[1:] == ["/tmp", "/"]


@pytest.mark.parametrize("profile", ["readonly", "sandboxed"])
def test_private_tmp_is_empty_and_gone_afterwards(reeve, profile):
    assert run(reeve, profile, "ls -A /tmp; touch /tmp/reeve-was-here; ls -A /tmp")[1] == "reeve-was-here\n"
    assert run(reeve, profile, "ls -A /tmp")[1] == ""
    assert not os.path.exists("/tmp/reeve-was-here")


@pytest.mark.parametrize("profile", ["readonly-root", "readonly", "sandboxed"])
def test_program_reaches_no_process_outside_its_own(reeve, profile):
    """Root's number alone would be enough to signal the warden."""
    code, _, err = run(reeve, profile, f"kill -0 {reeve.pid}")
    assert (code, "No such process" in err) == (1, True), err


def test_network_of_the_machine_is_not_there(reeve):
    names = run(reeve, "readonly", "grep -c : /proc/self/net/dev; grep -c lo: /proc/self/net/dev")[1].split()
    assert names == ["1", "1"]


# ---- programs with process ids of their own end as others do

KEPT = ["readonly", "sandboxed"]


@pytest.mark.parametrize("profile", KEPT)
def test_end_by_a_signal_is_told_as_such(reeve, profile):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1):
        status = end_of(reeve, shell(reeve, profile, f"kill -{int(number)} $$"))
        assert status["signal"] == number, status


@pytest.mark.parametrize("profile", KEPT)
def test_output_ends_when_the_program_closes_it_and_a_start_that_fails_says_why(reeve, profile):
    assert run(reeve, profile, "echo a; echo b >&2; exec >&- 2>&-; exit 3") == (3, "a\n", "b\n")
    reply = reeve.call("guest-exec", path="/usr/bin/missing", arg=[profile])
    assert "No such file or directory" in reply["error"]["desc"]


def timed(reeve, profile, script):
    begin = time.monotonic()
    return end_of(reeve, start(reeve, "/usr/bin/dash", "-c", script, profile)), time.monotonic() - begin


@pytest.mark.parametrize("profile", KEPT)
def test_timeout_asks_and_then_kills(reeve, profile):
    status, took_s = timed(reeve, profile, "sleep 1000")
    assert status["signal"] == signal.SIGTERM and took_s >= TIMEOUT_S
    status, took_s = timed(reeve, profile, "trap '' TERM; while :; do sleep 0.1; done")
    assert status["signal"] == signal.SIGKILL and took_s >= TIMEOUT_S + GRACE_S
    assert timed(reeve, profile, "trap 'exit 5' TERM; while :; do sleep 0.1; done")[0]["exitcode"] == 5


def sleepers(seconds):
    """Pids of `sleep SECONDS`, wherever they run."""
    found = [int(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if words_of(pid)[1:] == [seconds]]


@pytest.mark.parametrize("profile", KEPT)
def test_what_it_left_in_a_session_of_its_own_ends_with_it(reeve, profile):
    seconds = f"99{os.getpid()}"
    assert run(reeve, profile, f"setsid sleep {seconds} </dev/null >/dev/null 2>&1 & echo on")[1] == "on\n"
    wait_until(lambda: not sleepers(seconds), 5, "the end of the sleeper")


@pytest.mark.parametrize("profile", KEPT)
def test_all_of_it_ends_with_the_warden(reeve_install, profile):
    seconds = f"98{os.getpid()}"
    with reeve_in_directory(reeve_install) as other:
        other.write_policy(confinements.policy(PROBE, TIMEOUT_S))
        other.start()
        shell(other, profile, f"setsid sleep {seconds} & sleep {seconds}")
        wait_until(lambda: len(sleepers(seconds)) == 2, 10, "both sleepers")
        other.process.kill()
        other.process.wait()
        wait_until(lambda: not sleepers(seconds), 5, "the end of the sleepers")


# ---- limits


def test_sandboxed_program_has_at_most_its_tasks_and_memory(reeve):
    code, out, err = run(reeve, "sandboxed", "for i in $(seq 80); do sleep 5 & done 2>&1; jobs -p | wc -l; exit 0")
    assert "Resource temporarily unavailable" in out + err
    code, out, _ = run(reeve, "sandboxed", "/usr/bin/python3 -c 'bytearray(300 << 20)' 2>&1")
    assert (code, "MemoryError" in out) == (1, True), out


