"""How Reeve's processes are shut in on this kernel, and that nothing they start outlives what it should."""

import agent
import pytest
from guest import wait_until

pytestmark = pytest.mark.reeve

# The reserved range that Reeve takes its workers' numbers from.
UIDS = range(78000, 78256)
NAMESPACES = ("mnt", "net", "ipc", "uts")


def pids_of(guest, program):
    return [int(word) for word in guest.run(f"pgrep -f '^[^ ]*{program}'").out.split()]


def warden_pid(guest):
    return int(guest.check("systemctl show --property=MainPID --value reeved.service"))


def status_of(guest, pid):
    lines = guest.check(f"cat /proc/{pid}/status").splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def namespace_of(guest, pid, name):
    return guest.check(f"readlink /proc/{pid}/ns/{name}")


def start_each_worker(guest):
    """A worker starts with the first command for it."""
    agent.run(guest, "/bin/true")
    guest.agent("guest-file-close", handle=guest.agent("guest-file-open", path="/etc/hostname"))


@pytest.fixture(scope="module")
def confined(open_guest):
    """The processes that are to be confined, by what they are."""
    start_each_worker(open_guest)
    return {"core": pids_of(open_guest, "reeve-core"), "workers": pids_of(open_guest, "reeve-worker")}


def test_core_and_both_workers_run(confined):
    assert (len(confined["core"]), len(confined["workers"])) == (1, 2)


def test_no_confined_process_is_root_or_could_be_again(open_guest, confined):
    for pid in confined["core"] + confined["workers"]:
        status = status_of(open_guest, pid)
        assert {int(uid) for uid in status["Uid"]} <= set(UIDS), status
        assert {int(gid) for gid in status["Gid"]} <= set(UIDS), status
        assert status["Groups"] == [], status
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[capabilities][0], 16) == 0, (capabilities, status)
        assert status["NoNewPrivs"] == ["1"], status


def test_each_confined_process_filters_its_system_calls(open_guest, confined):
    for pid in confined["core"] + confined["workers"]:
        status = status_of(open_guest, pid)
        # 2 is a filter; a worker stacks its run filter on its load filter.
        assert status["Seccomp"] == ["2"], status
    for pid in confined["workers"]:
        assert int(status_of(open_guest, pid)["Seccomp_filters"][0]) >= 2


def test_no_two_confined_processes_share_a_uid(open_guest, confined):
    uids = [status_of(open_guest, pid)["Uid"][0] for pid in confined["core"] + confined["workers"]]
    assert len(set(uids)) == len(uids)


def test_each_confined_process_stands_in_namespaces_of_its_own(open_guest, confined):
    for name in NAMESPACES:
        of_warden = namespace_of(open_guest, warden_pid(open_guest), name)
        own = [namespace_of(open_guest, pid, name) for pid in confined["core"] + confined["workers"]]
        assert of_warden not in own, name


def test_a_worker_holds_no_directory_and_no_socket_but_its_own(open_guest, confined):
    for pid in confined["workers"]:
        links = open_guest.check(f"cd /proc/{pid}/fd && for fd in *; do readlink $fd; done").splitlines()
        for link in links:
            assert not link.startswith("/") or link == "/dev/null", links


def test_landlock_of_this_kernel_is_level_two(open_guest):
    """Debian 12's own kernel: the sandbox is complete on it, not only on the kernel that Reeve was built on."""
    assert int(open_guest.check("/payload/reeve-probe landlock-level")) == 2


DAEMONISER = """#!/bin/sh
# Leaves a grandchild in a session of its own, whose parent is gone: no process group reaches it.
( setsid sleep 9876 & )
exec sleep 9875
"""

DAEMONISER_POLICY = """schema: 1
profile: standard
exec:
  rules:
    daemoniser:
      run: /usr/local/bin/daemoniser
      as: nobody
      confine: service
      timeout: 5s
      reason: shows that nothing outlives its deadline
"""


def test_a_daemonised_grandchild_dies_at_the_deadline(guest):
    guest.write("/usr/local/bin/daemoniser", DAEMONISER)
    guest.check("chmod 0755 /usr/local/bin/daemoniser")
    agent.set_policy(guest, DAEMONISER_POLICY)
    pid = agent.start(guest, "/usr/local/bin/daemoniser")

    def both_sleep():
        """both processes of the program"""
        return len(guest.run("pgrep -f '^sleep 987[56]'").out.split()) == 2
    wait_until(both_sleep, 30)

    status = agent.wait_for(guest, pid)
    assert status["signal"] in (9, 15), status

    def nothing_sleeps():
        """the end of the grandchild"""
        return guest.run("pgrep -f '^sleep 987[56]'").out == ""
    wait_until(nothing_sleeps, 30)


def test_a_program_without_a_rule_is_refused_by_name_file_and_line(guest):
    agent.set_policy(guest, DAEMONISER_POLICY)
    done = guest.virsh("qemu-agent-command", "reeve-guest",
                       '{"execute":"guest-exec","arguments":{"path":"/usr/bin/id"}}')
    assert done.returncode != 0
    assert "policy" in done.stderr and "/etc/reeve/policy.yaml:" in done.stderr


def test_a_broken_policy_leaves_the_last_good_one_in_force(guest):
    agent.set_policy(guest, DAEMONISER_POLICY)
    agent.set_policy(guest, "schema: 1\nprofil: open\n")
    done = guest.virsh("qemu-agent-command", "reeve-guest",
                       '{"execute":"guest-exec","arguments":{"path":"/usr/bin/id"}}')
    assert done.returncode != 0
    agent.start(guest, "/usr/local/bin/daemoniser")
    journal = guest.check("journalctl -u reeved.service --no-pager")
    assert "/etc/reeve/policy.yaml:2:" in journal and "profile" in journal


def test_a_restart_leaves_no_orphan(guest):
    agent.set_policy(guest, agent.OPEN_POLICY)
    agent.start(guest, agent.SHELL, "-c", "(setsid sleep 8765 &) ; sleep 8764")
    start_each_worker(guest)
    before = pids_of(guest, "reeve")
    guest.check("systemctl restart reeved.service", timeout_s=60)
    guest.wait_for_agent()
    assert not set(before) & set(pids_of(guest, "reeve"))
    assert guest.run("pgrep -f '^sleep 876'").out == ""


def test_a_killed_core_is_replaced(guest):
    agent.set_policy(guest, agent.OPEN_POLICY)
    core = pids_of(guest, "reeve-core")
    warden = warden_pid(guest)
    guest.check(f"kill -KILL {core[0]}")
    guest.wait_for_agent()
    assert warden_pid(guest) == warden
    assert pids_of(guest, "reeve-core") != core


def test_a_killed_warden_takes_all_with_it_and_is_started_anew(guest):
    agent.set_policy(guest, agent.OPEN_POLICY)
    agent.start(guest, "/bin/sleep", "7654")
    before = pids_of(guest, "reeve")
    guest.check(f"kill -KILL {warden_pid(guest)}")

    def another_warden_runs():
        """a new reeved"""
        return warden_pid(guest) not in (0, *before)
    wait_until(another_warden_runs, 30)
    guest.wait_for_agent()
    assert not set(before) & set(pids_of(guest, "reeve"))
