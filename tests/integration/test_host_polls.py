"""What hosts ask again and again while a guest runs, and what they must find in the answers. All of it only looks."""

import pytest

import replayers
from running_agent import connect
from side_by_side import agents

agent = agents(["reeve", "qemu-ga"])
# How often a host of little patience may be told nothing before it counts: other tests run beside this one.
TRIES = 5


@pytest.fixture
def proxmox(agent):
    return replayers.Proxmox(lambda: connect(agent))


@pytest.mark.parametrize("command, kind", replayers.Proxmox.LOOKS.items())
def test_proxmox_looks(proxmox, command, kind):
    assert isinstance(proxmox.call(command), kind)


def test_proxmox_shows_addresses(proxmox):
    interfaces = {entry["name"]: entry for entry in proxmox.call("guest-network-get-interfaces")}
    assert interfaces["lo"]["hardware-address"] == "00:00:00:00:00:00"
    (address,) = [address for address in interfaces["lo"]["ip-addresses"] if address["ip-address-type"] == "ipv4"]
    assert (address["ip-address"], address["prefix"]) == ("127.0.0.1", 8)


def test_proxmox_is_told_what_is_wrong_and_its_next_connection_is_clean(proxmox):
    assert proxmox.reply("guest-no-such-command")["error"]["class"] == "CommandNotFound"
    assert proxmox.call("guest-ping") == {}


@pytest.fixture
def kubevirt(agent):
    with connect(agent) as client:
        yield replayers.KubeVirt(client)


def test_kubevirt_polls(kubevirt):
    assert kubevirt.call("guest-fsfreeze-status") == "thawed"
    assert all(name and mount_point.startswith("/") and kind for name, mount_point, kind, *_ in kubevirt.file_systems())


# qemu-ga of Debian 12 knows neither load nor routes.
@pytest.mark.parametrize("command, members", replayers.KubeVirt.STATISTICS.items())
def test_kubevirt_takes_statistics(kubevirt, command, members):
    if command not in kubevirt.enabled():
        pytest.skip(f"this agent has no {command}")
    value = kubevirt.call(command)
    for entry in value if isinstance(value, list) else [value]:
        assert set(members) <= entry.keys()


def test_cloudstack_finds_the_agent_and_the_word_thawed(agent):
    with connect(agent) as client:
        cloudstack = replayers.CloudStack(lambda command, **arguments: replayers.value_of(client.call(command, **arguments)))
        assert cloudstack.is_there()
        assert cloudstack.status() == "thawed"


@pytest.fixture
def vdsm(agent):
    return replayers.Vdsm(lambda: connect(agent, replayers.Vdsm.PATIENCE_S))


def within_patience(vdsm, command):
    for left in reversed(range(TRIES)):
        try:
            return vdsm.call(command)
        except TimeoutError:
            if not left:
                raise


@pytest.mark.parametrize("command, members", replayers.Vdsm.POLL.items())
def test_vdsm_polls_within_its_patience(vdsm, command, members):
    if command not in vdsm.capabilities():
        pytest.skip(f"this agent has no {command}")
    value = within_patience(vdsm, command)
    for entry in value if isinstance(value, list) else [value]:
        assert set(members) <= entry.keys()
