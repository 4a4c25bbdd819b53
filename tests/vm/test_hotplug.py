"""Ports that come and go under a running agent."""

import os
import socket
import time

import guest as guests
import pytest

AGENT_CHANNEL = f"<channel type='unix'><target type='virtio' name='{guests.AGENT_PORT}'/></channel>"

LATE_PORT = "org.reeve.late"
# Their replies, 2 KiB each, are more than the agent and the port hold together.
MANY_REQUESTS = 20_000
LATE_UNIT = f"""[Service]
ExecStart=
ExecStart=/usr/sbin/reeved --method virtio-serial --path /dev/virtio-ports/{LATE_PORT}
"""


def agent_channel_of(guest):
    """The channel as libvirt numbers it, which detaching needs."""
    xml = guest.xml()
    for part in xml.split("<channel ")[1:]:
        part = "<channel " + part.split("</channel>")[0] + "</channel>"
        if guests.AGENT_PORT in part:
            return part
    raise AssertionError(xml)


def test_the_agent_answers_again_after_its_port_was_away(open_guest):
    open_guest.detach(agent_channel_of(open_guest))
    open_guest.wait_for_no_agent()
    # Long enough that the guest's service manager has seen it go.
    open_guest.check(f"timeout 30 sh -c 'while [ -e /dev/virtio-ports/{guests.AGENT_PORT} ]; do sleep 0.5; done; sleep 2'")
    open_guest.attach(AGENT_CHANNEL)
    open_guest.wait_for_agent()


@pytest.fixture(scope="module")
def late_port(open_guest):
    """A port that comes when the agent has long been waiting for it; the path of its host side, where nobody is yet."""
    open_guest.check("mkdir -p /etc/systemd/system/reeved.service.d")
    open_guest.write("/etc/systemd/system/reeved.service.d/late.conf", LATE_UNIT)
    # It starts, and is ready, without its device.
    open_guest.check("systemctl daemon-reload && systemctl restart reeved.service", timeout_s=60)
    path = open_guest.folder / "late.sock"
    channel = (f"<channel type='unix'><source mode='bind' path='{path}'/>"
               f"<target type='virtio' name='{LATE_PORT}'/></channel>")
    open_guest.attach(channel)
    yield path
    open_guest.detach(channel)
    open_guest.check("rm -r /etc/systemd/system/reeved.service.d && systemctl daemon-reload && "
                     "systemctl restart reeved.service", timeout_s=60)
    open_guest.wait_for_agent()


def host_side(path):
    host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    host.settimeout(guests.AGENT_LIMIT_S)
    host.connect(os.fspath(path))
    return host


@pytest.mark.reeve
def test_a_port_that_appears_late_is_served(late_port):
    with host_side(late_port) as host:
        host.sendall(b'{"execute":"guest-ping"}\n')
        assert host.makefile("rb").readline() == b'{"return": {}}\n'


@pytest.mark.reeve
def test_half_a_request_dies_with_the_host_that_sent_it(late_port):
    with host_side(late_port) as host:
        host.sendall(b'{"execute":"guest-pi')
    time.sleep(3)  # it lives for 1 s without growth: the port may show the hang-up after the next one's first bytes
    with host_side(late_port) as host:
        host.sendall(b'{"execute":"guest-ping"}\n')
        assert host.makefile("rb").readline() == b'{"return": {}}\n'


@pytest.mark.reeve
def test_a_host_that_does_not_read_keeps_the_next_one_from_nothing(open_guest, late_port):
    with host_side(late_port) as host:
        host.setblocking(False)
        sent = 0
        try:
            while sent < MANY_REQUESTS:
                host.send(b'{"execute":"guest-info"}\n')
                sent += 1
        except BlockingIOError:
            pass  # the agent reads no further: that is the point
        time.sleep(3)
        before = cpu_ticks(open_guest)
        time.sleep(3)
        spent = cpu_ticks(open_guest) - before
    with host_side(late_port) as host:
        host.sendall(b'\xff{"execute":"guest-sync-delimited","arguments":{"id":4711}}\n{"execute":"guest-ping"}\n')
        replies = host.makefile("rb")
        while not replies.readline().endswith(b'\xff{"return": 4711}\n'):
            pass
        assert replies.readline() == b'{"return": {}}\n'
    assert sent > 10
    assert spent < 100, f"the core span for {spent} ticks of 300 while nobody read"


def cpu_ticks(guest):
    return int(guest.check("awk '{print $14 + $15}' /proc/$(pidof reeve-core)/stat"))
