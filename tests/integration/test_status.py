"""reevectl status and the control socket behind it: what is told, to whom, and whatever else goes on."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from qga import Client
from running_reeve import EXEC_UID, lives, reeve_in_directory, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPEN = "schema: 1\nprofile: open\n"
TYPES = {"string": str, "integer": int, "boolean": bool}
NOBODY = 65534


@pytest.fixture
def reeve(reeve_install):
    with reeve_in_directory(reeve_install) as running:
        running.write_policy(OPEN)
        running.start()
        yield running


@pytest.fixture(scope="module")
def quiet(reeve_install):
    """One for tests that only look."""
    with reeve_in_directory(reeve_install) as running:
        running.write_policy(OPEN)
        running.start()
        assert "return" in running.call("guest-exec", path="/bin/true")
        yield running


def control(reeve):
    return reeve.directory / "state/control"


def reevectl(reeve, *words, **popen):
    return subprocess.run([f"{reeve.install}/bin/reevectl", "status", "--run-dir", f"{reeve.directory}/state", *words],
                          capture_output=True, text=True, timeout=20, **popen)


def status(reeve, exit_code=0):
    done = reevectl(reeve, "--json")
    assert done.returncode == exit_code, done
    return json.loads(done.stdout)


def plugin(reeve, name, exit_code=0):
    return next(each for each in status(reeve, exit_code)["plugins"] if each["name"] == name)


def ask_status(reeve, timeout_s=2):
    with Client(control(reeve), timeout_s=timeout_s) as client:
        return client.call("reeve-status")["return"]


# ---- what is told ----

def members(value, path=""):
    """(path, value) of each member, as the page names them."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from members(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from members(item, f"{path}[]")
    else:
        yield path, value


def page():
    rows = re.findall(r"^\| `([^`]+)` \| (\[?\w+\]?)(\??) \|", (ROOT / "agent/reeve/PROTOCOL.md").read_text(), re.M)
    return {path: (kind, optional == "?") for path, kind, optional in rows}


def fits(value, kind):
    if kind.startswith("["):
        return isinstance(value, list) and all(fits(item, kind[1:-1]) for item in value)
    return type(value) is TYPES[kind]


def test_reply_has_the_members_that_the_page_lists_and_no_others(quiet):
    known = page()
    assert len(known) > 40
    told = list(members(status(quiet)))
    assert {path for path, _ in told} <= known.keys()
    assert {path for path, (_, is_optional) in known.items() if not is_optional} <= {path for path, _ in told}
    assert [(path, value) for path, value in told if not fits(value, known[path][0])] == []


def test_processes_are_those_that_run(quiet):
    processes = {process["name"]: process for process in status(quiet)["processes"]}
    assert processes["reeved"]["pid"] == quiet.pid
    assert processes["reeve-core"]["pid"] == quiet.core()
    assert processes["reeve-worker exec"] == {"name": "reeve-worker exec", "pid": quiet.worker("exec"), "uid": EXEC_UID}
    assert abs(status(quiet)["started-at"] - time.time()) < 600


def test_text_for_people_fits_a_terminal_and_names_what_matters(quiet):
    done = reevectl(quiet, env={**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"})
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"● Reeve {status(quiet)['version']}, running"
    assert all(len(line) <= 80 or str(quiet.directory) in line for line in lines), done.stdout
    assert re.search(r"^reeve-worker exec +\d+ +\d+ +\d+ K$", done.stdout, re.M), done.stdout
    assert re.search(r"^exec +\S+ +serving ", done.stdout, re.M)
    assert "\033" not in done.stdout
    assert "* Reeve" in reevectl(quiet, env={"PATH": os.environ["PATH"]}).stdout


def test_killed_worker_is_told_with_its_last_end(reeve):
    reeve.call("guest-exec", path="/bin/true")
    os.kill(reeve.worker("exec"), signal.SIGKILL)
    crashed = wait_until(lambda: (told := plugin(reeve, "exec")).get("last-crash") and told, 5, "the crash in the status")
    assert crashed["crashes"] == 1
    assert "signal 9" in crashed["last-crash"]["text"]
    assert crashed["last-crash"]["seconds-ago"] < 10
    assert "signal 9" in reevectl(reeve).stdout


def test_fallen_core_is_told_by_the_next(reeve):
    os.kill(reeve.core(), signal.SIGKILL)
    wait_until(lambda: reevectl(reeve).returncode == 0, 5, "a new core that answers")
    told = status(reeve)["core"]
    assert told["starts"] == 2
    assert "signal 9" in told["last-end"]
    assert "started 2 times" in reevectl(reeve).stdout


def test_configuration_that_is_not_in_force_is_a_problem(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy(OPEN)
        reeve.start()
        assert status(reeve)["policy"]["is-as-written"]
        reeve.stop()
        reeve.write_policy(OPEN + "nonsense: 1\n")
        reeve.start()
        told = status(reeve, exit_code=1)
        assert told["state"] == "degraded"
        assert not told["policy"]["is-as-written"]
        assert "last good configuration" in told["problems"][0] and "policy.yaml:3" in told["problems"][0]
        assert told["policy"]["profile"] == "open"
        reeve.stop()
        (reeve.directory / "var").rename(reeve.directory / "old")
        (reeve.directory / "var").mkdir()
        reeve.start()
        told = status(reeve, exit_code=1)
        assert told["policy"]["profile"] == "minimal"
        assert "policy.yaml:3" in told["problems"][0]


def test_device_that_is_not_there_is_waited_for_and_no_problem(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy(OPEN)
        reeve.start(channel=["-m", "virtio-serial", "-p", "/dev/no-such-port"], waits=False)
        wait_until(lambda: reevectl(reeve).returncode == 0, 20, "a status")
        told = status(reeve)["channels"][0]
        assert (told["name"], told["state"], told["path"]) == ("default", "waiting", "/dev/no-such-port")


def test_log_process_is_told_and_told_again_when_it_is_another(reeve_install):
    def log_pid(reeve):
        return [process["pid"] for process in status(reeve)["processes"] if process["name"] == "reeve-log"]

    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy(OPEN)
        reeve.start("-l", str(reeve.directory / "log"))
        first = reeve.log_process()
        assert log_pid(reeve) == [first]
        os.kill(first, signal.SIGKILL)
        second = wait_until(lambda: (pid := reeve.log_process()) and pid != first and pid, 5, "another reeve-log")
        wait_until(lambda: log_pid(reeve) == [second], 2, "the other one in the status")


# ---- exit codes ----

def test_nobody_there_is_exit_code_3_and_says_what_to_do(reeve):
    reeve.stop()
    done = reevectl(reeve)
    assert (done.returncode, done.stdout) == (3, "")
    assert "nobody answers" in done.stderr and "systemctl start reeved" in done.stderr
    done = reevectl(reeve, "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["state"] == "stopped"
    control(reeve).unlink()
    assert reevectl(reeve).returncode == 3


def test_core_that_hangs_is_exit_code_4_within_seconds(reeve):
    core = reeve.core()
    os.kill(core, signal.SIGSTOP)
    try:
        done = reevectl(reeve)
        assert done.returncode == 4
        assert "within 2000 ms" in done.stderr
    finally:
        os.kill(core, signal.SIGCONT)
    assert reevectl(reeve).returncode == 0


def test_wrong_usage_is_exit_code_2(quiet):
    assert reevectl(quiet, "--no-such-option").returncode == 2


# ---- who may ask ----

def test_socket_is_for_root_only(quiet):
    info = control(quiet).stat()
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600
    assert (info.st_uid, info.st_gid) == (0, 0)
    words = ["--socket", str(control(quiet))]
    if os.access("/usr/bin/setpriv", os.X_OK):
        done = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", f"{quiet.install}/bin/reevectl", "status",
                               *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 4 and "only root" in done.stderr


def test_other_user_whom_the_mode_would_let_in_is_disconnected(reeve):
    control(reeve).chmod(0o666)
    done = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", f"{reeve.install}/bin/reevectl", "status",
                           "--socket", str(control(reeve))], capture_output=True, text=True, timeout=20)
    assert done.returncode == 4
    assert "closed before the answer" in done.stderr
    assert reevectl(reeve).returncode == 0


def test_hosts_and_control_have_each_their_own_commands(quiet):
    with quiet.connect() as host:
        assert host.call("reeve-status")["error"]["class"] == "CommandNotFound"
        offered = {each["name"] for each in host.call("guest-info")["return"]["supported_commands"]}
        assert not any(name.startswith("reeve-") for name in offered)
    with Client(control(quiet)) as client:
        for name in ("guest-ping", "guest-exec", "guest-sync", "guest-info"):
            assert client.call(name)["error"]["class"] == "CommandNotFound"


def test_two_instances_have_two_sockets(quiet, reeve):
    assert status(quiet)["processes"][0]["pid"] == quiet.pid
    assert status(reeve)["processes"][0]["pid"] == reeve.pid


# ---- whatever else goes on ----

def test_answers_while_a_worker_is_stopped_and_holds_a_request(reeve):
    reeve.call("guest-exec", path="/bin/true")
    worker = reeve.worker("exec")
    os.kill(worker, signal.SIGSTOP)
    try:
        with reeve.connect() as host:
            host.send(b'{"execute":"guest-exec","arguments":{"path":"/bin/true"}}')
            wait_until(lambda: plugin(reeve, "exec")["in-flight"] == 1, 2, "the request in the status")
            assert plugin(reeve, "exec")["state"] == "serving"
    finally:
        os.kill(worker, signal.SIGCONT)
    assert lives(worker)


def test_answers_while_every_place_for_a_client_is_taken(reeve):
    def is_full():
        for _ in range(40):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            stack.callback(client.close)
            with contextlib.suppress(BlockingIOError):
                client.connect(str(reeve.socket))
        return status(reeve)["channels"][0]["state"] == "full"

    with contextlib.ExitStack() as stack:
        wait_until(is_full, 10, "a full channel")
        assert status(reeve)["channels"][0]["clients"] >= 64
    wait_until(lambda: status(reeve)["channels"][0]["clients"] == 0, 5, "that the clients are gone")
    assert reeve.answers()


def test_answers_while_hosts_flood_the_core(reeve):
    flood = b'{"execute":"guest-info"}' * 2000
    with contextlib.ExitStack() as stack:
        floods = [subprocess.Popen(
            ["python3", "-c", f"import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect({str(reeve.socket)!r})\n"
             f"import threading\nthreading.Thread(target=lambda: [s.sendall({flood!r}) for _ in iter(int, 1)],"
             f" daemon=True).start()\nwhile s.recv(1 << 20): pass"]) for _ in range(4)]
        for each in floods:
            stack.callback(each.wait)
            stack.callback(each.kill)
        time.sleep(0.5)
        for _ in range(20):
            ask_status(reeve)


def test_requests_without_end_and_garbage_on_the_control_socket_disturb_no_host(reeve):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.callback(client.close)
            client.settimeout(0.05)
            with contextlib.suppress(OSError):
                client.connect(str(control(reeve)))
                client.sendall(b'{"execute":"' + b"x" * (8 << 20))
        assert reeve.answers()
        core_kib = next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{reeve.core()}/status").read_text().splitlines()
                        if line.startswith("VmRSS"))
        assert core_kib < 64 * 1024
    with Client(control(reeve)) as client:
        client.send(os.urandom(4096) + b"\n")
    assert wait_until(lambda: reevectl(reeve).returncode == 0, 5, "a status afterwards")
