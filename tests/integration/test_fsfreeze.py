"""Freezing, on file systems of the test's own and nothing else (tests/support/loop_root.py): what is frozen cannot be written,
what is thawed can, whatever goes wrong in between."""

import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from loop_root import KINDS, LoopRoot, foreign_mounts
from qga import Client
from running_reeve import FIRST_UID, children_of, wait_until, words_of

FIFREEZE = 0xC0045877


HOOK = """#!/bin/sh
echo "$0 $1" >> /tmp/hook.log
echo "hook says $1"
"""


def hooks_policy(*paths, **settings):
    """A policy with these hooks: they may run, and are run."""
    programs = "".join(f"      hook{number}: {{run: {path}, args: [[{{one-of: [freeze, thaw]}}]], confine: hook, timeout: 60s, "
                       f"reason: a test}}\n" for number, path in enumerate(paths))
    words = "".join(f", {name.replace('_', '-')}: {value}" for name, value in settings.items())
    return ("schema: 1\nprofile: standard\nplugins:\n  fsfreeze:\n    programs:\n" + programs +
            f"    settings: {{hooks: [{', '.join(paths)}]{words}}}\n")


def settings_policy(**settings):
    words = ", ".join(f"{name.replace('_', '-')}: {value}" for name, value in settings.items())
    return f"schema: 1\nprofile: standard\nplugins: {{fsfreeze: {{settings: {{{words}}}}}}}\n"


@pytest.fixture
def root_of(reeve_install):
    """Starts Reeve in a root of loop devices; ends it, and thaws, after the test."""
    started = []

    def start(policy="schema: 1\n", words=(), files=None):
        root = LoopRoot(reeve_install, policy, words, files, first_uid=FIRST_UID).__enter__()
        started.append(root)
        return root

    try:
        yield start
    finally:
        for root in started:
            root.__exit__(None, None, None)


def call(root, command, timeout_s=30, **arguments):
    with Client(root.path("/run/socket"), timeout_s=timeout_s) as client:
        return client.call(command, **arguments)


def value(root, command, **arguments):
    reply = call(root, command, **arguments)
    assert "return" in reply, reply
    return reply["return"]


def error(root, command, **arguments):
    reply = call(root, command, **arguments)
    assert "error" in reply, reply
    return reply["error"]["desc"]


def status(root):
    return value(root, "guest-fsfreeze-status")


def frozen_worker(root):
    return next((pid for pid in children_of(root.pid) if words_of(pid)[:2] == ["reeve-worker", "fsfreeze"]), None)


class Writer:
    """Writes and syncs without end to a file system; says how far it has come."""

    def __init__(self, root, place):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import os, sys\nfile = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
             "while True:\n os.pwrite(file, b'x' * 4096, 0); os.fsync(file); os.write(1, b'.')\n",
             str(root.path(f"{place}/written"))], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)

    def count(self):
        try:
            return len(os.read(self.process.stdout.fileno(), 1 << 16))
        except BlockingIOError:
            return 0

    def writes(self):
        """Whether it comes on."""
        self.count()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if self.count():
                return True
            time.sleep(0.02)
        return False

    def stands_still(self):
        time.sleep(0.3)  # what was under way
        self.count()
        time.sleep(1)
        return self.count() == 0

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


def test_what_is_not_the_tests_own_is_refused_by_the_harness():
    own = ("1 1 7:3 / / rw - ext4 /dev/loop3 rw\n2 1 0:20 / /proc rw - proc proc rw\n"
           "3 1 0:40 / /mnt/b rw - btrfs /dev/loop4 rw\n")
    assert not foreign_mounts(own, {3, 4})
    for line in ("4 1 254:0 /usr/lib /lib ro - ext4 /dev/vda ro", "4 1 7:5 / /x rw - ext4 /dev/loop5 rw",
                 "4 1 0:41 / /x rw - btrfs /dev/vdb rw"):
        assert foreign_mounts(own + line, {3, 4}) == [line]


def test_a_freeze_of_what_the_state_directory_stands_on_is_refused_and_of_others_is_not(root_of):
    root = root_of(words=("-t", "/var/lib/reeve"))
    writer = Writer(root, "")
    try:
        why = error(root, "guest-fsfreeze-freeze")
        assert why.startswith("failed to freeze /: the agent's state directory is on a disk"), why
        assert "--statedir" in why
        assert status(root) == "thawed"
        assert writer.writes()
        place = f"/mnt/{root.mounts[0]}"
        assert value(root, "guest-fsfreeze-freeze-list", mountpoints=[place]) == 1
        assert writer.writes()
        assert value(root, "guest-fsfreeze-thaw") == 1
    finally:
        writer.end()


def test_a_writer_stops_at_each_file_system_and_goes_on(root_of):
    root = root_of()
    for kind in KINDS:
        if kind not in root.mounts:
            print(f"not tried: this kernel has no {kind}")
    places = [f"/mnt/{kind}" for kind in root.mounts] + ["/mnt/inner", ""]
    writers = [Writer(root, place) for place in places]
    try:
        for place, writer in zip(places, writers):
            assert writer.writes(), place
        assert value(root, "guest-fsfreeze-freeze") == len(places)
        assert status(root) == "frozen"
        for place, writer in zip(places, writers):
            assert writer.stands_still(), place
        assert value(root, "guest-fsfreeze-thaw") == len(places)
        assert status(root) == "thawed"
        for place, writer in zip(places, writers):
            assert writer.writes(), place
    finally:
        root.thaw_all()
        for writer in writers:
            writer.end()
    report = value(root, "fsfreeze-report")
    frozen = [mount["mountpoint"] for mount in report["mounts"]]
    assert all(mount["result"] == "frozen" for mount in report["mounts"])
    assert frozen.index("/mnt/inner") < frozen.index("/mnt/ext4") < frozen.index("/"), "what stands on another first"
    assert {"mountpoint": "/mnt/bound", "type": "ext4", "reason": "same-device"} in report["left-out"]
    assert report["state"] == "thawed" and report["ended"] == "thawed"


def test_while_frozen_only_the_safe_commands_pass(root_of):
    root = root_of()
    value(root, "guest-fsfreeze-freeze")
    refused = "has been disabled: the agent is in frozen state"
    for command in ("guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "fsfreeze-freeze-disks", "guest-fstrim",
                    "guest-get-osinfo"):
        arguments = {"serials": []} if command == "fsfreeze-freeze-disks" else {}
        assert error(root, command, **arguments) == f"Command {command} {refused}"
    enabled = {each["name"] for each in value(root, "guest-info")["supported_commands"] if each["enabled"]}
    assert enabled == {"guest-sync", "guest-sync-delimited", "guest-ping", "guest-info", "guest-fsfreeze-status",
                       "guest-fsfreeze-thaw", "fsfreeze-report", "fsfreeze-renew"}
    value(root, "guest-fsfreeze-thaw")


def test_a_list_is_matched_exactly_and_the_rest_stays_writable(root_of):
    root = root_of()
    assert value(root, "guest-fsfreeze-freeze-list", mountpoints=["/mnt/ext4", "/mnt/ext", "/none", "/mnt/bound"]) == 1
    assert root.is_frozen("/mnt/ext4") and not root.is_frozen("/")
    assert value(root, "guest-fsfreeze-thaw") == 1
    assert value(root, "guest-fsfreeze-freeze-list", mountpoints=[]) == 0
    assert status(root) == "thawed"
    assert value(root, "guest-fsfreeze-thaw") == 0


def test_a_directory_put_in_the_place_of_one_above_a_mount_point_is_not_frozen_for_it(root_of):
    root = root_of()
    assert value(root, "guest-fsfreeze-freeze-list", mountpoints=["/none"]) == 0  # the table has been read, and no mount changes
    value(root, "guest-fsfreeze-thaw")
    # As a user may who owns the directory.
    os.rename(root.path("/mnt"), root.path("/moved"))
    os.makedirs(root.path("/trap/ext4"))
    os.symlink("trap", root.path("/mnt"))
    try:
        assert value(root, "guest-fsfreeze-freeze-list", mountpoints=["/mnt/ext4"]) == 0
        assert not root.is_frozen("/"), "which is what /mnt/ext4 leads to now"
        value(root, "guest-fsfreeze-thaw")
        assert value(root, "guest-fsfreeze-freeze-list", mountpoints=["/moved/ext4"]) == 1
        assert root.is_frozen("/mnt/ext4") and not root.is_frozen("/")
        value(root, "guest-fsfreeze-thaw")
    finally:
        os.unlink(root.path("/mnt"))
        os.rename(root.path("/moved"), root.path("/mnt"))


def test_what_somebody_else_froze_is_passed_over_and_thawed_by_the_host(root_of):
    root = root_of()
    place = f"/mnt/{root.mounts[-1]}"  # nothing stands on it
    count = len(root.held)
    fcntl.ioctl(root.held[place], FIFREEZE, 0)
    assert value(root, "guest-fsfreeze-freeze") == count - 1
    results = {mount["mountpoint"]: mount["result"] for mount in value(root, "fsfreeze-report")["mounts"]}
    assert results[place] == "already-frozen"
    assert value(root, "guest-fsfreeze-thaw") == count


def test_a_freeze_that_hangs_is_cancelled_by_a_thaw_of_another_channel(root_of):
    root = root_of()
    fcntl.ioctl(root.held["/mnt/ext4"], FIFREEZE, 0)  # on which /mnt/inner stands, which now can write nothing back
    written = os.open(root.path("/mnt/inner/dirty"), os.O_WRONLY | os.O_CREAT)
    os.pwrite(written, b"x" * 4096, 0)
    os.close(written)
    with Client(root.path("/run/socket")) as slow:
        slow.send(b'{"execute": "guest-fsfreeze-freeze"}\n')
        time.sleep(1)
        assert value(root, "guest-fsfreeze-thaw") >= 1
        assert b"the freeze was cancelled by guest-fsfreeze-thaw" in slow.read_line()
    assert status(root) == "thawed"
    assert not any(root.is_frozen(place) for place in root.held)


def test_nobody_thaws_and_the_timeout_does(root_of):
    root = root_of(settings_policy(thaw_timeout="3s"))
    value(root, "guest-fsfreeze-freeze")
    began = time.monotonic()
    time.sleep(2)
    assert value(root, "fsfreeze-renew")["time-left-ms"] == 3000
    wait_until(lambda: status(root) == "thawed", 10, "the thaw")
    assert time.monotonic() - began > 4.5
    assert not any(root.is_frozen(place) for place in root.held)
    assert value(root, "fsfreeze-report")["ended"] == "timeout"
    assert value(root, "guest-fsfreeze-thaw") == 0
    assert "thaw timeout" in root.log()


def test_a_worker_that_dies_frozen_leaves_the_time_to_the_next(root_of):
    root = root_of(settings_policy(thaw_timeout="8s"))
    value(root, "guest-fsfreeze-freeze")
    time.sleep(2)
    old = frozen_worker(root)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: frozen_worker(root) not in (None, old), 10, "the next worker")
    assert status(root) == "frozen"
    assert root.is_frozen("/mnt/ext4")
    assert value(root, "fsfreeze-report")["time-left-ms"] <= 6000
    wait_until(lambda: status(root) == "thawed", 12, "the thaw")
    assert not any(root.is_frozen(place) for place in root.held)


def test_a_host_thaws_what_a_worker_that_died_has_frozen(root_of):
    root = root_of()
    count = value(root, "guest-fsfreeze-freeze")
    os.kill(frozen_worker(root), signal.SIGKILL)
    assert value(root, "guest-fsfreeze-thaw") == count
    assert not any(root.is_frozen(place) for place in root.held)


def test_the_end_of_the_service_thaws(root_of):
    root = root_of()
    value(root, "guest-fsfreeze-freeze")
    worker = frozen_worker(root)
    held = dict(root.held)
    os.kill(root.pid, signal.SIGTERM)
    root.process.wait(20)
    wait_until(lambda: not pathlib.Path(f"/proc/{worker}").exists(), 5, "the end of the worker")
    assert not any(root.is_frozen(place) for place in held)


def test_trim_answers_for_each_file_system_the_last_first(root_of):
    root = root_of()
    paths = value(root, "guest-fstrim")["paths"]
    assert [each["path"] for each in paths][-1] == "/"
    assert {each["path"] for each in paths} == {f"/mnt/{kind}" for kind in root.mounts} | {"/", "/mnt/inner"}
    assert all(each["trimmed"] > 0 for each in paths)
    assert [set(each) for each in paths] == [{"path", "trimmed", "minimum"}] * len(paths)


def test_disks_are_asked_for_by_serial_number(root_of):
    root = root_of()
    assert error(root, "fsfreeze-freeze-disks", serials=["no-such"]) == "no disk has the serial number 'no-such'"
    assert status(root) == "thawed"


# ---- hooks


def test_hooks_run_before_and_in_reverse_order_afterwards(root_of):
    files = {"/hooks/a": (0o755, HOOK), "/hooks/b": (0o755, HOOK)}
    root = root_of(hooks_policy("/hooks/a", "/hooks/b"), files=files)
    assert value(root, "guest-fsfreeze-freeze") == len(root.held)
    assert value(root, "guest-fsfreeze-thaw") == len(root.held)
    assert root.path("/tmp/hook.log").read_text().splitlines() == [
        "/hooks/a freeze", "/hooks/b freeze", "/hooks/b thaw", "/hooks/a thaw"]
    hooks = value(root, "fsfreeze-report")["hooks"]
    assert [(hook["path"], hook["action"], hook["exit-code"], hook["output"]) for hook in hooks] == [
        ("/hooks/a", "freeze", 0, "hook says freeze\n"), ("/hooks/b", "freeze", 0, "hook says freeze\n"),
        ("/hooks/b", "thaw", 0, "hook says thaw\n"), ("/hooks/a", "thaw", 0, "hook says thaw\n")]


def test_a_hook_that_fails_aborts_and_those_before_it_are_told(root_of):
    files = {"/hooks/a": (0o755, HOOK),
             "/hooks/b": (0o755, "#!/bin/sh\n[ $1 = thaw ] && exit 0\necho no room; exit 3\n")}
    root = root_of(hooks_policy("/hooks/a", "/hooks/b"), files=files)
    assert error(root, "guest-fsfreeze-freeze") == "child process has failed to execute fsfreeze hook: no room\n"
    assert status(root) == "thawed"
    assert root.path("/tmp/hook.log").read_text().splitlines() == ["/hooks/a freeze", "/hooks/a thaw"]
    assert not any(root.is_frozen(place) for place in root.held)


def test_a_hook_that_hangs_is_killed_and_sync_is_answered_meanwhile(root_of):
    files = {"/hooks/a": (0o755, "#!/bin/sh\n[ $1 = thaw ] || sleep 1000\n")}
    root = root_of(hooks_policy("/hooks/a", hook_timeout="4s"), files=files)
    with Client(root.path("/run/socket")) as slow:
        slow.send(b'{"execute": "guest-fsfreeze-freeze"}\n')
        time.sleep(0.3)
        with Client(root.path("/run/socket")) as other:
            assert other.call("guest-sync", id=7) == {"return": 7}
        assert not slow.has_input()
        assert b"fsfreeze hook '/hooks/a' did not end in time" in slow.read_line()
    assert status(root) == "thawed"


def test_debians_own_hook_finds_its_scripts(root_of):
    debians = pathlib.Path("/etc/qemu/fsfreeze-hook").read_text()
    files = {"/etc/qemu/fsfreeze-hook": (0o755, debians), "/etc/qemu/fsfreeze-hook.d/10-test": (0o755, HOOK)}
    root = root_of("schema: 1\n", ["-F"], files)
    assert value(root, "guest-fsfreeze-freeze") == len(root.held)
    assert value(root, "guest-fsfreeze-thaw") == len(root.held)
    script = "/etc/qemu/fsfreeze-hook.d/10-test"
    assert root.path("/tmp/hook.log").read_text().splitlines() == [f"{script} freeze", f"{script} thaw"]
    assert "finished with status=0" in root.path("/var/log/qga-fsfreeze-hook.log").read_text()


def test_a_hook_that_is_not_there_fails_the_freeze_as_in_qemu_ga(root_of):
    root = root_of("schema: 1\n", ["-F/none/hook"])
    assert error(root, "guest-fsfreeze-freeze") == "can't access fsfreeze hook '/none/hook': No such file or directory"
    assert status(root) == "thawed"
