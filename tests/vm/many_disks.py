"""A guest with a disk on each bus that its kernel knows, and what people make of disks: partitions, volume groups, snapshots, thin
volumes, mirrors, encryption, subvolumes, each with a file system on it.

A guest of its own, since most of these disks cannot be plugged in later, and since the kernel for clouds drives neither SATA nor USB."""

import struct
import subprocess

import guest as guests

DISK_BYTES = 128 << 20
# What mkfs.xfs and mkfs.btrfs take at least.
FILE_SYSTEM_BYTES = 512 << 20
# Host's address and serial number of each disk, as they are asked for below.
PLUGGED = """
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <controller type='sata' index='0'/>
    <controller type='usb' index='0' model='qemu-xhci'/>
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
    ("in-sata-a", "sata", "sdd", "<address type='drive' controller='0' bus='0' target='0' unit='1'/>"),
    ("in-sata-b", "sata", "sde", "<address type='drive' controller='0' bus='0' target='0' unit='4'/>"),
    ("in-usb", "usb", "sdf", ""),
]
MAKERS = {"in-xfs": ("mkfs.xfs", "-q"), "in-btrfs": ("mkfs.btrfs", "-q")}
NVME = """
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <qemu:arg value='-drive'/><qemu:arg value='file={path},format=raw,if=none,id=nvme'/>
    <qemu:arg value='-device'/><qemu:arg value='nvme,drive=nvme,serial=in-nvme,addr=0x1d'/>
  </qemu:commandline>
</domain>"""
# By the tools that people use. The mirror has no bitmap and needs no first run; the key's derivation is short for an emulated CPU.
MAKE_VOLUMES = r"""
set -e
modprobe -a virtio_scsi ata_piix ahci nvme usb_storage sd_mod dm-mod raid1 dm-crypt dm-snapshot dm-thin-pool xfs btrfs
disk() {
  for link in /dev/disk/by-id/*_"$1" /dev/disk/by-id/*_"$1-0:0"; do
    if [ -e "$link" ]; then readlink -f "$link"; return; fi
  done
  return 1
}
for serial in in-scsi-a in-scsi-b in-scsi-far in-ide in-sata-a in-sata-b in-usb in-nvme; do
  tries=0
  until disk $serial >/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "no disk $serial" >&2; exit 1; }
    sleep 0.3
  done
done
A=$(disk in-scsi-a) B=$(disk in-scsi-b)
vgcreate -q group $A $B
lvcreate -q -n wide --extents 30 group $A:0-14 $B:0-14
lvcreate -q --type thin-pool -n pool -L 24M --poolmetadatasize 4M group $B
lvcreate -q -n thin -V 64M --thinpool group/pool
mkfs.ext4 -q /dev/group/wide
lvcreate -q -s -n snap -L 60M group/wide $A
mdadm --create /dev/md0 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none --assume-clean --run $(disk in-sata-a) $(disk in-sata-b)
echo -n sesame | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $(disk in-scsi-far) -
echo -n sesame | cryptsetup open --key-file - $(disk in-scsi-far) secret
udevadm settle
for device in /dev/vdd1 /dev/group/thin /dev/md0 /dev/mapper/secret $(disk in-usb) $(disk in-nvme); do mkfs.ext4 -q -F $device; done
cd /mnt && mkdir -p part wide snap thin mirror secret usb nvme xfs btrfs sub-a sub-b
mount /dev/vdd1 part; mount /dev/group/wide wide; mount /dev/group/snap snap; mount /dev/group/thin thin
mount /dev/md0 mirror; mount /dev/mapper/secret secret; mount $(disk in-usb) usb; mount $(disk in-nvme) nvme
mount /dev/vde xfs; mount /dev/vdf btrfs
btrfs -q subvolume create btrfs/a; btrfs -q subvolume create btrfs/b
mount -o subvol=a /dev/vdf sub-a; mount -o subvol=b /dev/vdf sub-b
udevadm settle
"""
# Where a file system stands, and on which disks of the host's; the host's libvirt knows nothing of the NVMe.
PLACES = {
    "/": {"vda"}, "/mnt/part": {"vdd"}, "/mnt/wide": {"sda", "sdb"}, "/mnt/snap": {"sda", "sdb"}, "/mnt/thin": {"sdb"},
    "/mnt/mirror": {"sdd", "sde"}, "/mnt/secret": {"sdc"}, "/mnt/usb": {"sdf"}, "/mnt/nvme": set(), "/mnt/xfs": {"vde"},
    "/mnt/btrfs": {"vdf"},
}
# More mounts of the btrfs, each of another subvolume.
SUBVOLUMES = ["/mnt/sub-a", "/mnt/sub-b"]


class GuestOfManyDisks(guests.Guest):
    """One disk of each kind beside those that every guest has."""

    def _domain_xml(self):
        disks = "".join(DISK.format(path=self._disk(serial), target=target, bus=bus, serial=serial, address=address)
                        for serial, bus, target, address in DISKS)
        text = super()._domain_xml()
        for name, of_hardware in (("vmlinuz", "vmlinuz-hardware"), ("initrd.img", "initrd-hardware.img")):
            text = text.replace(f"{self.image}/{name}<", f"{self.image}/{of_hardware}<")
        text = text.replace("    <controller type='usb' model='none'/>", PLUGGED.format(disks=disks))
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
