"""Programs that run for a host: what confines them, what ends them, and what they find around them."""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from qga import Client
from running_reeve import ENVIRONMENT, lives, reeve_in_directory, status_of, wait_until
from running_agent import NEVER, QEMU_GA

NOBODY = 65534
NO_CAPABILITY = "0" * 16
TIMEOUT_S = 1
GRACE_S = 2  # from SIGTERM to SIGKILL
ARGUMENT_BYTES = 128 * 1024  # of one argument with its NUL, the kernel's limit (execve(2): MAX_ARG_STRLEN)
LARGE_REQUEST_BYTES = 2 << 20

POLICY = """\
schema: 1
exec:
  rules:
    confined: {{run: /usr/bin/python3, args: any, as: nobody, confine: service, stdin: true, reason: test}}
    patient: {{run: {root}/patient, args: any, as: nobody, confine: service, reason: test}}
    impatient: {{run: {root}/impatient, args: any, as: root, confine: unconfined, timeout: {timeout_s}s, reason: test}}
    free: {{run: /usr/bin/sh, args: any, as: root, confine: unconfined, reason: test}}
    free-user: {{run: /usr/bin/dash, args: any, as: nobody, confine: unconfined, reason: test}}
    stateful: {{run: /usr/bin/perl, args: any, as: nobody, state-directory: {root}/spool, reason: test}}
    hook: {{run: {root}/hook/run-parts-here, as: nobody}}
    bare: {{run: {root}/bare, args: any, as: nobody, reason: test}}
    replaced: {{run: {root}/replaced, as: nobody}}
    moved: {{run: {root}/moved, as: nobody}}
    loose: {{run: {root}/loose, as: nobody}}
    missing: {{run: {root}/missing, as: nobody}}
"""
UNIQUE_NAME = f"reeve-was-here-{os.getpid()}-{time.time_ns()}"
SAY = "#!/bin/sh\necho said\n"


def write_script(path, text, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture(scope="module")
def reeve(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.root = reeve.directory / "programs"
        write_script(reeve.root / "patient", SAY)
        write_script(reeve.root / "impatient", "#!/bin/sh\neval \"$1\"\n")
        write_script(reeve.root / "hook/run-parts-here", "#!/bin/sh\ncd \"$(dirname \"$0\")/hook.d\" && for f in *; do ./$f; done\n")
        write_script(reeve.root / "hook/hook.d/one", "#!/bin/sh\necho one from $0\n")
        write_script(reeve.root / "bare", "echo bare $0 $*\n")
        for name in ("replaced", "loose"):
            write_script(reeve.root / name, SAY)
        write_script(reeve.root / "real", SAY)
        (reeve.root / "moved").symlink_to("real")
        (reeve.root / "spool").mkdir()
        os.chown(reeve.root / "spool", NOBODY, NOBODY)
        reeve.policy = reeve.write_policy(POLICY.format(root=reeve.root, timeout_s=TIMEOUT_S))
        reeve.start()
        assert "the last good" not in reeve.log() and "minimal" not in reeve.log(), reeve.log()
        yield reeve


def start(reeve, path, *arguments, **more):
    reply = reeve.call("guest-exec", path=str(path), arg=list(arguments), capture_output=True, **more)
    assert "return" in reply, reply
    return reply["return"]["pid"]


def end_of(reeve, pid, limit_s=20):
    return wait_until(lambda: (now := reeve.call("guest-exec-status", pid=pid)["return"])["exited"] and now, limit_s, "the end")


def run(reeve, path, *arguments, **more):
    """Exit code, output, errors."""
    status = end_of(reeve, start(reeve, path, *arguments, **more))
    texts = [base64.b64decode(status.get(key, "")).decode() for key in ("out-data", "err-data")]
    return status["exitcode"], *texts


def python(reeve, text):
    return run(reeve, "/usr/bin/python3", "-c", text)


def error_of(reply):
    assert "error" in reply, reply
    return reply["error"]["desc"]


# ---- confine: service


def test_service_program_has_a_user_and_nothing_else(reeve):
    code, out, err = python(reeve, "print(open('/proc/self/status').read())")
    assert code == 0, err
    status = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
    assert status["Uid"].split() == [str(NOBODY)] * 4
    assert status["Gid"].split() == [str(NOBODY)] * 4
    assert set(status["Groups"].split()) <= {str(NOBODY)}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name].strip() == NO_CAPABILITY, name
    assert status["NoNewPrivs"].strip() == "1"
    assert (status["Seccomp"].strip(), status["Seccomp_filters"].strip()) == ("2", "1")


@pytest.mark.parametrize("directory", ["/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/"])
def test_service_program_writes_no_file_anywhere(reeve, directory):
    path = f"{directory}/{UNIQUE_NAME}"
    code, out, _ = python(reeve, f"""
try:
    open('{path}', 'w')
except OSError as error:
    print(error.errno)
""")
    assert (code, out.strip() in ("30", "13")) == (0, True), out  # EROFS, or EACCES where it may not write anyway
    assert not os.path.exists(path)


def test_service_program_sees_a_read_only_file_system_where_all_may_write(reeve):
    assert python(reeve, f"import os\ntry: os.mkdir('/tmp/{UNIQUE_NAME}')\nexcept OSError as e: print(e.errno)")[1] == "30\n"


def test_service_program_writes_its_state_directory_and_nothing_beside(reeve):
    script = "open F, '>', $_ or print qq($!\n) for @ARGV"
    inside, outside = f"{reeve.root}/spool/{UNIQUE_NAME}", f"/tmp/{UNIQUE_NAME}"
    assert run(reeve, "/usr/bin/perl", "-e", script, inside, outside)[1] == "Read-only file system\n"
    assert os.path.exists(inside) and not os.path.exists(outside)


CALLS = {"unshare a user namespace": (272, "0x10000000, 0, 0"), "mount": (165, "b'x', b'/', b'tmpfs', 0, 0"),
         "ptrace": (101, "16, 1, 0, 0"), "bpf": (321, "0, 0, 0"), "keyctl": (250, "0, 0, 0"), "io_uring_setup": (425, "1, 0, 0"),
         "perf_event_open": (298, "0, 0, 0, 0"), "reboot": (169, "0, 0, 0"), "init_module": (175, "0, 0, 0"),
         "clock_settime": (227, "0, 0"), "swapon": (167, "0, 0"), "setns": (308, "0, 0"), "userfaultfd": (323, "0")}


@pytest.mark.parametrize("name", CALLS)
def test_service_program_is_refused_dangerous_calls(reeve, name):
    number, words = CALLS[name]
    code, out, _ = python(reeve, f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall({number}, {words})
print(result, ctypes.get_errno())
""")
    # Killed by the filter (SIGSYS), or told EPERM or ENOSYS by it.
    assert code == 128 + 31 or (code == 0 and out.strip() in ("-1 1", "-1 38")), (code, out)


def test_service_program_gains_nothing_from_a_set_user_program(reeve):
    su = shutil.which("su")
    if su is None or not os.stat(su).st_mode & 0o4000:
        pytest.skip("no set-user program here to try")
    code, out, err = python(reeve, f"import subprocess; print(subprocess.run(['{su}', '-c', 'id -u'], capture_output=True, "
                                   "input=b'').stdout)")
    assert (code, out) == (0, "b''\n"), err


def test_program_of_a_user_has_no_way_back_to_root(reeve):
    code, out, _ = run(reeve, "/usr/bin/dash", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status; grep NoNew /proc/self/status")
    assert code == 0
    assert out.split() == [str(NOBODY), str(NOBODY), str(NOBODY), "CapEff:", NO_CAPABILITY, "NoNewPrivs:", "0"]


def test_each_program_has_a_session_and_group_of_its_own(reeve):
    out = run(reeve, "/usr/bin/sh", "-c", "echo $$; ps -o pgid=,sid= -p $$")[1].split()
    assert len(set(out)) == 1 and len(out) == 3


def test_program_confined_as_service_without_a_user_is_a_mistake_of_the_policy(reeve_install):
    with reeve_in_directory(reeve_install) as other:
        path = other.write_policy("schema: 1\nexec:\n  rules:\n    x: {run: /usr/bin/true}\n")
        other.start()
        assert re.search(rf"{path}:4:\d+: ", other.log()), other.log()


# ---- what ends a program


def marks(reeve, name):
    path = reeve.directory / name
    path.write_text("")
    return path, lambda: [int(word) for word in path.read_text().split()]


def test_timeout_ends_the_whole_group(reeve):
    file, pids = marks(reeve, "group")
    begin = time.monotonic()
    pid = start(reeve, reeve.root / "impatient", f"echo $$ >>{file}; sleep 1000 & echo $! >>{file}; sleep 1000")
    status = end_of(reeve, pid)
    assert time.monotonic() - begin >= TIMEOUT_S
    assert (status["signal"], status["exitcode"]) == (15, 143)
    assert len(pids()) == 2
    wait_until(lambda: not any(lives(pid) for pid in pids()), GRACE_S + 20, "the group is gone")


def test_program_that_ignores_the_request_to_end_is_killed(reeve):
    pid = start(reeve, reeve.root / "impatient", "trap '' TERM; while :; do sleep 0.1; done")
    assert end_of(reeve, pid)["signal"] == 9


def needs_cgroups():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line and os.access(line.split()[4], os.W_OK):
            return
    pytest.skip("no version 2 control groups here by which a daemon could be found")


def test_timeout_ends_a_daemonised_grandchild_too(reeve):
    needs_cgroups()
    file, pids = marks(reeve, "daemon")
    pid = start(reeve, reeve.root / "impatient",
                f"setsid sh -c 'echo $$ >>{file}; exec sleep 1000' >/dev/null 2>&1 </dev/null & sleep 1000")
    wait_until(pids, 5, "the grandchild")
    assert status_of(pids()[0])["NSpgid"] != str(pid)
    assert end_of(reeve, pid)["signal"] == 15
    wait_until(lambda: not lives(pids()[0]), GRACE_S + 20, "the grandchild is gone")


def test_what_a_program_left_ends_at_its_timeout_also_when_the_program_has_ended(reeve):
    needs_cgroups()
    file, pids = marks(reeve, "left")
    pid = start(reeve, reeve.root / "impatient",
                f"setsid sh -c 'echo $$ >>{file}; exec sleep 1000' >/dev/null 2>&1 </dev/null & sleep 0.2")
    assert end_of(reeve, pid)["exitcode"] == 0
    assert lives(pids()[0])
    wait_until(lambda: not lives(pids()[0]), TIMEOUT_S + GRACE_S + 20, "the grandchild is gone")


# ---- what a program finds around it

PROBE = """
env | LC_ALL=C sort
echo "umask $(umask)"
ulimit -S -a | sed 's/^/soft /'
ulimit -H -a | sed 's/^/hard /'
grep -E '^(Sig|Shd|Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid|Cpus_allowed:|Mems_allowed:)' /proc/self/status
echo "oom $(cat /proc/self/oom_score_adj) nice $(nice) pwd $(pwd)"
echo "cgroup $(sed -n 's/^0:://p' /proc/self/cgroup)"
echo "session $([ "$(ps -o sid= -p $$)" -eq $$ ] && echo own) tty $(ps -o tty= -p $$)"
echo "descriptors $(ls /proc/self/fd | wc -l)"
echo "parent $(ps -o comm= -p $PPID)"
readlink /proc/self/ns/*
echo "timerslack $(cat /proc/$$/timerslack_ns) coredump $(cat /proc/$$/coredump_filter) personality $(cat /proc/$$/personality)"
echo "dumpable $(stat -c %u:%g /proc/$$/environ) loginuid $(cat /proc/$$/loginuid 2>/dev/null) root $(readlink /proc/$$/root)"
for fd in 0 1 2; do echo "stream $fd $(readlink /proc/$$/fd/$fd | tr -d 0-9)"; done
echo "scheduling $(chrt -p $$ | sed 's/.*://' | tr '\\n' ' ') $(ionice -p $$)"
"""
# The lines that differ from those of a child of qemu-ga on purpose, with the reason.
REVIEWED = {
    "cgroup": "each program has a control group of its own, by which all that it forked can be ended",
    "session": "each program has a session and a group of its own, so that it can be ended with its children",
    "parent": "the warden starts it",
}
# What the service manager says to the service alone is no word to a program; qemu-ga hands it on.
FOR_THE_SERVICE_ALONE = ["NOTIFY_SOCKET", "LISTEN_FDNAMES", "INVOCATION_ID", "WATCHDOG_USEC", "JOURNAL_STREAM"]
# The shell from which both agents are started: unusual, so that a fixed value does not pass for an inherited one.
SURROUNDINGS = """
ulimit -S -n 4000; ulimit -S -c 0; ulimit -S -s 4096; ulimit -S -u 50000; umask 0027
trap '' USR2 WINCH
exec 7</etc/passwd
cd /usr
exec nice -n 3 "$@"
"""


def probe(client):
    request = {"execute": "guest-exec", "arguments": {"path": "/bin/bash", "arg": ["-c", PROBE], "capture-output": True}}
    pid = json.loads(client.exchange(json.dumps(request)))["return"]["pid"]
    status = wait_until(lambda: (now := client.call("guest-exec-status", pid=pid)["return"])["exited"] and now, 20, "end")
    return base64.b64decode(status["out-data"]).decode().splitlines()


def in_surroundings(words, log):
    environment = {**ENVIRONMENT, "REEVE_TEST": "inherited value", "INVOCATION_ID": "0" * 32, "NOTIFY_SOCKET": "/nonexistent",
                   "LD_LIBRARY_PATH": "/nonexistent", "LISTEN_FDNAMES": "x", "JOURNAL_STREAM": "1:2", "WATCHDOG_USEC": "9"}
    with open(log, "ab") as output:
        return subprocess.Popen(["bash", "-c", SURROUNDINGS, "bash", *words], stdin=subprocess.DEVNULL, stdout=output,
                                stderr=output, env=environment)


def connected(path, process):
    def attempt():
        assert process.poll() is None
        try:
            client = Client(path)
            client.call("guest-ping")
            return client
        except OSError:
            return None

    return wait_until(attempt, 20, f"an answer on {path}")


def test_program_finds_what_a_child_of_qemu_ga_finds(reeve_install):
    if not os.access(QEMU_GA, os.X_OK):
        pytest.skip("no qemu-ga here to compare with")
    with reeve_in_directory(reeve_install) as other, tempfile.TemporaryDirectory() as oracle:
        words = {"reeve": [f"{other.install}/sbin/reeved", "-m", "unix-listen", "-p", f"{other.socket}", "-t",
                           f"{other.directory}/state", "--etc-dir", str(other.etc), "--var-dir", f"{other.directory}/var",
                           "--plugin-dir", f"{other.install}/lib/reeve/plugins", "--policy", "open"],
                 "qemu-ga": [QEMU_GA, "-m", "unix-listen", "-p", f"{oracle}/socket", "-t", oracle, "-b", NEVER]}
        sockets = {"reeve": other.socket, "qemu-ga": f"{oracle}/socket"}
        found = {}
        for name, command in words.items():
            process = in_surroundings(command, other.log_path)
            try:
                with connected(sockets[name], process) as client:
                    found[name] = probe(client)
            finally:
                process.terminate()
                process.wait(timeout=10)
    only_there = [line for line in found["qemu-ga"] if line not in found["reeve"]]
    only_here = [line for line in found["reeve"] if line not in found["qemu-ga"]]

    def unreviewed(lines):
        names = [*REVIEWED, *(f"{name}=" for name in FOR_THE_SERVICE_ALONE)]
        return [line for line in lines if not line.startswith(tuple(names))]

    assert (unreviewed(only_there), unreviewed(only_here)) == ([], [])
    # The probe can see a difference, and did see the unusual.
    assert any(line.startswith("parent") for line in only_there)
    for line in ("REEVE_TEST=inherited value", "LD_LIBRARY_PATH=/nonexistent"):
        assert line in found["reeve"]
    assert any(re.fullmatch(r"soft open files .* 4000", line) for line in found["reeve"])
    assert any(line.endswith(f" nice {os.nice(0) + 3} pwd /usr") for line in found["reeve"]), found["reeve"]


# ---- scripts


def test_script_finds_the_directory_that_it_stands_in(reeve):
    assert run(reeve, reeve.root / "hook/run-parts-here") == (0, "one from ./one\n", "")


def test_script_without_an_interpreter_line_is_the_shells(reeve):
    path = reeve.root / "bare"
    assert run(reeve, path, "a", "b c") == (0, f"bare {path} a b c\n", "")


def test_debians_freeze_hook_finds_its_scripts(reeve_install):
    """As Debian ships it: it looks for its scripts beside `$0`, and ends in silence when that leads nowhere."""
    hook = """#!/bin/sh
FSFREEZE_D=$(dirname -- "$0")/fsfreeze-hook.d
[ -d "$FSFREEZE_D" ] || exit 0
for file in "$FSFREEZE_D"/* ; do
    [ -x "$file" ] || continue
    "$file" "$@"
done
"""
    with reeve_in_directory(reeve_install) as other:
        directory = other.directory / "qemu"
        write_script(directory / "fsfreeze-hook", hook)
        write_script(directory / "fsfreeze-hook.d/10-test", "#!/bin/sh\necho \"hook says $1\"\n")
        other.write_policy("schema: 1\nexec:\n  rules:\n"
                           f"    hook: {{run: {directory}/fsfreeze-hook, args: [[{{one-of: [freeze, thaw]}}]], as: nobody}}\n")
        other.start()
        assert run(other, directory / "fsfreeze-hook", "thaw") == (0, "hook says thaw\n", "")


# ---- which program it is


def refused_start(reeve, path):
    return error_of(reeve.call("guest-exec", path=str(path)))


def test_program_that_was_replaced_where_others_may_write_is_refused_with_what_to_do(reeve):
    """Its way leads through /tmp. What root put in the place of what stood there, where only root can, is run:
    ReplacedProgramTest."""
    path = reeve.root / "replaced"
    assert run(reeve, path)[1] == "said\n"
    write_script(reeve.root / "new", SAY)
    os.rename(reeve.root / "new", path)
    assert ("is not the file that stood there when the policy was read, which a restart of the service does again "
            "(/tmp may be written by others") in refused_start(reeve, path)


def test_link_that_leads_elsewhere_since_the_policy_was_read_runs_nothing_new(reeve):
    path = reeve.root / "moved"
    assert run(reeve, path)[1] == "said\n"
    write_script(reeve.root / "evil", "#!/bin/sh\necho evil\n")
    path.unlink()
    path.symlink_to("evil")
    reply = reeve.call("guest-exec", path=str(path), capture_output=True)
    if "return" in reply:
        assert base64.b64decode(end_of(reeve, reply["return"]["pid"])["out-data"]) == b"said\n"


def test_program_that_others_may_write_is_refused(reeve):
    path = reeve.root / "loose"
    path.chmod(0o777)
    assert "may be written by others" in refused_start(reeve, path)
    path.chmod(0o755)
    assert run(reeve, path)[1] == "said\n"


def test_program_below_a_directory_that_others_may_write_is_refused(reeve):
    path = reeve.root / "patient"
    reeve.root.chmod(0o777)
    try:
        assert "may be written by others" in refused_start(reeve, path)
    finally:
        reeve.root.chmod(0o755)
    assert run(reeve, path)[1] == "said\n"


def test_program_that_was_not_there_is_named_in_the_log_and_refused(reeve):
    path = reeve.root / "missing"
    assert f"rule 'missing': no program {path} here" in reeve.log()
    assert "No such file or directory" in refused_start(reeve, path)


# ---- words


def test_nul_is_refused_everywhere(reeve):
    for more in ({"arg": ["a\0b"]}, {"path": "/usr/bin/sh\0x"}, {"env": ["A=\0"]}):
        call = {"path": "/usr/bin/sh", "arg": [], **more}
        text = error_of(json.loads(json.dumps(reeve.call("guest-exec", **call))))
        assert "policy rule" in text and "\0" not in text.encode("unicode_escape").decode(), text


def test_control_bytes_reach_a_program_that_takes_any_argument(reeve):
    words = ["a\nb", "\x01", "\x7f", "\t", "\u0080", "\u2028"]
    out = run(reeve, "/usr/bin/sh", "-c", "for w; do printf '%s|' \"$w\"; done", "sh", *words)[1]
    assert out == "".join(word + "|" for word in words)


def test_largest_argument_reaches_the_program_whole(reeve):
    word = "x" * (ARGUMENT_BYTES - 1)
    code, out, err = run(reeve, "/usr/bin/sh", "-c", "echo ${#1}", "sh", word)
    assert (code, out) == (0, f"{ARGUMENT_BYTES - 1}\n"), err


def test_larger_argument_is_an_error_that_says_so(reeve):
    text = error_of(reeve.call("guest-exec", path="/usr/bin/sh", arg=["-c", "true", "x" * ARGUMENT_BYTES]))
    assert "Argument list too long" in text


@pytest.mark.parametrize("count", [1, 20])
def test_two_mebibytes_of_arguments_are_run_or_refused_and_nothing_else_suffers(reeve, count):
    words = ["x" * 1000] * (LARGE_REQUEST_BYTES // 1000)
    for _ in range(count):
        reply = reeve.call("guest-exec", path="/usr/bin/sh", arg=["-c", "echo $#", *words], capture_output=True)
        if "return" in reply:
            out = base64.b64decode(end_of(reeve, reply["return"]["pid"])["out-data"]).decode()
            assert int(out) == len(words) - 1
        else:  # the kernel's limit is a quarter of the stack's, 2 MiB by default, with environment and pointers
            assert "Argument list too long" in error_of(reply) or "too long" in error_of(reply)
    assert run(reeve, reeve.root / "patient")[1] == "said\n"


def test_one_and_a_half_mebibytes_of_arguments_reach_the_program(reeve):
    words = ["y" * 100_000] * 15
    code, out, err = run(reeve, "/usr/bin/sh", "-c", 'printf %s "$*" | wc -c', "sh", *words)
    assert (code, int(out)) == (0, 15 * 100_000 + 14), err


def test_empty_arguments_and_environment_reach_the_program(reeve_install):
    with reeve_in_directory(reeve_install) as other:
        other.start("--policy", "open")
        out = run(other, "/usr/bin/env", env=["EMPTY=", "NAME=a=b", "X=\u00e9"])[1]
        assert out == "EMPTY=\nNAME=a=b\nX=\u00e9\n"
        assert run(other, "/usr/bin/printf", "[%s]", "", "-n", "")[1] == "[][-n][]"
