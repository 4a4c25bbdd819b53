"""A guest with a disk of each kind that its kernel knows, and file systems of each kind on them.

A guest of its own, since most of these disks cannot be plugged in later. SATA and USB are left to the unit tests: the image's
kernel has no driver for either."""

import struct
import subprocess

import guest as guests

DISK_BYTES = 64 << 20
# What mkfs.xfs and mkfs.btrfs take at least.
FILE_SYSTEM_BYTES = 512 << 20
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
    ("in-virtio", "virtio", "vdd", ""),
    ("in-scsi-a", "scsi", "sda", "<address type='drive' controller='0' bus='0' target='0' unit='1'/>"),
    ("in-scsi-b", "scsi", "sdb", "<address type='drive' controller='0' bus='0' target='0' unit='5'/>"),
    ("in-scsi-far", "scsi", "sdc", "<address type='drive' controller='0' bus='0' target='3' unit='2'/>"),
    ("in-xfs", "virtio", "vde", ""),
    ("in-btrfs", "virtio", "vdf", ""),
    ("in-ide", "ide", "hdc", "<address type='drive' controller='0' bus='1' target='0' unit='0'/>"),
]
MAKERS = {"in-xfs": ("mkfs.xfs", "-q"), "in-btrfs": ("mkfs.btrfs", "-q")}
NVME = """
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <qemu:arg value='-drive'/><qemu:arg value='file={path},format=raw,if=none,id=nvme'/>
    <qemu:arg value='-device'/><qemu:arg value='nvme,drive=nvme,serial=in-nvme,addr=0x1d'/>
  </qemu:commandline>
</domain>"""
# Volumes as LVM makes them, by the tables themselves.
MAKE_VOLUMES = """
set -e
modprobe -a virtio_scsi ata_piix nvme sd_mod dm-mod
udevadm settle
A=$(readlink -f /dev/disk/by-id/scsi-*in-scsi-a); B=$(readlink -f /dev/disk/by-id/scsi-*in-scsi-b)
dmsetup create lower --table "0 65536 linear $A 0"
printf '0 32768 linear /dev/mapper/lower 0\\n32768 32768 linear %s 0\\n' "$B" | dmsetup create upper
udevadm settle
mkfs.ext4 -q /dev/vdd1; mkfs.ext4 -q /dev/mapper/upper; mkfs.ext4 -q -F /dev/nvme0n1
mkdir -p /mnt/part /mnt/upper /mnt/nvme /mnt/xfs /mnt/btrfs
mount /dev/vdd1 /mnt/part; mount /dev/mapper/upper /mnt/upper; mount /dev/nvme0n1 /mnt/nvme
mount /dev/vde /mnt/xfs; mount /dev/vdf /mnt/btrfs
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
            file.truncate(FILE_SYSTEM_BYTES if name in MAKERS else DISK_BYTES)
            if name == "in-virtio":
                file.write(partition_table())
        if name in MAKERS:
            subprocess.run([*MAKERS[name], path], stdout=subprocess.DEVNULL, check=True)
        return path


def partition_table():
    """A master boot record with two partitions of 16 MiB."""
    def entry(first_sector):
        return struct.pack("<BBBBBBBBII", 0, 0, 0, 0, 0x83, 0, 0, 0, first_sector, 32768)
    return bytes(446) + entry(2048) + entry(34816) + bytes(32) + b"\x55\xaa"
