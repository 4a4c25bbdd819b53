"""Freeze, thaw and trim as hosts ask for them, with a program that writes all the while, and what the host's images then hold."""

import os
import re
import subprocess

import pytest
from guest import NAME, wait_until

PIECE_BYTES = 64 << 20
DISKS_LEFT_OUT = ("--diskspec", "vda,snapshot=no", "--diskspec", "vdb,snapshot=no")


class Writer:
    """A program of the guest that writes to the data disk without pause, and tells in memory how far it got."""

    def __init__(self, guest, data):
        self._guest = guest
        guest.check("systemd-run --quiet --collect --unit=reeve-writer sh -c 'n=0; while :; do n=$((n + 1)); "
                    f"echo $n >>{data}/written; echo $n >/run/written; done'")
        self.wait_until_it_writes()

    def count(self):
        return self._guest.run("cat /run/written").out

    def wait_until_it_writes(self):
        before = self.count()

        def writer_writes():
            """another line of the writer"""
            return self.count() != before
        wait_until(writer_writes, 30)

    def wait_until_it_stands_still(self):
        """It never would on a file system that takes its lines."""
        def writer_stands():
            """a writer that waits for its disk"""
            before = self._guest.run("cat /run/written; sleep 2").out
            return before and before == self.count()
        wait_until(writer_stands, 30)

    def stop(self):
        self._guest.run("systemctl stop reeve-writer")


@pytest.fixture
def writer(guest, data):
    writer = Writer(guest, data)
    yield writer
    guest.virsh("domfsthaw", NAME)
    writer.stop()


def said_of(guest, *words):
    return guest.on_host(*words, options=()).strip()


def status(guest):
    return guest.agent("guest-fsfreeze-status")


def test_domfsfreeze_stops_a_writer_and_domfsthaw_lets_it_go_on(guest, writer):
    assert said_of(guest, "domfsfreeze") == "Froze 2 filesystem(s)"
    writer.wait_until_it_stands_still()
    assert status(guest) == "frozen"
    assert said_of(guest, "domfsthaw") == "Thawed 2 filesystem(s)"
    writer.wait_until_it_writes()
    assert status(guest) == "thawed"


def test_domfsfreeze_of_one_mount_point_leaves_the_others(guest, data, writer):
    assert said_of(guest, "domfsfreeze", "--mountpoint", data) == "Froze 1 filesystem(s)"
    writer.wait_until_it_stands_still()
    guest.check("touch /root/not-frozen && sync -f /root/not-frozen")
    assert said_of(guest, "domfsthaw") == "Thawed 1 filesystem(s)"
    writer.wait_until_it_writes()


def test_a_second_freeze_is_refused_and_the_first_one_ends(guest, writer):
    guest.on_host("domfsfreeze")
    again = guest.virsh("domfsfreeze", NAME)
    assert again.returncode != 0 and "the agent is in frozen state" in again.stderr
    assert status(guest) == "frozen"
    guest.on_host("domfsthaw")
    writer.wait_until_it_writes()


def test_a_thaw_of_what_is_not_frozen_is_no_error(guest, data):
    assert said_of(guest, "domfsthaw") == "Thawed 0 filesystem(s)"


def test_no_command_but_the_safe_ones_is_served_while_frozen(guest, writer):
    guest.on_host("domfsfreeze")
    done = guest.virsh("domtime", NAME)
    guest.on_host("domfsthaw")
    assert done.returncode != 0 and "the agent is in frozen state" in done.stderr
    assert guest.on_host("domhostname", "--source", "agent").strip() == "reeve-guest"


# ---- snapshots ----


def snapshot(guest, *more):
    """The image that a snapshot of the data disk leaves behind; the guest writes to another from now on."""
    over = guest.folder / "over.qcow2"
    guest.on_host("snapshot-create-as", "--disk-only", "--no-metadata", *DISKS_LEFT_OUT,
                  "--diskspec", f"vdc,snapshot=external,file={over}", *more)
    return guest.folder / "data.img"


def features_of(image):
    shown = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True, check=True).stdout
    return re.search(r"^Filesystem features: +(.*)$", shown, re.M)[1].split()


@pytest.fixture
def one_disk_again(guest):
    yield
    guest.on_host("blockcommit", "vdc", "--active", "--pivot", "--wait", timeout_s=120)
    (guest.folder / "over.qcow2").unlink()


@pytest.mark.usefixtures("one_disk_again")
def test_a_quiesced_snapshot_under_a_writer_is_whole(guest, writer):
    image = snapshot(guest, "--quiesce")
    writer.wait_until_it_writes()
    # Not even its journal has anything to say: what a mount would have to repair is there in every other image.
    assert "needs_recovery" not in features_of(image)
    checked = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert status(guest) == "thawed"


@pytest.mark.usefixtures("one_disk_again")
def test_a_snapshot_that_nobody_quiesced_is_not(guest, writer):
    """The control: it is the freeze that makes the image above whole."""
    assert "needs_recovery" in features_of(snapshot(guest))


# ---- trim ----


def bytes_on_host(guest):
    return os.stat(guest.folder / "data.img").st_blocks * 512


def test_domfstrim_gives_space_back_to_the_host(guest, data):
    guest.check(f"head -c {PIECE_BYTES} /dev/urandom >{data}/piece && sync -f {data}", timeout_s=120)
    filled = bytes_on_host(guest)
    # The journal must have let go of the blocks too.
    guest.check(f"rm {data}/piece && sync -f {data}")
    assert bytes_on_host(guest) >= filled - PIECE_BYTES // 8
    # No piece of free space is as large as all of the disk.
    guest.on_host("domfstrim", "--minimum", str(os.stat(guest.folder / "data.img").st_size), timeout_s=120)
    assert bytes_on_host(guest) >= filled - PIECE_BYTES // 8
    guest.on_host("domfstrim", "--minimum", "65536", timeout_s=120)
    assert bytes_on_host(guest) <= filled - PIECE_BYTES // 2
