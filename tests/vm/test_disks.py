"""guest-get-disks and guest-get-fsinfo in a guest with a disk of each kind that its kernel knows, held against qemu-ga in the
same guest, against lsblk, and against what the host plugged in."""

import pytest


@pytest.fixture(autouse=True)
def show_guest_on_failure():
    """Not of the guest that the other tests share, which this file does without."""


@pytest.fixture(scope="module")
def told(many_disks):
    """What both agents and lsblk say of one guest: {who: {command: value}}."""
    return many_disks.told


def by_name(disks):
    return {disk["name"]: disk for disk in disks}


def without_far_target(disks):
    """The disk on target 3, whose target 7.2 tells as 0."""
    return [disk for disk in disks if "in-scsi-far" not in disk.get("address", {}).get("serial", "")]


@pytest.mark.reeve
def test_disks_are_told_as_qemu_ga_tells_them(told):
    ours, theirs = (without_far_target(told[who]["guest-get-disks"]) for who in ("reeve", "qemu-ga"))
    # An emulated NVMe lets root read its health, which Reeve leaves out.
    for disk in theirs:
        disk.pop("smart", None)
    assert ours == theirs


@pytest.mark.reeve
def test_file_systems_are_told_as_qemu_ga_tells_them(told):
    def told_by(who):
        infos = told[who]["guest-get-fsinfo"]
        for info in infos:
            info.pop("total-bytes-privileged", None)
            if info["mountpoint"] == "/":
                info.pop("used-bytes"), info.pop("total-bytes")
        return infos
    assert told_by("reeve") == told_by("qemu-ga")


@pytest.mark.reeve
def test_every_disk_and_partition_of_lsblk_is_told(told):
    names = {row["path"] for row in told["lsblk"]["blockdevices"] if row["type"] in ("disk", "part")}
    assert names <= set(by_name(told["reeve"]["guest-get-disks"]))


@pytest.mark.reeve
def test_each_disk_is_where_the_host_plugged_it_in(told):
    addresses = [disk["address"] for disk in told["reeve"]["guest-get-disks"] if "address" in disk]

    def place_of(serial):
        found = [address for address in addresses if serial in address.get("serial", "")]
        assert len(found) == 1, (serial, addresses)
        return found[0]["bus-type"], found[0]["bus"], found[0]["target"], found[0]["unit"]
    assert place_of("in-virtio") == ("virtio", 0, 0, 0)
    assert place_of("in-scsi-a") == ("scsi", 0, 0, 1)
    assert place_of("in-scsi-b") == ("scsi", 0, 0, 5)
    assert place_of("in-scsi-far") == ("scsi", 0, 3, 2)
    assert place_of("in-nvme") == ("nvme", 0, 0, 0)
    nvme = next(address for address in addresses if address["bus-type"] == "nvme")
    assert nvme["pci-controller"] == {"domain": 0, "bus": 0, "slot": 0x1d, "function": 0}


@pytest.mark.reeve
def test_a_volume_on_a_volume_leads_to_both_disks(told):
    info = next(info for info in told["reeve"]["guest-get-fsinfo"] if info["mountpoint"] == "/mnt/upper")
    assert {disk["unit"] for disk in info["disk"]} == {1, 5}
    volumes = {disk["alias"]: disk for disk in told["reeve"]["guest-get-disks"] if "alias" in disk}
    assert set(volumes) == {"lower", "upper"}
    assert volumes["lower"]["name"] in volumes["upper"]["dependencies"]
