"""Reeve in qemu-ga's place: its daemon, pid file, signals and state files, beside Debian's qemu-ga where both do the same;
the terminal of isa-serial, several channels at once, and which of command line, qemu-ga.conf and reeve.yaml holds."""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time

import pytest

from qga import Client
from qga_words import has_oracle
from running_agent import NEVER, QEMU_GA, connect, start_qemu_ga, start_reeve
from running_reeve import ENVIRONMENT, reeve_in_directory, lives, status_of, wait_until

LIMIT_S = 20


@pytest.fixture
def reeve(reeve_install):
    with reeve_in_directory(reeve_install) as stopped:
        stopped.write_policy("schema: 1\nprofile: open\n")
        yield stopped


def answers(path):
    try:
        with Client(path, timeout_s=5) as client:
            return client.call("guest-ping") == {"return": {}}
    except OSError:
        return False


# ---- the daemon, both ----


def waits(pid):
    """Whether it sleeps in a poll(2) of any kind, by the numbers of x86-64: poll, ppoll, epoll_wait, epoll_pwait."""
    return pathlib.Path(f"/proc/{pid}/syscall").read_text().split()[0] in {"7", "271", "232", "281"}


def end_daemon(pid):
    """SIGTERM, and its end. qemu-ga must be at rest: a SIGTERM while its loop holds its lock hangs it."""
    wait_until(lambda: waits(pid) and time.sleep(0.05) is None and waits(pid), LIMIT_S, "a daemon at rest")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not lives(pid), LIMIT_S, "the daemon's end")


def words_of_reeve(reeve, state):
    (reeve.directory / state).mkdir(exist_ok=True)
    return [f"{reeve.install}/sbin/reeved", "-t", f"{reeve.directory}/{state}", "--etc-dir", str(reeve.etc), "--var-dir",
            f"{reeve.directory}/var", "--plugin-dir", f"{reeve.install}/lib/reeve/plugins"]


@pytest.fixture(params=["reeve", "qemu-ga"])
def daemon(request):
    """Starts a daemon: the ended parent. What it left behind is ended afterwards."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-daemon-"))
    directory.chmod(0o755)
    with contextlib.ExitStack() as stack:
        if request.param == "reeve":
            reeve = stack.enter_context(reeve_in_directory(request.getfixturevalue("reeve_install")))
            reeve.write_policy("schema: 1\nprofile: open\n")
        elif not has_oracle():
            pytest.skip("no qemu-ga here to compare with")

        def start(*words, state="state", path="socket", environment=None):
            (directory / state).mkdir(exist_ok=True)
            command = words_of_reeve(reeve, state) if request.param == "reeve" else [
                QEMU_GA, "-t", f"{directory}/{state}", "-b", NEVER]
            with open(directory / "log", "ab") as log:
                return subprocess.run([*command, "-m", "unix-listen", "-p", f"{directory}/{path}", *words], stdout=log,
                                      stdin=subprocess.DEVNULL, stderr=log, cwd=directory, umask=0o022, timeout=LIMIT_S,
                                      env={**ENVIRONMENT, **(environment or {})})

        start.directory = directory
        start.log = lambda: (directory / "log").read_text()
        yield start
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            # It removes its pid file, and the directory is removed below.
            end_daemon(int((directory / "pid").read_text()))
    shutil.rmtree(directory)


def test_daemon_leaves_its_terminal_and_its_starter(daemon):
    assert daemon("-d", "-f", f"{daemon.directory}/pid").returncode == 0
    # What listens was made before the starter went.
    wait_until(lambda: answers(daemon.directory / "socket"), LIMIT_S, "an answer")
    pid_file = daemon.directory / "pid"
    assert re.fullmatch(r"\d+\n", pid_file.read_text()) and pid_file.stat().st_mode & 0o777 == 0o600
    pid = int(pid_file.read_text())
    assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)} == {"/dev/null"}
    assert status_of(pid)["Umask"] == "0077"
    assert os.stat(daemon.directory / "socket").st_mode & 0o777 == 0o700
    with open(pid_file, "r+") as file, pytest.raises(BlockingIOError):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    end_daemon(pid)
    assert not pid_file.exists()


def test_programs_of_a_daemon_find_its_umask(daemon):
    daemon("-d", "-f", f"{daemon.directory}/pid")
    wait_until(lambda: answers(daemon.directory / "socket"), LIMIT_S, "an answer")
    with Client(daemon.directory / "socket") as client:
        pid = client.call("guest-exec", path="/bin/sh", arg=["-c", "umask; pwd"], capture_output=True)["return"]["pid"]
        status = wait_until(lambda: next((value for value in [client.call("guest-exec-status", pid=pid)["return"]]
                                          if value["exited"]), None), LIMIT_S, "the program's end")
    assert base64.b64decode(status["out-data"]) == b"0077\n/\n"


def test_second_daemon_of_one_pid_file_dies_after_its_starter_said_it_was_well(daemon):
    pid_file = daemon.directory / "pid"
    daemon("-d", "-f", str(pid_file))
    wait_until(lambda: answers(daemon.directory / "socket"), LIMIT_S, "an answer")
    first = pid_file.read_text()
    assert daemon("-d", "-f", str(pid_file), state="other", path="other-socket").returncode == 0
    wait_until(lambda: "Cannot lock pid file: Resource temporarily unavailable" in daemon.log(), LIMIT_S, "the complaint")
    assert pid_file.read_text() == first and answers(daemon.directory / "socket")


@pytest.mark.reeve_only
def test_daemon_that_was_killed_is_followed_at_once_by_the_next(daemon):
    """As `kill -9` and `qemu-ga -d ...` behind it do it. qemu-ga's next one at times dies of the pid file's lock."""
    for _ in range(8):
        assert daemon("-d", "-f", f"{daemon.directory}/pid").returncode == 0, daemon.log()
        wait_until(lambda: answers(daemon.directory / "socket"), LIMIT_S, "an answer")
        os.kill(int((daemon.directory / "pid").read_text()), signal.SIGKILL)
    assert daemon("-d", "-f", f"{daemon.directory}/pid").returncode == 0, daemon.log()
    wait_until(lambda: answers(daemon.directory / "socket"), LIMIT_S, "an answer")


def test_daemon_of_a_configuration_file(daemon):
    (daemon.directory / "conf").write_text(f"[general]\ndaemon=true\npidfile={daemon.directory}/pid\n")
    assert daemon(environment={"QGA_CONF": f"{daemon.directory}/conf"}).returncode == 0
    wait_until(lambda: answers(daemon.directory / "socket"), LIMIT_S, "an answer")
    assert lives(int((daemon.directory / "pid").read_text()))


# ---- in the foreground ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_success_and_the_foreground_has_no_pid_file(reeve, number):
    reeve.start("-f", f"{reeve.directory}/pid")
    assert not (reeve.directory / "pid").exists()
    assert reeve.stop(number) == 0


def test_hangup_is_said_in_the_log(reeve):
    reeve.start()
    reeve.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP is ignored" in reeve.log(), LIMIT_S, "the line")
    assert reeve.answers()


@pytest.mark.parametrize("words", [["-c", "/nonexistent/conf"], ["-l", "/nonexistent/log"], ["-m", "unix-listen", "-p", "/nonexistent/socket"],
                                   ["-m", "vsock-listen", "-p", "nonsense"]], ids=" ".join)
def test_failed_start_ends_with_1(reeve, words):
    reeve.start(channel=words, waits=False)
    assert reeve.process.wait(timeout=LIMIT_S) == 1


def test_missing_state_directory_is_made_and_one_that_cannot_be_ends_it(reeve):
    reeve.start("-t", f"{reeve.directory}/new")
    assert (reeve.directory / "new/lock").exists()
    reeve.stop()
    reeve.start("-t", f"{reeve.directory}/no/such", waits=False)
    assert reeve.process.wait(timeout=LIMIT_S) == 1


def test_missing_device_is_waited_for_with_and_without_retry_path(reeve):
    for words in [], ["-r"]:
        reeve.start(*words, channel=["-m", "virtio-serial", "-p", f"{reeve.directory}/port"], waits=False)
        wait_until(reeve.core, LIMIT_S, "a core")
        assert reeve.process.poll() is None and reeve.stop() == 0


# ---- where and with what it was started, both ----


@pytest.fixture(params=["reeve", "qemu-ga"])
def started(request):
    """Starts one of them in a directory of its own: options, and `within` as start_reeve() takes it."""
    if request.param == "qemu-ga" and not has_oracle():
        pytest.skip("no qemu-ga here to compare with")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-started-"))
    directory.chmod(0o755)
    agents = []

    def start(*options, within=()):
        if request.param == "reeve":
            agents.append(start_reeve(directory, request.getfixturevalue("reeve_install"), *options, within=within))
        else:
            agents.append(start_qemu_ga(directory, *options, within=within))
        return agents[0]

    start.directory = directory
    yield start
    for agent in agents:
        agent.stop()
    shutil.rmtree(directory)


def test_file_without_a_slash_before_its_name_is_where_the_agent_was_started(started):
    home = started.directory / "home"
    (home / "below").mkdir(parents=True)
    with connect(started(within=["env", "-C", str(home)])) as client:
        for name in ("new", "below/new", "./below/../newer"):
            handle = client.call("guest-file-open", path=name, mode="w")["return"]
            client.call("guest-file-write", handle=handle, buf_b64="eA==")
            assert client.call("guest-file-close", handle=handle) == {"return": {}}
            assert (home / name).read_bytes() == b"x"
        assert "No such file" in client.call("guest-file-open", path="home/new")["error"]["desc"]


def commands_of(client):
    return {entry["name"]: entry["enabled"] for entry in client.call("guest-info")["return"]["supported_commands"]}


def test_lists_of_the_command_line_close_ping_and_sync_too(started):
    with connect(started("-b", "guest-ping,guest-sync-delimited", "-b", "guest-sync")) as client:
        for command, arguments in {"guest-ping": {}, "guest-sync": {"id": 7}, "guest-sync-delimited": {"id": 7}}.items():
            error = client.call(command, **arguments)["error"]
            assert error["class"] == "CommandNotFound" and "has been disabled" in error["desc"]
            assert not commands_of(client)[command]
        assert "return" in client.call("guest-get-time")


def test_verbose_log_names_each_command_behind_read_data(started):
    log = started.directory / "verbose.log"
    with connect(started("-v", "-l", str(log))) as client:
        for command, arguments in {"guest-get-osinfo": {}, "guest-file-close": {"handle": 1}}.items():
            client.call(command, **arguments)
            wait_until(lambda: [line for line in log.read_text().splitlines() if "read data" in line and command in line],
                       LIMIT_S, f"a line of {command}")


def test_state_directory_of_root_alone_holds_no_worker_back(reeve):
    (reeve.directory / "state").chmod(0o700)
    reeve.start()
    assert "return" in reeve.call("guest-network-get-interfaces")
    assert reeve.call("guest-fsfreeze-status") == {"return": "thawed"}
    assert "return" in reeve.call("guest-get-time")


# ---- state files ----


def opened_handle(reeve):
    (reeve.directory / "file").write_text("")
    reply = reeve.call("guest-file-open", path=f"{reeve.directory}/file")
    return reply["return"] if "return" in reply else reply["error"]["desc"]


def test_handles_go_on_where_qemu_ga_stopped(reeve):
    state = reeve.directory / "state/qga.state"
    state.write_text("[global]\nfd_counter=1017\n")
    reeve.start()
    assert opened_handle(reeve) == 1017
    assert state.read_text() == f"[global]\nfd_counter={1017 + 65536}\n" and state.stat().st_mode & 0o777 == 0o600


def test_state_that_cannot_be_read_stops_opening_and_nothing_else(reeve):
    """qemu-ga does not start. No number may be used twice, and no other command needs one."""
    (reeve.directory / "state/qga.state").write_text("nonsense")
    reeve.start()
    assert "qga.state has no number after fd_counter=" in opened_handle(reeve)
    assert reeve.answers()


def test_mark_of_a_freeze_that_qemu_ga_left_is_said_in_the_log(reeve):
    (reeve.directory / "state/qga.state.isfrozen").write_text("")
    reeve.start()
    assert "qga.state.isfrozen" in reeve.log()


# ---- which channels are served ----


def has_vsock():
    try:
        with socket.socket(socket.AF_VSOCK) as listening:
            listening.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        return True
    except OSError:
        return False


def sync_behind_a_program(path):
    """Whether the sync waits for a program of a second that is before it, and how long it takes."""
    with Client(path) as client:
        client.send(b'{"execute":"exec-run","arguments":{"path":"/bin/sleep","arg":["1"]}}\n')
        begun = time.monotonic()
        client.send(b'{"execute":"guest-sync","arguments":{"id":7}}\n')
        waits = json.loads(client.read_line()).get("return") != 7
        return waits, time.monotonic() - begun


def test_several_channels_are_served_at_once_each_by_its_own_settings(reeve):
    paths = {name: f"{reeve.directory}/{name}" for name in ("one", "two", "three")}
    vsock = '  - {name: far, transport: vsock, path: "-1:34571"}\n' if has_vsock() else ""
    reeve.settings("channels:\n"
                   f"  - {{name: one, transport: unix, path: {paths['one']}}}\n"
                   f"  - {{name: two, transport: unix, path: {paths['two']}, sync-timeout: never}}\n"
                   f"  - {{name: three, transport: unix, path: {paths['three']}, sync-timeout: 100ms}}\n"
                   f"  - {{name: line, transport: isa-serial, path: {reeve.directory}/line}}\n{vsock}")
    reeve.start(channel=[], waits=False)
    for path in paths.values():
        wait_until(lambda: answers(path), LIMIT_S, "an answer")
    waits, took_s = zip(*(sync_behind_a_program(path) for path in paths.values()))
    assert waits == (False, True, False)
    assert took_s[0] >= 0.45 and took_s[2] < took_s[0]
    if vsock:
        listening = pathlib.Path("/proc/net/vsock")
        assert not listening.exists() or "34571" in listening.read_text()


def test_who_fills_one_channel_keeps_nobody_from_another(reeve):
    one, two = f"{reeve.directory}/one", f"{reeve.directory}/two"
    reeve.settings(f"channels: [{{name: one, transport: unix, path: {one}}}, {{name: two, transport: unix, path: {two}}}]\n")
    reeve.start(channel=[], waits=False)
    wait_until(lambda: answers(one) and answers(two), LIMIT_S, "an answer")
    with contextlib.ExitStack() as stack:
        refused = 0
        while refused < 20:  # until neither the agent nor the kernel's queue takes another one
            try:
                stack.enter_context(Client(one, timeout_s=2))
                refused = 0
            except BlockingIOError:
                refused += 1
                time.sleep(0.02)
        assert answers(two)


def test_guest_info_says_the_version_that_settings_name(reeve):
    reeve.settings('guest-info: {version: "8.2.0"}\n')
    reeve.start()
    assert reeve.call("guest-info")["return"]["version"] == "8.2.0"


class Configured:
    """Which socket answers, when reeve.yaml, qemu-ga.conf and the command line name three."""

    def __init__(self, reeve):
        self.reeve = reeve
        reeve.settings(f"channels: [{{name: a, transport: unix, path: {reeve.directory}/yaml}}]\n")

    def serves(self, name, conf="", words=()):
        (self.reeve.directory / "conf").write_text(conf)
        self.reeve.start(*words, channel=[], environment={"QGA_CONF": f"{self.reeve.directory}/conf"}, waits=False)
        wait_until(lambda: answers(self.reeve.directory / name), LIMIT_S, f"an answer on {name}")
        others = [other for other in ("yaml", "conf-socket", "line") if other != name]
        assert not any(answers(self.reeve.directory / other) for other in others)
        assert self.reeve.stop() == 0
        return self.reeve.log()


def test_channels_of_settings_hold_until_method_or_path_are_named(reeve):
    configured = Configured(reeve)
    said = "channels of reeve.yaml are not served"
    assert said not in configured.serves("yaml")
    assert said not in configured.serves("yaml", "[general]\nverbose=true\nblock-rpcs=guest-exec\n")
    conf = f"[general]\nmethod=unix-listen\npath={reeve.directory}/conf-socket\n"
    assert said in configured.serves("conf-socket", conf)
    assert said in configured.serves("line", conf, ["-p", f"{reeve.directory}/line"])


def test_lists_of_file_and_line_narrow_together(reeve):
    (reeve.directory / "conf").write_text("[general]\nblock-rpcs=guest-exec\n")
    reeve.start("-b", "guest-file-open,guest-exec-status", "-b", "exec-run", environment={"QGA_CONF": f"{reeve.directory}/conf"})
    commands = {entry["name"]: entry["enabled"] for entry in reeve.call("guest-info")["return"]["supported_commands"]}
    blocked = {"guest-exec", "guest-file-open", "guest-exec-status", "exec-run"}
    assert not any(commands[name] for name in blocked) and commands["guest-file-read"]
    assert reeve.call("guest-exec", path="/bin/true")["error"]["class"] == "CommandNotFound"


# ---- isa-serial ----


class Line:
    """The host's end of a terminal; `link` leads to the guest's."""

    def __init__(self, link):
        self.master, self.slave = pty.openpty()
        # As a shell would want it, to see that all of that is changed.
        wanted = termios.tcgetattr(self.slave)
        wanted[0] |= termios.ICRNL | termios.IXON | termios.ISTRIP
        wanted[1] |= termios.OPOST | termios.ONLCR
        wanted[3] |= termios.ICANON | termios.ECHO | termios.ISIG
        wanted[4] = wanted[5] = termios.B9600
        termios.tcsetattr(self.slave, termios.TCSANOW, wanted)
        self.link = link
        link.symlink_to(os.ttyname(self.slave))
        self.buffer = b""

    def close(self):
        self.link.unlink()
        os.close(self.master)
        os.close(self.slave)

    def exchange(self, line):
        os.write(self.master, line)
        while b"\n" not in self.buffer:
            self.buffer += os.read(self.master, 65536)
        reply, self.buffer = self.buffer.split(b"\n", 1)
        return reply


@pytest.fixture
def line(reeve):
    lines = Line(reeve.directory / "tty")
    yield lines
    with contextlib.suppress(OSError):
        lines.close()


def is_raw(slave):
    iflag, oflag, cflag, lflag, ispeed, ospeed, _ = termios.tcgetattr(slave)
    return (not iflag & (termios.ICRNL | termios.IXON | termios.ISTRIP | termios.INLCR | termios.BRKINT)
            and not oflag & termios.OPOST and not lflag & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            and cflag & termios.CSIZE == termios.CS8 and cflag & termios.CREAD and ispeed == ospeed == termios.B38400)


def start_on(reeve, line):
    reeve.start(channel=["-m", "isa-serial", "-p", str(line.link)], waits=False)
    wait_until(lambda: is_raw(line.slave), LIMIT_S, "a raw line of 38400 baud")


def test_terminal_becomes_a_raw_line_that_carries_bytes_both_ways(reeve, line):
    os.write(line.master, b'{"execute":"guest-get-nothing"}\n')
    assert os.read(line.master, 65536).startswith(b'{"execute"')  # its echo
    start_on(reeve, line)
    # What stood there before was dropped, and nothing is echoed.
    assert b"stray" in line.exchange(b'\xff{"execute":"guest-sync-delimited","arguments":{"id":5}}\n')
    assert line.exchange(b"") == b'\xff{"return": 5}'
    (reeve.directory / "file").write_bytes(bytes(range(256)) * 400)
    handle = json.loads(line.exchange(json.dumps({"execute": "guest-file-open", "arguments": {
        "path": f"{reeve.directory}/file"}}).encode() + b"\n"))["return"]
    read = json.loads(line.exchange(json.dumps({"execute": "guest-file-read", "arguments": {
        "handle": handle, "count": 102400}}).encode() + b"\n"))["return"]
    assert base64.b64decode(read["buf-b64"]) == bytes(range(256)) * 400


def test_terminal_that_hangs_up_is_opened_anew(reeve, line):
    start_on(reeve, line)
    assert line.exchange(b'{"execute":"guest-ping"}\n') == b'{"return": {}}'
    line.close()
    wait_until(lambda: "is gone; it is waited for" in reeve.log(), LIMIT_S, "the loss in the log")
    again = Line(line.link)
    try:
        assert not is_raw(again.slave)
        wait_until(lambda: is_raw(again.slave), LIMIT_S, "a raw line again")
        assert again.exchange(b'{"execute":"guest-ping"}\n') == b'{"return": {}}'
    finally:
        again.close()


def test_what_is_no_terminal_is_not_served_and_ends_nothing(reeve):
    reeve.start(channel=["-m", "isa-serial", "-p", "/dev/null"], waits=False)
    wait_until(lambda: "set the line /dev/null" in reeve.log() or "look at the line /dev/null" in reeve.log(), LIMIT_S,
               "the complaint")
    assert reeve.stop() == 0
