"""Power, clock, processors and memory through the whole agent, on a machine that is not one.

This file runs itself in a mount namespace of its own. There every program that could switch this machine, and every switch of
its kernel, is covered by one of the test's, before the agent starts; if one is not, it does not start. No test names a time
that could be set. Real guests are switched in tests/vm."""

import contextlib
import filecmp
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from qga import Client  # noqa: E402
from running_agent import NEVER  # noqa: E402
from running_reeve import Reeve, wait_until  # noqa: E402

# systemd's programs for power are links to systemctl.
PROGRAMS = {"/usr/bin/systemctl": "systemctl", "/usr/sbin/hwclock": "hwclock"}
SWITCHES = {"/sys/devices/system/cpu": "cpu", "/sys/devices/system/memory": "memory", "/sys/power": "power"}
COVERED = {"guest-shutdown", "guest-suspend-disk", "guest-suspend-ram", "guest-suspend-hybrid", "guest-set-time",
           "guest-set-vcpus", "guest-set-memory-blocks"}
LIMIT_S = 60

# ---- inside the namespace


def cover(stage):
    for path, name in {**PROGRAMS, **SWITCHES}.items():
        subprocess.run(["mount", "--bind", stage / name, path], check=True)
    for path, name in PROGRAMS.items():
        assert filecmp.cmp(path, stage / name, shallow=False), path
    for path in ("/sbin/poweroff", "/sbin/halt", "/sbin/reboot", "/sbin/shutdown"):
        assert os.path.realpath(path) in PROGRAMS, f"{path} is not covered"
    for path, name in SWITCHES.items():
        assert os.path.samefile(path, stage / name), path


def serve(install, directory, profile):
    """Until standard input ends."""
    cover(directory / "stage")
    reeve = Reeve(pathlib.Path(install), directory)
    reeve.write_policy(f'schema: 1\nprofile: {profile}\naudit: {{sink: ["file:{directory}/audit"]}}\n')
    try:
        reeve.start(blocked=",".join(name for name in NEVER.split(",") if name not in COVERED))
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        reeve.clean_up()
        sys.stderr.write(reeve.log())


# ---- outside


class Stage:
    """The machine that the agent believes in."""

    def __init__(self, directory):
        self.directory = directory / "stage"
        self.directory.mkdir()
        self.socket = directory / "socket"
        for path, name in PROGRAMS.items():
            assert stat.S_ISREG(os.stat(path).st_mode)
            subprocess.run(["cc", f'-DSTAGE="{self.directory}"', "-o", self.directory / name,
                            ROOT / "tests/support/played_program.c"], check=True)
        for name in SWITCHES.values():
            (self.directory / name).mkdir()
        self.reset()

    def reset(self):
        for path in [self.directory / "calls", *self.directory.glob("*.says"), *self.directory.glob("*.exit")]:
            path.unlink(missing_ok=True)
        (self.directory / "status").write_text("4")
        self.write("power/state", "freeze\n")

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def read(self, name):
        return (self.directory / name).read_text()

    def play(self, name, says="", exit_code=0):
        self.write(f"{name}.says", says)
        self.write(f"{name}.exit", str(exit_code))

    def calls(self):
        path = self.directory / "calls"
        return [line.strip() for line in path.read_text().splitlines()] if path.exists() else []

    def connect(self):
        return Client(self.socket, timeout_s=LIMIT_S)

    def call(self, command, **arguments):
        with self.connect() as client:
            return client.call(command, **arguments)

    def refusal(self, command, **arguments):
        reply = self.call(command, **arguments)
        assert reply.get("error", {}).get("class") == "GenericError", reply
        return reply["error"]["desc"]

    def says_nothing(self, command, **arguments):
        """The next answer is that of the next request."""
        with self.connect() as client:
            client.send(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            return client.call("guest-ping") == {"return": {}}


@contextlib.contextmanager
def on_stage(install, profile):
    if not all(os.access(path, os.X_OK) for path in [*PROGRAMS, "/sbin/poweroff"]):
        pytest.skip("this machine has not the programs that are covered")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-system-"))
    directory.chmod(0o755)
    stage = Stage(directory)
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, install, directory, profile],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(directory / "inside", "wb"), text=True)
    try:
        assert process.stdout.readline() == "ready\n", (directory / "inside").read_text()
        yield stage
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        print((directory / "inside").read_text())
        shutil.rmtree(directory)


@pytest.fixture(scope="module", params=["standard", "open"], name="shared_stage")
def fixture_shared_stage(request, reeve_install):
    with on_stage(reeve_install, request.param) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage):
    shared_stage.reset()
    return shared_stage


# ---- power


@pytest.mark.parametrize("arguments, called", [({}, "poweroff"), ({"mode": "powerdown"}, "poweroff"),
                                               ({"mode": "halt"}, "halt"), ({"mode": "reboot"}, "reboot")])
def test_shutdown_runs_the_modes_program_and_says_nothing(stage, arguments, called):
    assert stage.says_nothing("guest-shutdown", **arguments)
    assert stage.calls() == [called]


def test_a_shutdown_that_fails_is_told(stage):
    stage.play("poweroff", "Failed to connect to bus: No such file or directory\n", 1)
    assert stage.refusal("guest-shutdown") == (
        "child process has failed to shutdown: Failed to connect to bus: No such file or directory")


def test_another_mode_runs_nothing(stage):
    assert stage.refusal("guest-shutdown", mode="sideways") == "mode is invalid (valid values are: halt|powerdown|reboot"
    assert stage.calls() == []


@pytest.mark.parametrize("command, unit, verb", [("guest-suspend-disk", "hibernate", "hibernate"),
                                                 ("guest-suspend-ram", "suspend", "suspend"),
                                                 ("guest-suspend-hybrid", "hybrid-sleep", "hybrid-sleep")])
def test_suspend_is_systemds_and_says_nothing(stage, command, unit, verb):
    stage.write("status", "3")
    assert stage.says_nothing(command)
    assert stage.calls() == [f"systemctl status --lines=0 systemd-{unit}.service", f"systemctl {verb}"]


def test_suspend_goes_to_the_kernel_where_systemd_cannot(stage):
    stage.write("power/state", "freeze mem disk\n")
    assert stage.says_nothing("guest-suspend-ram")
    assert stage.read("power/state").startswith("mem")


def test_a_suspend_that_fails_is_told(stage):
    stage.write("status", "3")
    stage.play("systemctl", "Access denied\n", 1)
    assert stage.refusal("guest-suspend-ram") == "suspend to RAM failed: systemctl suspend: Access denied"


def test_a_guest_that_cannot_sleep_says_so(stage):
    for command in ("guest-suspend-disk", "guest-suspend-ram", "guest-suspend-hybrid"):
        assert stage.refusal(command) == "the requested suspend mode is not supported by the guest"


# ---- the clock


def test_without_a_time_the_hardware_clock_is_read(stage):
    assert stage.call("guest-set-time") == {"return": {}}
    assert stage.calls() == ["hwclock -s"]


def test_a_hardware_clock_that_cannot_be_read_is_told(stage):
    stage.play("hwclock", "hwclock: Cannot access the Hardware Clock via any known method.\n", 1)
    assert stage.refusal("guest-set-time") == ("child process has failed to set hardware clock to system time: hwclock: "
                                               "Cannot access the Hardware Clock via any known method.")


# ---- processors and memory


def test_processors_are_switched_up_to_the_first_that_cannot(stage):
    stage.write("cpu/cpu1/online", "1\n")
    (stage.directory / "cpu/cpu0").mkdir(exist_ok=True)
    call = lambda *states: stage.call("guest-set-vcpus", vcpus=[{"logical-id": n, "online": on} for n, on in states])
    assert call((1, False), (0, True)) == {"return": 2}
    assert stage.read("cpu/cpu1/online") == "0\n"
    assert call((1, True), (0, False), (1, False)) == {"return": 1}
    assert stage.read("cpu/cpu1/online") == "1\n"
    assert call((0, False))["error"]["desc"] == "logical processor #0 can't be offlined"
    assert call((99, True))["error"]["desc"] == "Could not open '/sys/devices/system/cpu/cpu99/': No such file or directory"
    assert call() == {"return": 0}


def test_five_hundred_and_twelve_processors_are_switched_in_one_request(stage):
    for number in range(1, 513):
        stage.write(f"cpu/cpu{number}/online", "1\n")
    states = [{"logical-id": number, "online": False} for number in range(1, 513)]
    assert stage.call("guest-set-vcpus", vcpus=states) == {"return": 512}
    assert {stage.read(f"cpu/cpu{number}/online") for number in range(1, 513)} == {"0\n"}


def test_each_block_of_memory_has_its_result(stage):
    stage.write("memory/memory32/state", "online\n")
    (stage.directory / "memory/memory33").mkdir(exist_ok=True)
    reply = stage.call("guest-set-memory-blocks",
                       mem_blks=[{"phys-index": n, "online": False} for n in (32, 33, 34, 2**64 - 1)])
    assert reply == {"return": [{"phys-index": 32, "response": "success"},
                                {"phys-index": 33, "response": "operation-not-supported", "error-code": 2},
                                {"phys-index": 34, "response": "not-found", "error-code": 2},
                                {"phys-index": 2**64 - 1, "response": "not-found", "error-code": 2}]}
    assert stage.read("memory/memory32/state").startswith("offline")


# What QAPI says, with the way to the member.
@pytest.mark.parametrize("command, arguments, text", [
    ("guest-set-vcpus", {}, "Parameter 'vcpus' is missing"),
    ("guest-set-vcpus", {"vcpus": [{"logical-id": 1}]}, "Parameter 'vcpus[0].online' is missing"),
    ("guest-set-memory-blocks", {"mem_blks": [{"phys-index": 1, "online": 1}]},
     "Invalid parameter type for 'mem-blks[0].online', expected: boolean"),
    ("guest-set-time", {"time": "now"}, "Invalid parameter type for 'time', expected: integer"),
    ("guest-shutdown", {"mode": 1}, "Invalid parameter type for 'mode', expected: string"),
    ("guest-suspend-ram", {"mode": "mem"}, "Parameter 'mode' is unexpected"),
])
def test_wrong_arguments_are_refused_in_qapis_words(stage, command, arguments, text):
    assert stage.refusal(command, **arguments) == text


# ---- what policy says


def test_minimal_lets_the_guest_be_shut_down_and_no_more(reeve_install):
    with on_stage(reeve_install, "minimal") as stage:
        assert stage.says_nothing("guest-shutdown")
        assert stage.calls() == ["poweroff"]
        reply = stage.call("guest-set-vcpus", vcpus=[])
        assert reply["error"]["class"] == "CommandNotFound"


def test_the_hosts_programs_are_not_the_plugins(stage, request):
    """A rule of the plugin opens nothing to guest-exec."""
    if request.node.callspec.params["shared_stage"] == "open":
        pytest.skip("there the host may run anything")
    reply = stage.call("guest-exec", path="/sbin/poweroff")
    assert "error" in reply and stage.calls() == []


@pytest.mark.parametrize("command, arguments", [("guest-shutdown", {"mode": "reboot"}), ("guest-suspend-ram", {}),
                                                ("guest-set-time", {}), ("guest-set-vcpus", {"vcpus": []}),
                                                ("guest-set-memory-blocks", {"mem_blks": []})])
def test_what_changes_the_guest_is_in_the_audit(stage, command, arguments):
    path = stage.directory.parent / "audit"
    before = len(path.read_text()) if path.exists() else 0
    stage.write("status", "3")
    with stage.connect() as client:
        wanted = {name.replace("_", "-"): value for name, value in arguments.items()}
        client.send(json.dumps({"execute": command, "arguments": wanted}).encode() + b"\n")
        client.call("guest-ping")

    def is_told():
        return path.exists() and f'"{command}"' in path.read_text()[before:]
    wait_until(is_told, 10, f"a record of {command}")


if __name__ == "__main__":
    serve(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
