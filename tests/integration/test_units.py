"""Units written for qemu-ga start Reeve unchanged: their ExecStart words, from the real places, with Reeve laid over /usr.

All of it happens in a mount namespace of the test's own: an overlay puts Reeve, under the name qemu-ga too, over /usr, and
/run, /var/lib, /etc and /dev are private. The virtio port is a terminal, whose other end the test holds."""

import contextlib
import json
import os
import pathlib
import pty
import shlex
import shutil
import signal
import subprocess
import tempfile
import tty

import pytest

from conftest import ROOT
from running_reeve import ENVIRONMENT, FIRST_UID, lives, wait_until

LIMIT_S = 30
MARK = "REEVE_UNIT_TEST"  # in the environment of all that a test starts
PORT = "/dev/virtio-ports/org.qemu.guest_agent.0"

# The words of each unit, and what its EnvironmentFile says. ${X} is one word, also when it is empty, as in systemd.
DEBIAN = ("-/usr/sbin/qemu-ga", {})
RHEL_7_8 = (f"/usr/bin/qemu-ga --method=virtio-serial --path={PORT} --blacklist=${{BLACKLIST_RPC}} "
            "-F${FSFREEZE_HOOK_PATHNAME}",
            {"BLACKLIST_RPC": "guest-file-open,guest-exec", "FSFREEZE_HOOK_PATHNAME": "/etc/qemu-ga/fsfreeze-hook"})
RHEL_9_3 = (f"-/usr/bin/qemu-ga --method=virtio-serial --path={PORT} --block-rpcs=${{BLOCK_RPCS}} "
            "-F${FSFREEZE_HOOK_PATHNAME}", {"BLOCK_RPCS": "guest-file-open,guest-exec", "FSFREEZE_HOOK_PATHNAME": ""})
RHEL_9_4 = (f"-/usr/bin/qemu-ga --method=virtio-serial --path={PORT} ${{FILTER_RPC_ARGS}} -F${{FSFREEZE_HOOK_PATHNAME}}",
            {"FILTER_RPC_ARGS": "--allow-rpcs=guest-sync-delimited,guest-sync,guest-ping,guest-info,guest-file-read",
             "FSFREEZE_HOOK_PATHNAME": "/etc/qemu-ga/fsfreeze-hook"})
NO_FILTER = (f"-/usr/bin/qemu-ga --method=virtio-serial --path={PORT} ${{BLACKLIST_RPC}}", {"BLACKLIST_RPC": ""})
# Debian's script of the old kind: a daemon with a pid file.
SYSV = ("/usr/sbin/qemu-ga --daemonize -m virtio-serial -p " + PORT, {})

LAY_OUT = """
set -e
cd {top}
mkdir -p over/sbin over/bin over-etc/reeve over-etc/qemu dev run var-lib
ln -s reeved over/sbin/qemu-ga
ln -s ../sbin/reeved over/bin/qemu-ga
printf 'schema: 1\\nuid-range: {first}-{last}\\n' > over-etc/reeve/reeve.yaml
printf 'schema: 1\\nprofile: open\\n' > over-etc/reeve/policy.yaml
mount -t overlay -o lowerdir={top}/over:{install}:/usr overlay /usr
mount -t overlay -o lowerdir={top}/over-etc:/etc overlay /etc
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/virtio-ports
for name in null zero full random urandom tty; do cp -a /dev/$name dev/$name; done
mount --rbind /dev/pts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s {terminal} dev{port_below}
mount --rbind dev /dev
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
cd /
exec "$@"
"""


def words_of(unit):
    line, variables = unit
    words = shlex.split(line.lstrip("-"))
    for name, value in variables.items():
        words = [word.replace("${" + name + "}", value) for word in words]
    return words


class Port:
    """The host's end of what the guest takes for its virtio port."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)
        self.buffer = b""

    def call(self, command, **arguments):
        os.write(self.master, json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while b"\n" not in self.buffer:
            self.buffer += os.read(self.master, 65536)
        reply, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(reply)


@pytest.fixture
def port():
    made = Port()
    yield made
    os.close(made.master)
    os.close(made.slave)


def end_all_marked(top):
    """A daemon that a failed test left behind."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={top}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGTERM)


@pytest.fixture
def start(reeve_install, port):
    top = pathlib.Path(tempfile.mkdtemp(prefix="reeve-unit-"))
    top.chmod(0o755)
    started = []

    def run(words):
        script = LAY_OUT.format(top=top, install=reeve_install, terminal=port.name, port_below=PORT.removeprefix("/dev"),
                                first=FIRST_UID, last=FIRST_UID + 255)
        with open(top / "log", "wb") as log:
            process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**ENVIRONMENT, MARK: str(top)})
        started.append(process)
        return process

    run.log = lambda: (top / "log").read_text()
    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        process.wait(timeout=LIMIT_S)
    end_all_marked(str(top))
    shutil.rmtree(top)


def enabled(port):
    return {entry["name"]: entry["enabled"] for entry in port.call("guest-info")["return"]["supported_commands"]}


@pytest.mark.parametrize("unit, blocked", [
    (DEBIAN, set()), (NO_FILTER, set()), (RHEL_7_8, {"guest-file-open", "guest-exec"}),
    (RHEL_9_3, {"guest-file-open", "guest-exec"}), (RHEL_9_4, {"guest-file-open", "guest-exec"})],
    ids=["Debian", "no filter", "RHEL 7 and 8", "RHEL 9.3", "RHEL 9.4"])
def test_unit_starts_it_unchanged(start, port, unit, blocked):
    process = start(words_of(unit))
    commands = enabled(port)
    assert process.poll() is None, start.log()
    assert {name for name in ("guest-file-open", "guest-exec", "guest-file-read", "guest-ping") if not commands[name]} == blocked


def test_debians_own_unit_is_the_one_meant():
    unit = pathlib.Path("/lib/systemd/system/qemu-guest-agent.service")
    if not unit.exists():
        pytest.skip("no qemu-guest-agent here")
    assert f"\nExecStart={DEBIAN[0]}\n" in unit.read_text()


def test_script_of_the_old_kind_finds_its_daemon_by_the_pid_file(start, port):
    process = start(["sh", "-c", " ".join(words_of(SYSV)) + """ || exit 1
        for i in 1 2 3 4 5 6 7 8 9 10; do [ -s /var/run/qemu-ga.pid ] && break; sleep 0.2; done
        cat /var/run/qemu-ga.pid; read -r pid < /var/run/qemu-ga.pid
        while [ ! -e /run/reeve/go ]; do kill -0 $pid || exit 2; sleep 0.1; [ "$((i += 1))" -lt 100 ] || break; done
        kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done; [ ! -e /var/run/qemu-ga.pid ]"""])
    assert port.call("guest-ping") == {"return": {}}
    pid = int(wait_until(start.log, LIMIT_S, "the pid").split()[-1])
    assert lives(pid)
    pathlib.Path(f"/proc/{pid}/root/run/reeve/go").write_text("")
    assert process.wait(timeout=LIMIT_S) == 0, start.log()


def test_own_unit_has_the_service_manager_make_nothing_on_a_disk():
    """It would do so before `reeved --thaw`, and wait for the thaw."""
    keys = {line.split("=", 1)[0] for line in (ROOT / "packaging/reeved.service").read_text().splitlines() if "=" in line}
    assert "ExecStopPost" in keys
    assert not keys & {"StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"}
