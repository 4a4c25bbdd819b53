"""guest-get-disks and guest-get-fsinfo, held against Debian's qemu-ga on the same machine, field by field, and against the
machine itself. Mounts are made in a mount namespace of the test's own, in which both agents run; nothing is ever frozen."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from prometheus_client.openmetrics import parser

from private_place import PrivatePlace, crowd_of_mounts, image
from running_agent import QEMU_GA, connect, start_qemu_ga, start_reeve
from side_by_side import value_of

MOUNTS = 500
# A machine may be so busy that a request which waits for nothing takes longer than one that waits for a dead mount.
ROUNDS = 6


@pytest.fixture(scope="module")
def mounts():
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    private = PrivatePlace()
    yield private
    private.end()


@pytest.fixture(scope="module")
def folder(mounts):
    path = pathlib.Path(tempfile.mkdtemp(prefix="reeve-storage-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def running(name, folder, mounts, request):
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    directory.chmod(0o755)
    if name == "qemu-ga":
        if not os.access(QEMU_GA, os.X_OK):
            pytest.skip("no qemu-ga here to compare with")
        return start_qemu_ga(directory, within=mounts.within)
    return start_reeve(directory, request.getfixturevalue("reeve_install"), within=mounts.within)


@pytest.fixture(scope="module")
def reeve(folder, mounts, request):
    agent = running("reeve", folder, mounts, request)
    yield agent
    agent.stop()


@pytest.fixture(scope="module")
def qemu_ga(folder, mounts, request):
    agent = running("qemu-ga", folder, mounts, request)
    yield agent
    agent.stop()


def ask(agent, command):
    with connect(agent) as client:
        return value_of(client.call(command))


def without_serials(address):
    """Where no udev runs qemu-ga knows no serial number; Reeve takes the kernel's."""
    return {key: value for key, value in address.items() if key != "serial"}


def comparable(infos):
    """Of both: each file system once, by its oldest mount, as qemu-ga tells it since 9.0; 7.2 told bind mounts too. Without
    the total that came with 9.1."""
    oldest = {info["name"]: info for info in infos}
    infos = [info for info in infos if info is oldest[info["name"]]]
    for info in infos:
        info.pop("total-bytes-privileged", None)
        # The machine is not at rest, and neither are its own disks.
        if info["mountpoint"] == "/":
            info.pop("used-bytes"), info.pop("total-bytes")
        info["disk"] = [without_serials(disk) for disk in info["disk"]]
    return infos


def comparable_disks(disks):
    for disk in disks:
        if "address" in disk:
            disk["address"] = without_serials(disk["address"])
    return disks


@pytest.fixture(scope="module")
def loop_mounts(folder, mounts):
    """ext4 on a loop at a path with odd characters, the same bound to another, and file systems without a disk."""
    device = mounts.loop(image(folder / "ext4.img", "ext4"))
    place = folder / "tree"
    mounts.shell(f"""
        mkdir -p '{place}/a b' {place}/bound {place}/memory {place}/closed/below {place}/upper {place}/work {place}/merged
        mount {device} '{place}/a b'
        mount --bind '{place}/a b' {place}/bound
        mount -t tmpfs none {place}/memory
        mount -t overlay none -o lowerdir=/usr,upperdir={place}/memory/u,workdir={place}/memory/w {place}/merged || true
    """)
    return device, place


def test_file_systems_are_told_as_qemu_ga_tells_them_in_its_order(reeve, qemu_ga, loop_mounts):
    device, place = loop_mounts
    ours, theirs = ask(reeve, "guest-get-fsinfo"), ask(qemu_ga, "guest-get-fsinfo")
    assert comparable(ours) == comparable(theirs)
    assert [info["mountpoint"] for info in ours][0] == f"{place}/a b", "the last mounted is first"
    assert ours[0]["name"] == pathlib.Path(device).name
    assert ours[0]["type"] == "ext4"
    assert ours[0]["disk"] == []


ODD_NAMES = [b"a b", b" begins", b"ends ", b"tab\there", b"line\nfeed", b"back\\slash", b"\\040", b"hash#", b"quote\"'", b"%s%n",
             b"bad\xff\xfebytes", "\u00fcber".encode(), b"control\x01\x7f", b"x" * 255]


def test_mount_points_of_any_bytes_are_qemu_gas_and_have_their_usage(reeve, qemu_ga, folder, mounts):
    places = [os.fsencode(folder) + b"/odd/" + name for name in ODD_NAMES]
    for number, place in enumerate(places):
        os.makedirs(place, 0o755)
        mounts.run("mount", mounts.loop(image(folder / f"odd-{number}.img", "ext4")), place)
    try:
        with connect(reeve) as client:
            reply = client.exchange('{"execute": "guest-get-fsinfo"}')
            assert reply.isascii()
            ours = json.loads(reply)["return"]
            metrics = value_of(client.call("inventory-metrics"))["text"]
        theirs = ask(qemu_ga, "guest-get-fsinfo")
    finally:
        for place in places:
            mounts.run("umount", place)
    assert comparable(ours) == comparable(theirs)
    told = {info["mountpoint"]: info for info in ours}
    sizes = {sample.labels["mountpoint"] for family in parser.text_string_to_metric_families(metrics)
             for sample in family.samples if sample.name == "node_filesystem_size_bytes"}
    for place in places:
        path = place.decode(errors="replace")
        assert "used-bytes" in told[path]
        assert path in sizes


def test_usage_is_what_the_file_system_says(reeve, mounts, loop_mounts):
    _, place = loop_mounts
    info = next(info for info in ask(reeve, "guest-get-fsinfo") if info["mountpoint"] == f"{place}/a b")
    size, blocks, free, available = (int(word) for word in mounts.shell(f"stat -f -c '%S %b %f %a' '{place}/a b'").split())
    assert info["used-bytes"] == (blocks - free) * size
    assert info["total-bytes"] == (blocks - free + available) * size
    assert info["total-bytes-privileged"] == blocks * size


def test_every_disk_of_a_file_system_has_four_numbers_of_its_controller(reeve, loop_mounts):
    for info in ask(reeve, "guest-get-fsinfo"):
        assert isinstance(info["disk"], list)
        for disk in info["disk"]:
            assert {key: type(value) for key, value in disk["pci-controller"].items()} == {
                "domain": int, "bus": int, "slot": int, "function": int}


def test_disks_are_told_as_qemu_ga_tells_them_in_its_order(reeve, qemu_ga, loop_mounts):
    ours, theirs = ask(reeve, "guest-get-disks"), ask(qemu_ga, "guest-get-disks")
    assert comparable_disks(ours) == comparable_disks(theirs)
    assert {"name": loop_mounts[0], "dependencies": [], "partition": False} in ours


def test_a_disk_that_came_and_went_is_told_at_once(reeve, folder, mounts):
    def names():
        return [disk["name"] for disk in ask(reeve, "guest-get-disks")]
    names()
    time.sleep(1.2)  # until what was read counts as complete
    names()
    path = folder / "late.img"
    path.write_bytes(bytes(1 << 20))
    device = subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True, text=True).stdout.strip()
    try:
        assert device in names()
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    assert device not in names()


def test_a_mount_that_came_and_went_is_told_at_once(reeve, folder, mounts):
    device = mounts.loop(image(folder / "late-mount.img", "ext4"))
    place = folder / "late"
    place.mkdir()

    def is_told():
        return str(place) in [info["mountpoint"] for info in ask(reeve, "guest-get-fsinfo")]
    assert not is_told()
    mounts.shell(f"mount {device} {place}")
    assert is_told()
    mounts.shell(f"umount {place}")
    assert not is_told()


def test_a_mount_below_a_directory_that_others_may_not_search_has_no_usage(reeve, folder, mounts):
    device = mounts.loop(image(folder / "closed.img", "ext4"))
    place = folder / "closed/below"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    mounts.shell(f"mount {device} {place}")
    try:
        info = next(info for info in ask(reeve, "guest-get-fsinfo") if info["mountpoint"] == str(place))
    finally:
        mounts.shell(f"umount {place}")
    assert "used-bytes" not in info and "total-bytes" not in info
    assert info["type"] == "ext4"


def test_a_mount_that_the_worker_does_not_see_has_no_usage_rather_than_anothers(reeve, folder, mounts):
    device = mounts.loop(image(folder / "unshared.img", "ext4"))
    place = folder / "unshared"
    place.mkdir()
    ask(reeve, "guest-get-fsinfo")  # the worker runs
    mounts.shell(f"mount -t tmpfs none {place}; mount --make-private {place}; mkdir {place}/in; mount {device} {place}/in")
    try:
        info = next(info for info in ask(reeve, "guest-get-fsinfo") if info["mountpoint"] == f"{place}/in")
    finally:
        mounts.shell(f"umount {place}/in; umount {place}")
    assert "used-bytes" not in info


def test_a_covered_file_system_is_left_out(reeve, folder, mounts):
    device = mounts.loop(image(folder / "covered.img", "ext4"))
    place = folder / "covered"
    place.mkdir()
    mounts.shell(f"mount {device} {place}; mount -t tmpfs none {place}")
    try:
        assert str(place) not in [info["mountpoint"] for info in ask(reeve, "guest-get-fsinfo")]
    finally:
        mounts.shell(f"umount {place}; umount {place}")


@pytest.fixture(scope="module")
def crowd(folder, mounts):
    """As many mounts as a busy host of containers has, of loops and of none."""
    place = folder / "crowd"
    crowd_of_mounts(mounts, place, MOUNTS)
    yield place
    mounts.shell(f"umount {place}/[0-9]* {place}/disk")


def test_five_hundred_mounts_are_qemu_gas(reeve, qemu_ga, crowd):
    ours = ask(reeve, "guest-get-fsinfo")
    assert comparable(ours) == comparable(ask(qemu_ga, "guest-get-fsinfo"))
    assert sum(str(crowd) in info["mountpoint"] for info in ours) == 1


def empty_loop(folder, mounts, name):
    path = folder / name
    path.write_bytes(bytes(1 << 20))
    return mounts.loop(path)


# A server of /dev/fuse that answers the first request, INIT, and no other: whoever looks at its mount waits.
DEAD_FUSE = r"""
import ctypes, os, struct, sys
device = os.open("/dev/fuse", os.O_RDWR)
place, kind, source = sys.argv[1:4]
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other" + (",blksize=512" if kind == "fuseblk" else "")
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(source.encode(), place.encode(), kind.encode(), 0, options.encode()) != 0:
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
request = os.read(device, 1 << 17)
unique = struct.unpack_from("<IIQ", request)[2]
init = struct.pack("<IIIIHHIIHH8I", 7, 31, 0, 0, 0, 0, 4096, 0, 0, 0, *[0] * 8)[:64]
os.write(device, struct.pack("<IiQ", 16 + len(init), 0, unique) + init)
print("ready", flush=True)
while True:
    os.read(device, 1 << 17)
"""


@pytest.fixture
def dead_fuse(folder, mounts):
    """Mounts whose server gives no answer: `make(name, kind, source)`."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    servers, places = [], []

    def make(name, kind="fuse", source="dead"):
        place = folder / name
        place.mkdir()
        places.append(place)
        server = subprocess.Popen([*mounts.within, sys.executable, "-c", DEAD_FUSE, place, kind, source],
                                  stdout=subprocess.PIPE)
        servers.append(server)
        assert server.stdout.readline() == b"ready\n", "the server could not mount"
        looker = subprocess.Popen([*mounts.within, "stat", "--file-system", place], stdout=subprocess.DEVNULL)
        servers.append(looker)  # which no signal ends before the server has gone
        with pytest.raises(subprocess.TimeoutExpired):
            looker.wait(0.2)
        return place

    yield make
    for server in servers:
        server.kill()
    for server in servers:
        server.wait(timeout=20)
    for place in places:
        mounts.shell(f"umount --lazy {place}")


# A reply that waited for one of these would never come.


def test_a_dead_fuse_mount_holds_up_nobody_and_is_not_told(reeve, dead_fuse):
    place = dead_fuse("dead-plain")
    assert str(place) not in [info["mountpoint"] for info in ask(reeve, "guest-get-fsinfo")]


def test_dead_mounts_on_a_disk_are_told_without_usage_and_the_others_with_it(reeve, folder, mounts, dead_fuse):
    places = [dead_fuse(f"dead-block-{i}", "fuseblk", empty_loop(folder, mounts, f"dead-{i}.img")) for i in range(3)]
    for _ in range(3):  # from the second time on it is known which do not answer
        told = {info["mountpoint"]: info for info in ask(reeve, "guest-get-fsinfo")}
        for place in places:
            assert "used-bytes" not in told[str(place)]
        assert "used-bytes" in told["/"]


def test_another_getter_does_not_wait_for_a_dead_mount(reeve, folder, mounts, dead_fuse):
    with connect(reeve) as first, connect(reeve) as second:
        for number in range(ROUNDS):  # one is enough: where answers waited for each other, the second would never be first
            dead_fuse(f"dead-other-{number}", "fuseblk", empty_loop(folder, mounts, f"dead-other-{number}.img"))
            second.call("guest-get-host-name")
            first.send(b'{"execute": "guest-get-fsinfo"}\n')
            second.call("guest-get-host-name")
            is_first_yet_to_come = not first.has_input()
            first.read_line()
            if is_first_yet_to_come:
                return
    raise AssertionError("each time guest-get-fsinfo was answered before what came after it")
