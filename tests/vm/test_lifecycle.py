"""Deaths and restarts under a host that is connected: the host gets its agent back, and nothing is orphaned."""

import agent
import guest as guests
import pytest
from guest import wait_until

pytestmark = pytest.mark.reeve

# What an emulated program takes to be seen by pgrep, and more.
SOON_S = 30
VICTIMS = {"core": "^reeve-core", "worker of exec": "^reeve-worker exec", "worker of file": "^reeve-worker file",
           "warden": "^/usr/sbin/reeved"}


def pids_of(guest, pattern):
    return [int(word) for word in guest.run(f"pgrep -f '{pattern}'").out.split()]


def sleepers(guest):
    return guest.run("pgrep -f '^sleep 543[12]'").out.split()


@pytest.fixture
def busy_guest(open_guest):
    """A program with a daemon of its own runs, and a file is open."""
    open_guest.program = agent.start(open_guest, agent.SHELL, "-c", "(setsid sleep 5432 &) ; sleep 5431")
    open_guest.handle = open_guest.agent("guest-file-open", path="/tmp/reeve-held", mode="w")

    def both_sleep():
        """both processes of the program"""
        return len(sleepers(open_guest)) == 2
    wait_until(both_sleep, SOON_S)
    yield open_guest
    open_guest.check("systemctl restart reeved.service", timeout_s=60)
    open_guest.wait_for_agent()


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_is_killed_the_host_gets_its_agent_back_and_a_restart_leaves_no_orphan(busy_guest, victim):
    before = pids_of(busy_guest, "^reeve-|^/usr/sbin/reeved")
    killed = pids_of(busy_guest, VICTIMS[victim])
    assert len(killed) == 1
    busy_guest.check(f"kill -KILL {killed[0]}")
    busy_guest.wait_for_agent()
    assert agent.run(busy_guest, agent.SHELL, "-c", "echo alive")["out-data"] == b"alive\n"
    agent.write_file(busy_guest, "/tmp/reeve-again", b"alive")
    assert killed[0] not in pids_of(busy_guest, VICTIMS[victim])

    busy_guest.check("systemctl restart reeved.service", timeout_s=60)
    busy_guest.wait_for_agent()
    assert not set(before) & set(pids_of(busy_guest, "^reeve-|^/usr/sbin/reeved"))

    def nobody_sleeps():
        """the end of the program and of its daemon"""
        return not sleepers(busy_guest)
    wait_until(nobody_sleeps, SOON_S)


def test_a_worker_that_is_killed_costs_only_what_it_held(busy_guest):
    busy_guest.check(f"kill -KILL {pids_of(busy_guest, VICTIMS['worker of exec'])[0]}")
    # The file is another worker's.
    assert busy_guest.agent("guest-file-seek", handle=busy_guest.handle, offset=0, whence=0)["position"] == 0
    with pytest.raises(guests.libvirt.libvirtError, match=f"PID {busy_guest.program} does not exist"):
        busy_guest.agent("guest-exec-status", pid=busy_guest.program)


def test_the_agent_answers_again_after_a_hard_reset(open_guest):
    open_guest.check("sync")
    boot = open_guest.boot_id()
    assert open_guest.virsh("reset", "reeve-guest").returncode == 0
    open_guest.wait_for_another_boot(boot)
