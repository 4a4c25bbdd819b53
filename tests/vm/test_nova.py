"""The five calls of OpenStack's nova through libvirt's Python library, and the errors by which it tells what went wrong."""

import time

import agent
import console
import libvirt
import pytest

from conftest import AGENT

SNAPSHOT = """<domainsnapshot><disks>
  <disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/>
  <disk name='vdc' snapshot='external'><source file='{}'/></disk>
</disks></domainsnapshot>"""
QUIESCED = (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA |
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE)

REFUSED = ["guest-fsfreeze-freeze", "guest-set-time", "guest-set-user-password"]
REFUSING_POLICY = f"schema: 1\nprofile: standard\ncommands: {{deny: [{', '.join(REFUSED)}]}}\n"
REFUSING_UNIT = f"""[Service]
ExecStart=
ExecStart=/usr/sbin/qemu-ga -b {','.join(REFUSED)}
"""
UNIT = "reeved.service" if AGENT == "reeve" else "qemu-guest-agent.service"


def quiesced_snapshot(guest):
    guest.domain.snapshotCreateXML(SNAPSHOT.format(guest.folder / "nova.qcow2"), QUIESCED)


CALLS = {
    "fsFreeze": lambda guest: guest.domain.fsFreeze(),
    "setTime": lambda guest: guest.domain.setTime({"seconds": int(time.time()), "nseconds": 0}),
    "setUserPassword": lambda guest: guest.domain.setUserPassword("root", "of nova", 0),
    "snapshot": quiesced_snapshot,
}
# Which no policy refuses.
THAW = {"fsThaw": lambda guest: guest.domain.fsThaw()}


def test_freeze_and_thaw(guest, data):
    assert guest.domain.fsFreeze() == 2
    assert guest.domain.fsThaw() == 2


def test_set_time(guest):
    guest.check("date --set=2001-01-01")
    now = int(time.time())
    guest.domain.setTime({"seconds": now, "nseconds": 0})
    assert 0 <= int(guest.check("date +%s")) - now < 600


def test_set_the_administrators_password(guest):
    guest.domain.setUserPassword("root", "of nova", 0)
    with console.logged_in(guest, "root", "of nova") as session:
        assert session.run("id -u") == ["0"]


def test_snapshot_of_a_quiet_guest(guest, data):
    quiesced_snapshot(guest)
    guest.on_host("blockcommit", "vdc", "--active", "--pivot", "--wait", timeout_s=120)
    (guest.folder / "nova.qcow2").unlink()
    assert guest.agent("guest-fsfreeze-status") == "thawed"


def code_of(guest, call):
    with pytest.raises(libvirt.libvirtError) as caught:
        (CALLS | THAW)[call](guest)
    return caught.value


@pytest.fixture(scope="module")
def guest_without_agent(guest):
    guest.check(f"systemctl stop {UNIT}")
    guest.wait_for_no_agent()
    yield guest
    guest.check(f"systemctl start {UNIT}")
    guest.wait_for_agent()


@pytest.mark.parametrize("call", CALLS | THAW)
def test_without_an_agent_it_is_told_that_none_answers(guest_without_agent, call):
    error = code_of(guest_without_agent, call)
    assert error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE == 86


@pytest.fixture(scope="module")
def refusing_guest(guest):
    """A guest whose administrator wants none of this."""
    if AGENT == "reeve":
        agent.set_policy(guest, REFUSING_POLICY)
        yield guest
        agent.set_policy(guest, agent.OPEN_POLICY)
        return
    folder = f"/etc/systemd/system/{UNIT}.d"
    guest.check(f"mkdir -p {folder}")
    guest.write(f"{folder}/refuse.conf", REFUSING_UNIT)
    guest.check(f"systemctl daemon-reload && systemctl restart {UNIT}")
    guest.wait_for_agent()
    yield guest
    guest.check(f"rm -r {folder}; systemctl daemon-reload && systemctl restart {UNIT}")
    guest.wait_for_agent()


@pytest.mark.parametrize("call", CALLS)
def test_a_refusal_is_told_as_one(refusing_guest, call):
    error = code_of(refusing_guest, call)
    # libvirt's code for an error that an agent told. Nova goes on without the agent at the others that it knows: unresponsive,
    # operation unsupported, argument unsupported.
    assert error.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR == 1
    assert "has been disabled" in str(error)
    if AGENT == "reeve":
        assert "/etc/reeve/policy.yaml:3" in str(error)


def test_a_thaw_is_refused_by_nobody(refusing_guest):
    assert refusing_guest.domain.fsThaw() == 0
