"""Hosts without libvirt: they talk to QEMU's socket of the agent's port themselves. What they change is changed in the guest."""

import base64
import hashlib
import os
import sys

import console
import pytest
from conftest import AGENT, ROOT
from guest import NAME

sys.path.insert(0, str(ROOT / "tests/support"))
import qga  # noqa: E402
import replayers  # noqa: E402

PORT = "/dev/virtio-ports/org.reeve.raw"
# An emulated guest; and none of these hosts is patient for ever.
LIMIT_S = 60
RECONNECTIONS = 100
CHANNELS = f"""schema: 1
channels:
  - {{name: host, transport: virtio-serial}}
  - {{name: raw, transport: virtio-serial, path: {PORT}}}
"""


def lines_of_76(data):
    """As MIME::Base64 writes it."""
    return base64.encodebytes(data).decode()


@pytest.fixture(scope="module")
def raw_guest(open_guest):
    """The agent serves the second port too: Reeve as another channel, qemu-ga as another process."""
    if AGENT == "reeve":
        kept = open_guest.check("cat /etc/reeve/reeve.yaml")
        open_guest.write("/etc/reeve/reeve.yaml", CHANNELS)
        open_guest.check("systemctl restart reeved.service", timeout_s=60)
        open_guest.wait_for_agent()
        yield open_guest
        open_guest.write("/etc/reeve/reeve.yaml", kept)
        open_guest.check("systemctl restart reeved.service", timeout_s=60)
        open_guest.wait_for_agent()
        return
    open_guest.check("mkdir -p /run/raw && systemd-run --quiet --collect --unit=raw-agent "
                     f"qemu-ga -m virtio-serial -p {PORT} -t /run/raw")
    yield open_guest
    open_guest.run("systemctl stop raw-agent")


@pytest.fixture
def proxmox(raw_guest):
    return replayers.Proxmox(lambda: qga.Client(raw_guest.folder / "raw.sock", LIMIT_S))


@pytest.mark.parametrize("command, kind", replayers.Proxmox.LOOKS.items())
def test_proxmox_looks(proxmox, command, kind):
    assert isinstance(proxmox.call(command), kind)


def test_proxmox_comes_back_at_once_a_hundred_times(proxmox):
    """The port may tell that it left only when its next request is there."""
    for _ in range(RECONNECTIONS):
        assert proxmox.call("guest-get-host-name") == {"host-name": "reeve-guest"}


def test_proxmox_freezes_and_thaws(raw_guest, data, proxmox):
    try:
        assert proxmox.freeze() == 2
        assert proxmox.call("guest-fsfreeze-thaw") == 2
    finally:
        raw_guest.virsh("domfsthaw", NAME)
    assert proxmox.call("guest-fsfreeze-status") == "thawed"
    raw_guest.check(f"touch {data}/thawed && sync -f {data}/thawed")


def test_proxmox_trims(raw_guest, data, proxmox):
    paths = {entry["path"] for entry in proxmox.call("guest-fstrim")["paths"]}
    assert paths == {"/", data}


def test_proxmox_sets_a_password(raw_guest, proxmox):
    password = "long enough for a second line of base64, as nobody would type it by hand: 0123456789"
    proxmox.call("guest-set-user-password", username="root", password=lines_of_76(password.encode()), crypted=False)
    with console.logged_in(raw_guest, "root", password) as session:
        assert session.run("id -un") == ["root"]


def test_proxmox_runs_a_program_with_input(proxmox):
    status = proxmox.run("/usr/bin/sha256sum", input_data=base64.b64encode(b"from the host").decode())
    assert status["exitcode"] == 0
    assert base64.b64decode(status["out-data"]).split()[0].decode() == hashlib.sha256(b"from the host").hexdigest()


def test_proxmox_writes_and_reads_a_file(raw_guest, proxmox):
    data = os.urandom(60 * 1024)
    handle = proxmox.call("guest-file-open", path="/root/by-proxmox", mode="wb")
    assert proxmox.call("guest-file-write", handle=handle, buf_b64=lines_of_76(data))["count"] == len(data)
    proxmox.call("guest-file-close", handle=handle)
    assert raw_guest.check("sha256sum /root/by-proxmox").split()[0] == hashlib.sha256(data).hexdigest()

    handle = proxmox.call("guest-file-open", path="/root/by-proxmox", mode="r")
    assert proxmox.call("guest-file-seek", handle=handle, offset=100, whence="set")["position"] == 100
    part = proxmox.call("guest-file-read", handle=handle, count=1 << 20)
    proxmox.call("guest-file-close", handle=handle)
    assert (base64.b64decode(part["buf-b64"]), part["eof"]) == (data[100:], True)


def test_a_request_of_a_mebibyte_comes_in_whole(raw_guest):
    """Through libvirt 9.0 it would not: from about 200 KiB on that sends the same bytes again and again, to any agent."""
    data = os.urandom(1 << 20)
    with qga.Client(raw_guest.folder / "raw.sock", LIMIT_S) as client:
        handle = client.call("guest-file-open", path="/root/at-once", mode="w")["return"]
        written = client.call("guest-file-write", handle=handle, buf_b64=base64.b64encode(data).decode())
        assert written == {"return": {"count": len(data), "eof": False}}
        client.call("guest-file-close", handle=handle)
    assert raw_guest.check("sha256sum /root/at-once").split()[0] == hashlib.sha256(data).hexdigest()


def test_kubevirt_takes_the_agent_for_supported(raw_guest):
    with qga.Client(raw_guest.folder / "raw.sock", LIMIT_S) as client:
        kubevirt = replayers.KubeVirt(client)
        assert kubevirt.enabled() >= (kubevirt.MANDATORY | kubevirt.FOR_KEYS | kubevirt.FOR_KEYS_BY_FILES |
                                      kubevirt.FOR_PASSWORDS)
        assert {(mount_point, kind) for _, mount_point, kind, *_ in kubevirt.file_systems()} >= {("/", "ext4")}
        assert kubevirt.probe("/bin/sh", "-c", "exit 5")["exitcode"] == 5


def test_cloudstack_freezes_and_thaws_through_libvirt(open_guest, data):
    cloudstack = replayers.CloudStack(open_guest.agent)
    assert cloudstack.is_there()
    assert cloudstack.freeze()
    assert cloudstack.thaw()


def test_vdsm_polls_through_libvirt(open_guest, data):
    """Its one call for all of it, and the two beside it."""
    told = open_guest.domain.guestInfo(0)
    assert {"os.id", "os.kernel-release", "timezone.name", "timezone.offset", "hostname", "user.count", "fs.count",
            "disk.count"} <= told.keys()
    systems = {told[f"fs.{number}.mountpoint"]: number for number in range(told["fs.count"])}
    assert told[f"fs.{systems[data]}.disk.0.serial"] == "REEVE-DATA"
    assert {"total-bytes", "used-bytes", "fstype"} <= {
        name.removeprefix(f"fs.{systems[data]}.") for name in told if name.startswith(f"fs.{systems[data]}.")}
    assert open_guest.domain.guestVcpus()["online"] == "0-1"
    source = 1  # VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
    assert "52:54:00:72:65:76" in {entry["hwaddr"] for entry in open_guest.domain.interfaceAddresses(source).values()}


def test_proxmox_shuts_down_without_an_answer(raw_guest, proxmox):
    proxmox.call_without_reply("guest-shutdown")
    raw_guest.start_again()
    raw_guest.wait_for_agent()
