"""guest-get-disks and guest-get-fsinfo in a guest with a disk of each kind that its kernel knows, held against qemu-ga in the
same guest, against lsblk, and against what the host plugged in.

A guest of its own, since most of these disks cannot be plugged in later. SATA and USB are left to the unit tests: the image's
kernel has no driver for either."""

import json
import struct

import guest as guests
import pytest

import conftest

DISK_BYTES = 64 << 20
# Host's address and serial number of each disk, as they are asked for below.
PLUGGED = """
    <controller type='scsi' index='0' model='virtio-scsi'/>
    {disks}
"""
DISK = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/>
      <source file='{path}'/>
      <target dev='{target}' bus='{bus}'/>
      <serial>{serial}</serial>
      {address}
    </disk>
"""
DISKS = [
    # serial, bus, target, address within the controller
    ("in-virtio", "virtio", "vdc", ""),
    ("in-scsi-a", "scsi", "sda", "<address type='drive' controller='0' bus='0' target='0' unit='1'/>"),
    ("in-scsi-b", "scsi", "sdb", "<address type='drive' controller='0' bus='0' target='0' unit='5'/>"),
    ("in-scsi-far", "scsi", "sdc", "<address type='drive' controller='0' bus='0' target='3' unit='2'/>"),
    ("in-ide", "ide", "hdc", "<address type='drive' controller='0' bus='1' target='0' unit='0'/>"),
]
NVME = """
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <qemu:arg value='-drive'/><qemu:arg value='file={path},format=raw,if=none,id=nvme'/>
    <qemu:arg value='-device'/><qemu:arg value='nvme,drive=nvme,serial=in-nvme,addr=0x1d'/>
  </qemu:commandline>
</domain>"""
# Volumes as LVM makes them, by the tables themselves.
MAKE_VOLUMES = """
modprobe -a virtio_scsi ata_piix nvme sd_mod dm-mod raid1 2>/dev/null
udevadm settle
A=$(readlink -f /dev/disk/by-id/scsi-*in-scsi-a); B=$(readlink -f /dev/disk/by-id/scsi-*in-scsi-b)
dmsetup create lower --table "0 65536 linear $A 0"
printf '0 32768 linear /dev/mapper/lower 0\\n32768 32768 linear %s 0\\n' "$B" | dmsetup create upper
udevadm settle
mkfs.ext4 -q /dev/vdc1; mkfs.ext4 -q /dev/mapper/upper; mkfs.ext4 -q -F /dev/nvme0n1
mkdir -p /mnt/part /mnt/upper /mnt/nvme
mount /dev/vdc1 /mnt/part; mount /dev/mapper/upper /mnt/upper; mount /dev/nvme0n1 /mnt/nvme
"""


class GuestOfManyDisks(guests.Guest):
    """One disk of each kind beside those that every guest has."""

    def _domain_xml(self):
        disks = "".join(DISK.format(path=self._disk(serial), target=target, bus=bus, serial=serial, address=address)
                        for serial, bus, target, address in DISKS)
        text = super()._domain_xml()
        text = text.replace("    <controller type='usb'", PLUGGED.format(disks=disks) + "    <controller type='usb'")
        text = text.replace("<domain type=", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' type=")
        return text.replace("</domain>", NVME.format(path=self._disk("in-nvme")))

    def _disk(self, name):
        path = self.folder / f"{name}.img"
        with open(path, "wb") as file:
            file.truncate(DISK_BYTES)
            if name == "in-virtio":
                file.write(partition_table())
        return path


def partition_table():
    """A master boot record with two partitions of 16 MiB."""
    def entry(first_sector):
        return struct.pack("<BBBBBBBBII", 0, 0, 0, 0, 0x83, 0, 0, 0, first_sector, 32768)
    return bytes(446) + entry(2048) + entry(34816) + bytes(32) + b"\x55\xaa"


@pytest.fixture(autouse=True)
def show_guest_on_failure():
    """Not of the guest that the other tests share, which this file does without."""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What both agents and lsblk say of one guest: {who: {command: value}}."""
    payload = {}
    if conftest.AGENT == "reeve":
        payload["reeve.deb"] = conftest.find_package()
    guest = GuestOfManyDisks(payload)
    try:
        guest.start()
        guest.wait_for_agent()
        guest.check(MAKE_VOLUMES, timeout_s=120)
        said = {"qemu-ga": ask(guest)}
        if conftest.AGENT == "reeve":
            guest.check("apt-get install -y /payload/reeve.deb 2>&1", timeout_s=180)
            guest.wait_for_agent()
            said["reeve"] = ask(guest)
        said["lsblk"] = json.loads(guest.check("lsblk --json --bytes --list --output NAME,PATH,SIZE,TYPE,PKNAME,SERIAL,MOUNTPOINT"))
        yield said
    finally:
        guest.stop()


def ask(guest):
    return {command: guest.agent(command) for command in ("guest-get-disks", "guest-get-fsinfo")}


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
