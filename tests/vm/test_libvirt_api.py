"""libvirt's Python library, as management programs use it: each call that goes to the agent, held against the guest's own tools.
What virsh shows of the same is in test_virsh.py."""

import json
import time

import libvirt
import libvirt_qemu
import pytest
from test_virsh import CLERK, addresses_of, clerk, file_systems_of, logs_in_by_key, interface, keys, online_of  # noqa: F401

KINDS = {"users": libvirt.VIR_DOMAIN_GUEST_INFO_USERS, "os": libvirt.VIR_DOMAIN_GUEST_INFO_OS,
         "timezone": libvirt.VIR_DOMAIN_GUEST_INFO_TIMEZONE, "hostname": libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME,
         "filesystem": libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM, "disks": libvirt.VIR_DOMAIN_GUEST_INFO_DISKS,
         "interfaces": libvirt.VIR_DOMAIN_GUEST_INFO_INTERFACES}


def steady(info):
    """Without what changes while it is asked."""
    return {name: value for name, value in info.items() if not name.endswith("used-bytes")}


def test_each_kind_of_information_is_there_and_all_of_them_at_once(guest, data):
    apart = {}
    for kind, flag in KINDS.items():
        # A kind that is asked for by name and is not supported is an error.
        told = guest.domain.guestInfo(flag)
        assert told, kind
        apart.update(told)
    flags = 0
    for flag in KINDS.values():
        flags |= flag
    assert steady(guest.domain.guestInfo(flags)) == steady(apart)


def test_file_systems(guest, data):
    told = {mount_point: (name, kind, targets) for mount_point, name, kind, targets in guest.domain.fsInfo()}
    assert {path: (name, kind) for path, (name, kind, _) in told.items()} == file_systems_of(guest)
    assert (told["/"][2], told[data][2]) == (["vda"], ["vdc"])


def test_addresses_of_the_interfaces(guest, interface):  # noqa: F811
    told = guest.domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
    assert {name: (entry["hwaddr"], {f"{address['addr']}/{address['prefix']}" for address in entry["addrs"] or []})
            for name, entry in told.items()} == addresses_of(guest)
    families = {address["addr"]: address["type"] for entry in told.values() for address in entry["addrs"] or []}
    assert families["192.0.2.7"] == libvirt.VIR_IP_ADDR_TYPE_IPV4
    assert families["2001:db8::7"] == libvirt.VIR_IP_ADDR_TYPE_IPV6


def test_host_name(guest):
    assert guest.domain.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT) == guest.check("hostname")


def test_time_to_the_nanosecond(guest):
    before = int(guest.check("date +%s%N"))
    told = guest.domain.getTime()
    assert before <= told["seconds"] * 10**9 + told["nseconds"] <= int(guest.check("date +%s%N"))


def test_time_set_to_the_nanosecond_and_from_the_hardware_clock(guest):
    try:
        guest.domain.setTime({"seconds": 1_700_000_000, "nseconds": 999_000_000})
        assert 1_700_000_000_999_000_000 <= int(guest.check("date +%s%N")) < 1_700_000_600_000_000_000
        guest.check(f"hwclock -w -u && date --set=@{1_600_000_000}")
        guest.domain.setTime(flags=libvirt.VIR_DOMAIN_TIME_SYNC)
        # From the guest's hardware clock; libvirt has reset that to the host's where it can.
        assert int(guest.check("date +%s")) >= 1_700_000_000
    finally:
        guest.domain.setTime({"seconds": int(time.time()), "nseconds": 0})


def test_freeze_of_named_mount_points_counts_what_it_froze(guest, data):
    try:
        assert guest.domain.fsFreeze([data, "/no/such/place"]) == 1
        assert guest.agent("guest-fsfreeze-status") == "frozen"
        with pytest.raises(libvirt.libvirtError):
            guest.domain.fsFreeze()
    finally:
        thawed = guest.domain.fsThaw()
    assert thawed == 1
    assert guest.agent("guest-fsfreeze-status") == "thawed"
    guest.check(f"touch {data}/thawed && sync -f {data}/thawed")


def test_trim(guest, data):
    assert guest.domain.fSTrim(None, 0) == 0
    with pytest.raises(libvirt.libvirtError):
        guest.domain.fSTrim(data, 0)  # libvirt's own refusal: it has no such call for an agent
    assert guest.agent("guest-ping") == {}


def test_processors_by_name(guest):
    assert guest.domain.guestVcpus() == {"vcpus": "0-1", "online": "0-1", "offlinable": "1"}
    guest.domain.setGuestVcpus("1", 0)
    assert online_of(guest) == {0: True, 1: False}
    assert guest.domain.guestVcpus()["online"] == "0"
    assert guest.domain.vcpusFlags(libvirt.VIR_DOMAIN_VCPU_GUEST) == 1
    guest.domain.setGuestVcpus("1", 1)
    assert online_of(guest) == {0: True, 1: True}
    for absent in ("7", "0-9"):
        with pytest.raises(libvirt.libvirtError):
            guest.domain.setGuestVcpus(absent, 1)


def test_keys_are_listed_set_added_and_removed(guest, clerk, keys):  # noqa: F811
    guest.check(f"rm -rf ~{CLERK}/.ssh")
    append = libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND
    remove = libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE
    guest.domain.authorizedSSHKeysSet(CLERK, keys[:1], 0)
    assert guest.domain.authorizedSSHKeysGet(CLERK) == keys[:1]
    guest.domain.authorizedSSHKeysSet(CLERK, keys, append)
    assert sorted(guest.domain.authorizedSSHKeysGet(CLERK)) == sorted(keys)
    assert logs_in_by_key(guest, 2)
    guest.domain.authorizedSSHKeysSet(CLERK, keys[1:], remove)
    assert guest.domain.authorizedSSHKeysGet(CLERK) == keys[:1]
    assert logs_in_by_key(guest, 1) and not logs_in_by_key(guest, 2)
    # What is set takes the place of all that was there, so nothing is left.
    guest.domain.authorizedSSHKeysSet(CLERK, [], 0)
    assert guest.domain.authorizedSSHKeysGet(CLERK) == []
    assert not logs_in_by_key(guest, 1)


def test_password_that_is_encrypted_already(guest, clerk):  # noqa: F811
    secret = guest.check("perl -e 'print crypt(\"of the api\", \"\\$6\\$reeve\\$\")'")
    guest.domain.setUserPassword(CLERK, secret, libvirt.VIR_DOMAIN_PASSWORD_ENCRYPTED)
    assert guest.check(f"getent shadow {CLERK} | cut -d: -f2") == secret


# ---- requests as they are typed ----


def ask(guest, text, timeout_s=20):
    return json.loads(libvirt_qemu.qemuAgentCommand(guest.domain, text, timeout_s, 0))


def test_a_request_of_many_lines_is_one_request(guest):
    text = json.dumps({"execute": "guest-get-host-name", "arguments": {}}, indent=4)
    assert text.count("\n") > 2
    assert ask(guest, text)["return"] == {"host-name": guest.check("hostname")}
    assert ask(guest, text.replace("\n", "\r\n\t"))["return"] == {"host-name": guest.check("hostname")}
    assert ask(guest, '{"execute":"guest-ping"}') == {"return": {}}


@pytest.mark.parametrize("timeout_s", [libvirt_qemu.VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK,
                                       libvirt_qemu.VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT, 10])
def test_each_way_to_wait_gets_the_reply(guest, timeout_s):
    assert ask(guest, '{"execute":"guest-ping"}', timeout_s) == {"return": {}}


def test_who_does_not_wait_leaves_nothing_for_the_next(guest):
    """The reply that nobody waited for is not taken for that of the next command."""
    for _ in range(20):
        try:
            ask(guest, '{"execute":"guest-get-osinfo"}', libvirt_qemu.VIR_DOMAIN_QEMU_AGENT_COMMAND_NOWAIT)
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
        assert ask(guest, '{"execute":"guest-get-host-name"}')["return"] == {"host-name": "reeve-guest"}


def test_a_response_timeout_holds_for_what_comes_after(guest):
    pids = guest.check("pgrep -f '^[^ ]*(qemu-ga|reeved)|^reeve-'").split()
    guest.domain.agentSetResponseTimeout(2)
    try:
        guest.check(f"kill -STOP {' '.join(pids)}")
        begin = time.monotonic()
        with pytest.raises(libvirt.libvirtError) as caught:
            guest.domain.getTime()
        assert caught.value.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
        assert time.monotonic() - begin > 1.5
    finally:
        guest.check(f"kill -CONT {' '.join(pids)}")
        guest.domain.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
    guest.wait_for_agent()
    # What was asked meanwhile is answered to nobody.
    assert guest.domain.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT) == "reeve-guest"
