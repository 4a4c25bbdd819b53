"""The Debian package: what it takes the place of, upgrades, and the way back. The last test removes it."""

import agent
import pytest
from guest import wait_until

pytestmark = pytest.mark.reeve


def main_pid(guest):
    return int(guest.check("systemctl show --property=MainPID --value reeved.service"))


def install_next(guest):
    return guest.check("dpkg --install /payload/reeve-next.deb 2>&1", timeout_s=120)


def reinstall_first(guest):
    guest.check("dpkg --force-downgrade --install /payload/reeve.deb 2>&1", timeout_s=120)
    guest.wait_for_agent()


def test_installing_names_the_line_that_opens_programs_and_files(installation):
    assert "profile: open" in installation and "/etc/reeve/policy.yaml" in installation


def test_it_took_the_place_of_qemu_guest_agent(guest):
    assert guest.run("dpkg-query -W -f '${db:Status-Status}' qemu-guest-agent").out != "installed"
    assert guest.check("readlink -f /usr/sbin/qemu-ga") == "/usr/sbin/reeved"
    assert guest.check("systemctl is-active qemu-guest-agent.service") == "active"
    assert guest.agent("guest-ping") == {}


def test_it_is_found_whole_by_dpkg(guest):
    assert guest.check("dpkg --verify reeve | grep -v /etc/reeve/policy.yaml || true") == ""


def test_an_upgrade_restarts_nothing_while_a_program_runs(guest):
    agent.set_policy(guest, agent.OPEN_POLICY)
    program = agent.start(guest, agent.SHELL, "-c", "while [ ! -e /run/go ]; do sleep 0.2; done; exit 7")
    before = main_pid(guest)
    said = install_next(guest)
    assert main_pid(guest) == before, said
    guest.check("touch /run/go")
    assert agent.wait_for(guest, program)["exitcode"] == 7
    guest.check("rm /run/go")
    reinstall_first(guest)


def test_an_upgrade_restarts_an_idle_agent(guest):
    agent.set_policy(guest, agent.OPEN_POLICY)
    before = main_pid(guest)
    install_next(guest)

    def another_runs():
        """a new reeved"""
        return main_pid(guest) not in (0, before)
    wait_until(another_runs, 30)
    guest.wait_for_agent()
    reinstall_first(guest)


def test_an_upgrade_keeps_the_administrators_policy(guest):
    policy = agent.OPEN_POLICY + "# mine\n"
    agent.set_policy(guest, policy)
    install_next(guest)
    assert guest.check("cat /etc/reeve/policy.yaml") == policy.rstrip("\n")
    reinstall_first(guest)


def test_qemu_guest_agent_comes_back_and_nothing_is_left(guest):
    said = guest.check("apt-get install -y qemu-guest-agent 2>&1", timeout_s=180)
    assert "Removing reeve" in said
    assert guest.run("pgrep -f '^[^ ]*reeve-(core|worker|log)|^[^ ]*reeved'").out == ""
    # Debian starts its agent with the device, which is there already.
    guest.check("systemctl start qemu-guest-agent.service")
    guest.wait_for_agent()
    assert guest.agent("guest-info")["version"].startswith("7.2")
    guest.check("dpkg --purge reeve 2>&1")
    left = guest.run("ls -d /etc/reeve /var/lib/reeve /run/reeve /etc/systemd/system/qemu-guest-agent.service")
    assert left.out == ""
