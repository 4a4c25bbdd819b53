"""What a host does behind the agent's back: libvirtd that ends and comes back, a guest that becomes a file and a guest again, a
guest set back to what it was. The agent's session is whole each time, and no reply is taken for that of another command."""

import json
import shutil
import signal
import subprocess
import threading

import agent
import guest as guests
import libvirt
import pytest
from conftest import AGENT
from guest import NAME, wait_until

UNIT = "reeved.service" if AGENT == "reeve" else "qemu-guest-agent.service"
ROUNDS = 20


def assert_session_is_whole(guest):
    """Each reply is that of its own command, from the first on."""
    guest.wait_for_agent()
    for _ in range(ROUNDS):
        assert guest.agent("guest-get-host-name") == {"host-name": "reeve-guest"}
        assert guest.agent("guest-ping") == {}


@pytest.fixture
def busy_guest(open_guest):
    """A program runs, and a file is open: what a host must find again."""
    open_guest.check("rm -f /run/go /tmp/held")
    open_guest.program = agent.start(open_guest, agent.SHELL, "-c", "until [ -e /run/go ]; do sleep 0.2; done; exit 7", capture=True)
    open_guest.handle = open_guest.agent("guest-file-open", path="/tmp/held", mode="w")
    yield open_guest
    open_guest.check("touch /run/go")


def assert_found_again(guest):
    status = guest.agent("guest-exec-status", pid=guest.program)
    assert status["exited"] is False
    assert guest.agent("guest-file-write", handle=guest.handle, **{"buf-b64": "eA=="}) == {"count": 1, "eof": False}
    guest.agent("guest-file-close", handle=guest.handle)
    assert guest.check("cat /tmp/held") == "x"
    guest.check("touch /run/go")
    assert agent.wait_for(guest, guest.program)["exitcode"] == 7


def slow_request(guest):
    """A request that is under way; what it told its host in the end."""
    told = []

    def ask():
        try:
            told.append(guest.agent_raw(json.dumps({"execute": "exec-run", "arguments": {
                "path": agent.SHELL, "arg": ["-c", "exec sleep 6543"], "timeout": 500}}), timeout_s=600))
        except libvirt.libvirtError as error:
            told.append(error)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    def program_runs():
        """the program of the request"""
        return guest.run("pgrep -f '^sleep 6543'").out
    wait_until(program_runs, 60)
    return thread, told


# ---- events ----


def test_a_host_is_told_when_its_agent_goes_and_comes(guest):
    events = subprocess.Popen(["virsh", "-q", "-c", guest.uri, "event", NAME, "agent-lifecycle", "--loop", "--timeout", "240"],
                              stdout=subprocess.PIPE, text=True)
    try:
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(events.stdout.readline, "")), daemon=True)
        reader.start()

        def told(state, count):
            def host_is_told():
                """an event of the agent's life"""
                return sum(f"state: '{state}'" in line for line in seen) >= count
            wait_until(host_is_told, 120)
        # The listener itself needs a moment; each further stop gives it another chance.
        for count in (1, 2):
            guest.check(f"sleep 2; systemctl stop {UNIT}", timeout_s=60)
            told("disconnected", count)
            guest.check(f"systemctl start {UNIT}", timeout_s=60)
            told("connected", count)
    finally:
        events.kill()
        events.wait()
    guest.wait_for_agent()


# ---- libvirtd ----


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_libvirtd_that_comes_back_finds_all_again(busy_guest, by):
    busy_guest.restart_libvirtd(by)
    assert_session_is_whole(busy_guest)
    assert_found_again(busy_guest)


@pytest.mark.reeve
def test_libvirtd_that_dies_in_the_middle_of_a_request_gets_no_late_reply(open_guest):
    thread, told = slow_request(open_guest)
    open_guest.restart_libvirtd(signal.SIGKILL)
    thread.join(60)
    assert isinstance(told[0], libvirt.libvirtError)
    assert_session_is_whole(open_guest)
    # Its program goes with the request.
    wait_until(lambda: not open_guest.run("pgrep -f '^sleep 6543'").out, 60)
    assert_session_is_whole(open_guest)


# ---- a guest as a file ----


@pytest.fixture
def state_file(open_guest):
    path = open_guest.folder / "state"
    yield path
    path.unlink(missing_ok=True)


def test_a_guest_that_was_a_file_is_the_same_to_its_host(busy_guest, state_file):
    boot = busy_guest.boot_id()
    busy_guest.save(state_file)
    busy_guest.restore(state_file)
    assert_session_is_whole(busy_guest)
    assert busy_guest.boot_id() == boot
    assert_found_again(busy_guest)


def test_a_freeze_outlives_the_guests_time_as_a_file(open_guest, data, state_file):
    assert open_guest.agent("guest-fsfreeze-freeze-list", mountpoints=[data]) == 1
    open_guest.save(state_file)
    open_guest.restore(state_file)
    open_guest.wait_for_agent()
    assert open_guest.agent("guest-fsfreeze-status") == "frozen"
    assert open_guest.run(f"timeout 3 touch {data}/no", timeout_s=20).status == 124
    assert open_guest.agent("guest-fsfreeze-thaw") == 1
    open_guest.check(f"touch {data}/yes && sync -f {data}/yes")


@pytest.mark.reeve
def test_a_guest_set_back_in_the_middle_of_a_request_answers_its_host_aright(open_guest, data, state_file):
    """As by a snapshot: memory and disks of before, a host that is further on."""
    disks = ["root.qcow2", "data.img"]
    boot = open_guest.boot_id()
    thread, told = slow_request(open_guest)
    open_guest.save(state_file)
    thread.join(60)
    assert isinstance(told[0], libvirt.libvirtError)
    for name in disks:
        subprocess.run(["cp", "--sparse=always", open_guest.folder / name, open_guest.folder / f"{name}.before"], check=True)

    open_guest.restore(state_file)
    assert_session_is_whole(open_guest)
    open_guest.check(f"touch {data}/of-another-life && sync -f {data}/of-another-life")
    later = agent.start(open_guest, agent.SHELL, "-c", "exit 3")
    assert agent.wait_for(open_guest, later)["exitcode"] == 3
    open_guest.destroy()
    for name in disks:
        shutil.move(open_guest.folder / f"{name}.before", open_guest.folder / name)

    open_guest.restore(state_file)
    assert_session_is_whole(open_guest)
    assert open_guest.boot_id() == boot
    assert open_guest.run(f"test -e {data}/of-another-life").status == 1
    with pytest.raises(libvirt.libvirtError, match=f"PID {later} does not exist"):
        open_guest.agent("guest-exec-status", pid=later)
    assert agent.run(open_guest, agent.SHELL, "-c", "exit 4")["exitcode"] == 4
    wait_until(lambda: not open_guest.run("pgrep -f '^sleep 6543'").out, guests.AGENT_LIMIT_S)
