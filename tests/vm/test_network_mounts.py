"""A file system over a network whose server has died: whoever asks it anything waits for ever, and the agent asks it nothing."""

import many_disks as guests_of_many_disks
import pytest

# More than any of the calls takes in an emulated guest; without it they would wait for ever.
SOON_S = 60
# The guest serves itself.
MOUNT = """
set -e
mkdir -p /srv/export /mnt/nfs
ip link set lo up
echo '/srv/export 127.0.0.1(rw,no_root_squash,fsid=1)' >/etc/exports
systemctl start nfs-server.service
mount -t nfs -o vers=4.2,hard,timeo=10,retrans=2 127.0.0.1:/srv/export /mnt/nfs
echo alive >/mnt/nfs/word
"""
UNMOUNT = """
systemctl start nfs-server.service
timeout 60 cat /mnt/nfs/word && umount /mnt/nfs
systemctl stop nfs-server.service
umount /proc/fs/nfsd
"""


@pytest.fixture(autouse=True)
def show_guest_on_failure():
    """Not of the guest that the other tests share, which this file does without."""


@pytest.fixture(scope="module")
def dead_nfs(many_disks):
    many_disks.check(MOUNT, timeout_s=120)
    many_disks.check("systemctl stop nfs-server.service", timeout_s=60)
    # The claim that it is dead: whoever looks at it does not come back.
    assert many_disks.run("timeout 5 stat --file-system /mnt/nfs").status == 124
    yield many_disks
    many_disks.run("fsfreeze --unfreeze /")
    assert many_disks.check(UNMOUNT, timeout_s=180).splitlines()[0] == "alive"


def test_the_others_are_told(dead_nfs):
    told = {info["mountpoint"]: info for info in dead_nfs.agent("guest-get-fsinfo", timeout_s=SOON_S)}
    assert set(guests_of_many_disks.PLACES) <= set(told) and "/mnt/nfs" not in told
    assert all("used-bytes" in info for info in told.values())
    assert dead_nfs.agent("guest-get-disks", timeout_s=SOON_S)


@pytest.fixture
def frozen(dead_nfs):
    """How many were frozen."""
    yield dead_nfs.agent("guest-fsfreeze-freeze", timeout_s=SOON_S)
    if dead_nfs.agent("guest-fsfreeze-status") == "frozen":
        dead_nfs.agent("guest-fsfreeze-thaw", timeout_s=SOON_S)


def test_the_others_are_frozen_and_thawed(dead_nfs, frozen):
    assert frozen == len(guests_of_many_disks.PLACES)
    assert dead_nfs.agent("guest-fsfreeze-status") == "frozen"
    assert dead_nfs.agent("guest-fsfreeze-thaw", timeout_s=SOON_S) == len(guests_of_many_disks.PLACES)
    dead_nfs.check("touch /mnt/wide/thawed /thawed && sync -f /mnt/wide && sync -f /")


@pytest.mark.reeve
def test_the_report_names_what_was_left_out(dead_nfs, frozen):
    left_out = {mount["mountpoint"]: (mount["type"], mount["reason"])
                for mount in dead_nfs.agent("fsfreeze-report")["left-out"]}
    assert left_out["/mnt/nfs"] == ("nfs4", "network")


def test_the_others_are_trimmed(dead_nfs):
    paths = {entry["path"]: entry for entry in dead_nfs.agent("guest-fstrim", timeout_s=SOON_S)["paths"]}
    assert set(guests_of_many_disks.PLACES) <= set(paths) and "/mnt/nfs" not in paths
    assert "trimmed" in paths["/mnt/thin"] and "trimmed" in paths["/mnt/mirror"]
    # dm-crypt lets nobody trim what it was not told to.
    assert paths["/mnt/secret"]["error"] == "trim not supported"


@pytest.mark.reeve
def test_an_agent_that_starts_beside_it_serves(dead_nfs):
    """Its workers' own mount tables are made of the guest's."""
    dead_nfs.check("systemctl restart reeved.service", timeout_s=SOON_S)
    dead_nfs.wait_for_agent()
    assert dead_nfs.agent("guest-get-fsinfo", timeout_s=SOON_S)
    assert dead_nfs.agent("guest-fsfreeze-freeze-list", timeout_s=SOON_S, mountpoints=["/mnt/xfs"]) == 1
    assert dead_nfs.agent("guest-fsfreeze-thaw", timeout_s=SOON_S) == 1
