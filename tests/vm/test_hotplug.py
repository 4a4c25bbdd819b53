"""Ports that come and go under a running agent."""

import os
import socket

import agent
import guest as guests
import pytest

AGENT_CHANNEL = f"<channel type='unix'><target type='virtio' name='{guests.AGENT_PORT}'/></channel>"

LATE_PORT = "org.reeve.late"
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


@pytest.mark.reeve
def test_a_port_that_appears_late_is_served(open_guest):
    open_guest.check("mkdir -p /etc/systemd/system/reeved.service.d")
    open_guest.write("/etc/systemd/system/reeved.service.d/late.conf", LATE_UNIT)
    # It starts, and is ready, without its device.
    open_guest.check("systemctl daemon-reload && systemctl restart reeved.service", timeout_s=60)
    path = open_guest.folder / "late.sock"
    channel = (f"<channel type='unix'><source mode='bind' path='{path}'/>"
               f"<target type='virtio' name='{LATE_PORT}'/></channel>")
    open_guest.attach(channel)
    try:
        assert ping(path) == b'{"return": {}}\n'
    finally:
        open_guest.detach(channel)
        open_guest.check("rm -r /etc/systemd/system/reeved.service.d && systemctl daemon-reload && "
                         "systemctl restart reeved.service", timeout_s=60)
        open_guest.wait_for_agent()


def ping(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
        host.settimeout(guests.AGENT_LIMIT_S)
        host.connect(os.fspath(path))
        host.sendall(b'{"execute":"guest-ping"}\n')
        return host.makefile("rb").readline()
