"""The confinements of programs on Debian's kernel, and the limits of control groups, which a build machine may lack."""

import signal

import agent
import confinements
import pytest
from guest import wait_until

pytestmark = pytest.mark.reeve

PROBE = "/usr/local/bin/probe"
TIMEOUT_S = 30
LIMITED = ["readonly", "readonly-root", "sandboxed"]
TASKS = 64
MEMORY_BYTES = 256 << 20
MORE_THAN_TASKS = TASKS + 6
GROUP = "/sys/fs/cgroup/system.slice/reeved.service"
ALLOCATE = "exec dd if=/dev/zero of=/dev/null bs=300M count=1 status=none"


@pytest.fixture(scope="module")
def confined(guest):
    guest.check(f"install -m 0755 /payload/confinement-probe {PROBE}")
    agent.set_policy(guest, confinements.policy(PROBE, TIMEOUT_S))
    return guest


def leaves(guest):
    return guest.run(f"cd {GROUP} && ls -d reeve-*").out.split()


def shell(guest, profile, script):
    return agent.start(guest, "/usr/bin/bash", "-c", script, profile, capture=True)


def run(guest, profile, script):
    status = agent.wait_for(guest, shell(guest, profile, script))
    return status.get("exitcode"), status.get("out-data", b"").decode(), status.get("err-data", b"").decode()


def wait_for_no_leaf(guest):
    def no_leaf_is_left():
        """the end of all leaves"""
        # A leaf is removed when its program was reaped, or when the next one starts.
        run(guest, "unconfined", "true")
        return not leaves(guest)
    wait_until(no_leaf_is_left, 30)


@pytest.mark.parametrize("profile", confinements.EXPECTED)
def test_profile_is_what_its_table_says(confined, profile):
    status = agent.run(confined, PROBE, profile)
    assert status["exitcode"] == 0, status
    found = confinements.parse(status["out-data"].decode())
    own = int(confined.check("sed -n 's/^CapBnd:\t//p' /proc/1/status"), 16)
    wrong = confinements.differences(found, profile, own_capabilities=own)
    assert not wrong, (profile, wrong, found)


def test_warden_stands_in_a_leaf_and_the_service_hands_out_limits(confined):
    pid = confined.check("systemctl show --property=MainPID --value reeved.service")
    assert confined.check(f"cat /proc/{pid}/cgroup").endswith("/system.slice/reeved.service/reeved")
    assert set(confined.check(f"cat {GROUP}/cgroup.subtree_control").split()) == {"memory", "pids"}
    assert confined.check(f"cat {GROUP}/cgroup.procs") == ""
    assert "do not hold" not in confined.check(f"journalctl _PID={pid} --no-pager -o cat")
    status = confined.check("systemctl status reeved.service --no-pager")
    assert "active (running)" in status and "reeve-core" in status, status


@pytest.mark.parametrize("profile", confinements.EXPECTED)
def test_leaf_has_the_limits_of_its_confinement_and_goes_with_its_program(confined, profile):
    wait_for_no_leaf(confined)
    pid = shell(confined, profile, "sleep 100; exit 0")
    (leaf,) = leaves(confined)
    limits = confined.check(f"cd {GROUP}/{leaf} && cat memory.max pids.max").split()
    assert limits == ([str(MEMORY_BYTES), str(TASKS)] if profile in LIMITED else ["max", "max"])
    confined.check(f"echo 1 >{GROUP}/{leaf}/cgroup.kill")
    assert agent.wait_for(confined, pid)["signal"] == signal.SIGKILL
    wait_for_no_leaf(confined)


@pytest.mark.parametrize("profile", ["readonly", "readonly-root"])
def test_program_above_its_memory_is_ended_and_others_live(confined, profile):
    other = shell(confined, profile, "sleep 15; echo lives")
    status = agent.wait_for(confined, shell(confined, profile, ALLOCATE))
    assert status.get("signal") == signal.SIGKILL, status
    assert agent.wait_for(confined, other)["out-data"] == b"lives\n"
    assert run(confined, "unconfined", ALLOCATE) == (0, "", "")


@pytest.mark.parametrize("profile", LIMITED)
def test_program_above_its_tasks_cannot_fork(confined, profile):
    # All of them at one time, however slow the guest forks; what is left of them ends with the program.
    code, out, err = run(confined, profile, f"for i in $(seq {MORE_THAN_TASKS}); do sleep 100 & done; exit 0")
    assert "Resource temporarily unavailable" in out + err, (code, out, err)
    assert run(confined, "unconfined", f"for i in $(seq {MORE_THAN_TASKS}); do sleep 10 & done; wait; echo all")[1:] == ("all\n", "")


@pytest.mark.parametrize("profile", ["unconfined", *LIMITED])
def test_daemonised_grandchild_ends_with_its_deadline_or_its_program(confined, profile):
    pid = agent.start(confined, "/usr/bin/dash", "-c", "setsid sleep 6543 & sleep 6544", profile)

    def both_sleep():
        """both processes of the program"""
        return len(confined.run("pgrep -f '^sleep 654[34]'").out.split()) == 2
    wait_until(both_sleep, TIMEOUT_S - 10)
    assert agent.wait_for(confined, pid)["signal"] in (signal.SIGTERM, signal.SIGKILL)

    def nothing_sleeps():
        """the end of the grandchild"""
        return confined.run("pgrep -f '^sleep 654[34]'").out == ""
    wait_until(nothing_sleeps, 30)
    wait_for_no_leaf(confined)


def test_stop_ends_all_and_the_next_start_is_let_in(confined):
    shell(confined, "unconfined", "setsid sleep 6545 & sleep 6545")
    for how in ("systemctl stop reeved.service; systemctl start reeved.service",
                "kill -KILL $(systemctl show --property=MainPID --value reeved.service)"):
        before = confined.check("systemctl show --property=MainPID --value reeved.service")
        confined.check(how, timeout_s=90)

        def another_warden_runs():
            """a new reeved"""
            return confined.run("systemctl show --property=MainPID --value reeved.service").out.strip() not in ("0", before)
        wait_until(another_warden_runs, 60)
        confined.wait_for_agent()
        assert confined.run("pgrep -f '^sleep 6545'").out == ""
        shell(confined, "unconfined", "setsid sleep 6545 & sleep 6545")
    confined.check("systemctl restart reeved.service", timeout_s=60)


# Writes to a frozen file system, which no signal ends.
STUCK = """truncate -s 32M /run/stuck.img && mkfs.ext4 -q /run/stuck.img && mkdir -p /run/stuck &&
mount -o loop /run/stuck.img /run/stuck && fsfreeze -f /run/stuck"""


def test_next_warden_is_let_in_beside_what_cannot_be_killed(confined):
    confined.check("mkdir -p /run/systemd/system/reeved.service.d && "
                   "printf '[Service]\\nTimeoutStopSec=2s\\n' >/run/systemd/system/reeved.service.d/test.conf && "
                   "systemctl daemon-reload")
    confined.check(STUCK)
    try:
        shell(confined, "unconfined", "echo x >/run/stuck/file")
        before = confined.check("systemctl show --property=MainPID --value reeved.service")
        wait_until(lambda: "D" in confined.run("ps -e -o stat=,args= | grep 'stuck/fil[e]'").out, 20)
        confined.check(f"kill -KILL {before}")

        def another_warden_runs():
            """a new reeved"""
            return confined.run("systemctl show --property=MainPID --value reeved.service").out.strip() not in ("0", before)
        wait_until(another_warden_runs, 60)
        confined.wait_for_agent()
    finally:
        confined.check("fsfreeze -u /run/stuck; umount /run/stuck || umount -l /run/stuck; rm -f /run/stuck.img "
                       "/run/systemd/system/reeved.service.d/test.conf; systemctl daemon-reload")
