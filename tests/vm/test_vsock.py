"""vsock-listen, over the guest's own vsock loopback: the kernel's module for it is in Debian's kernel, not on every machine."""

import json

import pytest

UNIT = """[Service]
ExecStart=
ExecStart=/usr/sbin/qemu-ga -m vsock-listen -p -1:1234
"""
POLICY = """schema: 1
profile: open
audit: {sink: ["file:/var/log/reeve-audit.log"], decisions: all}
"""
# sockaddr_vm: family 40, a reserved word, port, CID, and four bytes of nothing.
TALK = r"""perl -e '
    socket(my $to, 40, 1, 0) or die "socket: $!";
    connect($to, pack("SSLLx4", 40, 0, 1234, 1)) or die "connect: $!";
    syswrite($to, $ARGV[0] . "\n") or die "write: $!";
    print scalar readline($to);' -- """


@pytest.fixture
def vsock_guest(open_guest):
    loaded = open_guest.run("modprobe vsock_loopback")
    if loaded.status != 0:
        pytest.skip(f"this guest's kernel has no vsock loopback: {loaded.err}")
    open_guest.check("mkdir -p /etc/systemd/system/reeved.service.d")
    open_guest.write("/etc/systemd/system/reeved.service.d/vsock.conf", UNIT)
    open_guest.write("/etc/reeve/policy.yaml", POLICY)
    open_guest.check("systemctl daemon-reload && systemctl restart reeved.service", timeout_s=60)
    yield open_guest
    open_guest.check("rm -r /etc/systemd/system/reeved.service.d && systemctl daemon-reload && "
                     "systemctl restart reeved.service", timeout_s=60)
    open_guest.wait_for_agent()


def call(guest, command, **arguments):
    request = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(guest.check(f"{TALK}'{request}'"))


@pytest.mark.reeve
def test_vsock_is_served_at_any_cid_and_its_peer_is_known(vsock_guest):
    assert call(vsock_guest, "guest-ping") == {"return": {}}
    assert "pid" in call(vsock_guest, "guest-exec", path="/bin/true")["return"]
    # One connection after the other, and what it came from: CID 1 is the loopback.
    lines = vsock_guest.check("grep guest-exec /var/log/reeve-audit.log").splitlines()
    assert "vsock cid 1" in lines[-1], lines
