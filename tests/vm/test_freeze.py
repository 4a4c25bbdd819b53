"""What only a whole guest shows of a freeze: each kind of file system at once, serial numbers of real disks, Debian's own hook,
and that under systemd whatever ends the agent ends the freeze."""

import json

import libvirt
import many_disks as guests_of_many_disks
import pytest
from guest import NAME, wait_until

pytestmark = pytest.mark.reeve

PLACES = list(guests_of_many_disks.PLACES)
# What freezes with another place, and is not counted.
ALSO = {"/mnt/btrfs": guests_of_many_disks.SUBVOLUMES}
WRITTEN = PLACES + guests_of_many_disks.SUBVOLUMES
# An emulated guest syncs all the file systems, under a load on the host.
SOON_S = 60
WRITER = """
import json, os, sys, threading, time
counts = {place: 0 for place in sys.argv[1:]}
def write(place):
    file = os.open(place + "/written", os.O_WRONLY | os.O_CREAT)
    while True:
        os.pwrite(file, b"x" * 4096, 0)
        os.fsync(file)
        counts[place] += 1
        time.sleep(0.25)
for place in counts:
    threading.Thread(target=write, args=(place,), daemon=True).start()
while True:
    with open("/run/counts.new", "w") as file:
        json.dump(counts, file)
    os.rename("/run/counts.new", "/run/counts")
    time.sleep(0.1)
"""
# A file system of a daemon that never answers: whoever opens it waits for ever.
DEAD_FUSE = """
import ctypes, os, signal
device = os.open("/dev/fuse", os.O_RDWR)
words = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
assert ctypes.CDLL(None).mount(b"dead", b"/mnt/fuse", b"fuse", 0, words) == 0
signal.pause()
"""
HOOK = "#!/bin/sh\necho \"$1\" >>/tmp/hooked\n"
DROP_IN = "/etc/systemd/system/reeved.service.d"


@pytest.fixture(autouse=True)
def show_guest_on_failure(request, many_disks):
    """The words of this guest's agent, not of that of the guest that the other tests share."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        print(many_disks.run("journalctl -u reeved -n 60 --no-pager").out)


@pytest.fixture(scope="module")
def disks(many_disks):
    """The guest, with a program that writes to each of its file systems all the while, and more that is not to be frozen."""
    many_disks.write("/run/writer.py", WRITER)
    many_disks.write("/run/dead_fuse.py", DEAD_FUSE)
    many_disks.check("modprobe -a fuse overlay; mkdir -p /mnt/fuse /mnt/over /mnt/again /run/up /run/work && "
                     "mount -t overlay overlay -o lowerdir=/mnt/part,upperdir=/run/up,workdir=/run/work /mnt/over && "
                     "mount /dev/vdf /mnt/again && "
                     "systemd-run --quiet --collect --unit=dead-fuse python3 /run/dead_fuse.py && "
                     f"systemd-run --quiet --collect --unit=writer python3 /run/writer.py {' '.join(WRITTEN)}")

    def dead_file_system_is_mounted():
        """the mount of the dead file system"""
        return " /mnt/fuse fuse " in many_disks.check("cat /proc/self/mounts")
    wait_until(dead_file_system_is_mounted, SOON_S)
    yield many_disks
    many_disks.run("systemctl stop writer dead-fuse; umount -l /mnt/fuse")


def thaw_past_the_agent(guest):
    guest.run(f"for place in {' '.join(PLACES)}; do fsfreeze --unfreeze $place; done")


@pytest.fixture
def thawed(disks):
    """Whatever a test leaves frozen is thawed by somebody else."""
    yield disks
    thaw_past_the_agent(disks)
    disks.run("systemctl start reeved.service", timeout_s=60)
    disks.wait_for_agent()


def counts(guest):
    return json.loads(guest.check("cat /run/counts"))


def assert_frozen(guest, places):
    """All the others are written to meanwhile, which shows that the writer had the time."""
    places = {*places, *(also for place in places for also in ALSO.get(place, []))}
    guest.check("sleep 1")  # what was under way
    before = counts(guest)

    def others_are_written_to():
        """a writer that goes on where nothing is frozen"""
        now = counts(guest)
        return all(now[place] > before[place] for place in set(WRITTEN) - places)
    wait_until(others_are_written_to, SOON_S)
    guest.check("sleep 2")
    now = counts(guest)
    assert {place for place in places if now[place] != before[place]} == set()


def assert_thawed(guest):
    assert_frozen(guest, [])


def worker_of(guest):
    pids = guest.check("pgrep -f '^reeve-worker fsfreeze'").split()
    assert len(pids) == 1
    return int(pids[0])


def main_pid(guest):
    return int(guest.check("systemctl show --property=MainPID --value reeved.service"))


def refusal_of(guest, command, **arguments):
    with pytest.raises(libvirt.libvirtError) as caught:
        guest.agent(command, **arguments)
    return str(caught.value)


def set_unit(guest, text):
    guest.check(f"mkdir -p {DROP_IN}")
    guest.write(f"{DROP_IN}/test.conf", text)
    guest.check("systemctl daemon-reload && systemctl restart reeved.service", timeout_s=60)
    guest.wait_for_agent()


@pytest.fixture
def unit(thawed):
    """Sets more lines of the service, which go after the test."""
    yield lambda text: set_unit(thawed, text)
    thaw_past_the_agent(thawed)
    thawed.check(f"rm {DROP_IN}/test.conf; systemctl daemon-reload && systemctl restart reeved.service", timeout_s=60)
    thawed.wait_for_agent()


def test_each_kind_of_file_system_stands_still_by_a_worker_whose_memory_is_locked(thawed):
    assert_thawed(thawed)
    assert thawed.agent("guest-fsfreeze-freeze", timeout_s=60) == len(PLACES)
    assert_frozen(thawed, PLACES)
    report = thawed.agent("fsfreeze-report")
    kinds = {"/mnt/xfs": "xfs", "/mnt/btrfs": "btrfs"}
    assert {mount["mountpoint"]: (mount["type"], mount["result"]) for mount in report["mounts"]} == {
        place: (kinds.get(place, "ext4"), "frozen") for place in PLACES}
    left_out = {mount["mountpoint"]: (mount["type"], mount["reason"]) for mount in report["left-out"]}
    assert left_out["/mnt/over"] == ("overlay", "overlay")
    assert left_out["/mnt/fuse"] == ("fuse", "fuse")
    for place in ("/mnt/again", *guests_of_many_disks.SUBVOLUMES):
        assert left_out[place] == ("btrfs", "same-device")
    status = dict(line.split(":\t", 1) for line in
                  thawed.check(f"cat /proc/{worker_of(thawed)}/status").splitlines() if ":\t" in line)
    locked, resident = (int(status[name].split()[0]) for name in ("VmLck", "VmRSS"))
    assert locked >= resident > 0
    assert thawed.agent("guest-fsfreeze-thaw", timeout_s=60) == len(PLACES)
    assert_thawed(thawed)


@pytest.mark.parametrize("serials, places", [
    # Volumes of a group, of which one lies on two disks; its snapshot; one in a thin pool.
    (["in-scsi-a"], ["/mnt/wide", "/mnt/snap"]),
    (["in-scsi-b"], ["/mnt/wide", "/mnt/snap", "/mnt/thin"]),
    (["in-xfs", "in-nvme", "in-btrfs"], ["/mnt/xfs", "/mnt/nvme", "/mnt/btrfs"]),
    # A partition; half a mirror; what is encrypted; the bus whose serial numbers udev adorns.
    (["in-virtio", "in-sata-b", "in-scsi-far", "in-usb"], ["/mnt/part", "/mnt/mirror", "/mnt/secret", "/mnt/usb"]),
])
def test_what_stands_on_a_disk_is_frozen_by_its_serial_number(thawed, serials, places):
    assert thawed.agent("fsfreeze-freeze-disks", serials=serials) == len(places)
    assert_frozen(thawed, places)
    assert thawed.agent("guest-fsfreeze-thaw") == len(places)
    assert_thawed(thawed)


def test_a_serial_number_that_no_disk_has_freezes_nothing(thawed):
    assert "no disk has the serial number 'in-attic'" in refusal_of(
        thawed, "fsfreeze-freeze-disks", serials=["in-xfs", "in-attic"])
    assert_thawed(thawed)


def test_debians_own_hook_runs_its_scripts(unit, thawed):
    thawed.check("rm -f /tmp/hooked; mkdir -p /etc/qemu/fsfreeze-hook.d")
    thawed.write("/etc/qemu/fsfreeze-hook.d/10-test", HOOK)
    thawed.check("chmod 755 /etc/qemu/fsfreeze-hook.d/10-test")
    unit("[Service]\nExecStart=\nExecStart=/usr/sbin/reeved -F\n")
    assert thawed.agent("guest-fsfreeze-freeze", timeout_s=60) == len(PLACES)
    assert thawed.check("cat /tmp/hooked") == "freeze"
    assert thawed.agent("guest-fsfreeze-thaw", timeout_s=60) == len(PLACES)
    assert thawed.check("cat /tmp/hooked").splitlines() == ["freeze", "thaw"]
    assert "10-test" in thawed.check("cat /var/log/qga-fsfreeze-hook.log")
    thawed.check("rm /etc/qemu/fsfreeze-hook.d/10-test")


def test_a_reboot_is_refused_while_frozen(thawed):
    boot = thawed.boot_id()
    thawed.agent("guest-fsfreeze-freeze", timeout_s=60)
    for mode in ("reboot", "powerdown", "halt"):
        assert "the agent is in frozen state" in refusal_of(thawed, "guest-shutdown", mode=mode)
    assert thawed.virsh("reboot", NAME, "--mode", "agent").returncode != 0
    assert thawed.agent("guest-fsfreeze-thaw", timeout_s=60) == len(PLACES)
    assert_thawed(thawed)
    assert thawed.boot_id() == boot


def test_the_stop_of_the_service_thaws(thawed):
    assert thawed.agent("guest-fsfreeze-freeze", timeout_s=60) == len(PLACES)
    thawed.check("systemctl stop reeved.service", timeout_s=60)
    assert_thawed(thawed)


def test_a_warden_and_a_worker_killed_while_frozen_leave_nothing_frozen(unit, thawed):
    # No next start, which would thaw as well: what is left to do it is the unit's last command.
    unit("[Service]\nRestart=no\n")
    assert thawed.agent("guest-fsfreeze-freeze", timeout_s=60) == len(PLACES)
    # The worker first: it would thaw when it loses its warden.
    thawed.check(f"kill -KILL {worker_of(thawed)} {main_pid(thawed)}")

    def service_has_ended():
        """the end of the service"""
        return thawed.run("systemctl is-failed --quiet reeved.service").status == 0
    wait_until(service_has_ended, SOON_S)
    assert_thawed(thawed)


def test_a_warden_killed_while_frozen_is_followed_by_another_and_all_is_thawed(thawed):
    assert thawed.agent("guest-fsfreeze-freeze", timeout_s=60) == len(PLACES)
    thawed.check(f"kill -KILL {main_pid(thawed)}")
    thawed.wait_for_agent()
    assert thawed.agent("guest-fsfreeze-status") == "thawed"
    assert_thawed(thawed)


def test_an_upgrade_while_frozen_restarts_nothing(thawed):
    assert thawed.agent("guest-fsfreeze-freeze-list", mountpoints=["/mnt/xfs"]) == 1
    before = main_pid(thawed), worker_of(thawed)
    said = thawed.check("dpkg --install /payload/reeve-next.deb 2>&1", timeout_s=120)
    assert "a file system is frozen; the agent is not restarted now" in said
    assert (main_pid(thawed), worker_of(thawed)) == before
    assert_frozen(thawed, ["/mnt/xfs"])
    assert thawed.agent("guest-fsfreeze-thaw") == 1
    thawed.check("dpkg --force-downgrade --install /payload/reeve.deb 2>&1", timeout_s=120)
    thawed.wait_for_agent()
    assert_thawed(thawed)
