"""guest-get-disks and guest-get-fsinfo in a guest with a disk on each bus and all that is made of disks, held against qemu-ga in the
same guest, against lsblk, and against what the host plugged in."""

import pytest

import many_disks as guests_of_many_disks
from conftest import AGENT


@pytest.fixture(autouse=True)
def show_guest_on_failure():
    """Not of the guest that the other tests share, which this file does without."""


@pytest.fixture(scope="module")
def everybody(many_disks):
    """What both agents and lsblk say of one guest: {who: what}."""
    return many_disks.told


@pytest.fixture(scope="module")
def told(everybody):
    """What the agent under test says: {command: value}."""
    return everybody[AGENT]


def addresses_of(replies):
    """Of each disk."""
    return [disk["address"] for disk in replies["guest-get-disks"] if "address" in disk]


def as_7_2_tells_it(address):
    """It does not know USB, which later ones do, nor the target of a SCSI disk (docs/differences.md)."""
    if address["bus-type"] == "usb":
        return {**address, "bus-type": "unknown", "pci-controller": dict.fromkeys(address["pci-controller"], -1)}
    if "in-scsi-far" in address.get("serial", ""):
        return {**address, "target": 0}
    return address


@pytest.mark.reeve
def test_disks_are_told_as_qemu_ga_tells_them(everybody):
    def told_by(who):
        disks = []
        for disk in everybody[who]["guest-get-disks"]:
            # An emulated NVMe lets root read its health, which Reeve leaves out.
            disk = {name: value for name, value in disk.items() if name != "smart"}
            if who == "reeve" and "address" in disk:
                disk["address"] = as_7_2_tells_it(disk["address"])
            disks.append(disk)
        return disks
    assert told_by("reeve") == told_by("qemu-ga")


@pytest.mark.reeve
def test_file_systems_are_told_as_qemu_ga_tells_them(everybody):
    def told_by(who):
        infos = []
        for info in everybody[who]["guest-get-fsinfo"]:
            # As since 9.0 each file system is told once.
            if info["mountpoint"] in guests_of_many_disks.SUBVOLUMES:
                assert who == "qemu-ga"
                continue
            info = {name: value for name, value in info.items() if name != "total-bytes-privileged"}
            if info["mountpoint"] == "/":
                info.pop("used-bytes"), info.pop("total-bytes")
            if who == "reeve":
                info["disk"] = [as_7_2_tells_it(disk) for disk in info["disk"]]
            infos.append(info)
        return infos
    ours = told_by("reeve")
    assert {info["mountpoint"] for info in ours} == set(guests_of_many_disks.PLACES)
    assert ours == told_by("qemu-ga")


def path_of(row):
    return f"/dev/{row['kname']}"


def test_what_stands_on_what_is_told_as_lsblk_tells_it(everybody, told):
    """Both directions: nothing of lsblk's is missing, nothing is made up."""
    parents = {}

    def walk(rows, above):
        for row in rows:
            parents.setdefault(path_of(row), set()).update(above)
            walk(row.get("children", []), {path_of(row)})
    walk(everybody["lsblk"]["blockdevices"], set())
    assert {disk["name"]: set(disk["dependencies"]) for disk in told["guest-get-disks"]} == parents
    # Each volume of a group, of a snapshot and of a thin pool, the mirror, the key's.
    assert sum(len(above) for above in parents.values()) >= 16


def rows_of(everybody):
    """{path: row} of lsblk's tree."""
    found = {}

    def walk(rows):
        for row in rows:
            found[path_of(row)] = row
            walk(row.get("children", []))
    walk(everybody["lsblk"]["blockdevices"])
    return found


def test_kinds_names_and_serial_numbers_are_lsblks(everybody, told):
    rows = rows_of(everybody)
    for disk in told["guest-get-disks"]:
        row = rows[disk["name"]]
        assert disk["partition"] == (row["type"] == "part")
        is_mapped = row["type"] in ("lvm", "crypt")
        assert disk.get("alias") == (row["name"] if is_mapped else None)
        assert ("address" in disk) == (row["type"] == "disk")
        if row["serial"] and row["type"] == "disk":
            assert row["serial"] in disk["address"]["serial"] and disk["address"]["dev"] == disk["name"]


def test_each_file_system_leads_to_the_disks_that_lsblk_finds_below_it(everybody, told):
    rows = rows_of(everybody)
    below = {}

    def walk(row, disk):
        below.setdefault(path_of(row), set()).add(disk)
        for child in row.get("children", []):
            walk(child, disk)
    for row in everybody["lsblk"]["blockdevices"]:
        walk(row, path_of(row))
    for info in told["guest-get-fsinfo"]:
        path = f"/dev/{info['name']}"
        assert info["mountpoint"] in rows[path]["mountpoints"]
        # Of a file system on a partition that is the `dev`.
        expected = {path} if rows[path]["type"] == "part" else below[path]
        assert {disk["dev"] for disk in info["disk"]} == expected, info


@pytest.mark.reeve
def test_each_disk_is_where_the_host_plugged_it_in(told):
    addresses = addresses_of(told)

    def place_of(serial):
        found = [address for address in addresses if serial in address.get("serial", "")]
        assert len(found) == 1, (serial, addresses)
        return found[0]["bus-type"], found[0]["bus"], found[0]["target"], found[0]["unit"]
    assert place_of("in-virtio") == ("virtio", 0, 0, 0)
    assert place_of("in-scsi-a") == ("scsi", 0, 0, 1)
    assert place_of("in-scsi-b") == ("scsi", 0, 0, 5)
    assert place_of("in-scsi-far") == ("scsi", 0, 3, 2)
    assert place_of("in-ide") == ("ide", 1, 0, 0)
    assert place_of("in-sata-a") == ("sata", 0, 0, 1)
    assert place_of("in-sata-b") == ("sata", 0, 0, 4)
    assert place_of("in-usb") == ("usb", 0, 0, 0)
    assert place_of("in-nvme") == ("nvme", 0, 0, 0)
    nvme = next(address for address in addresses if address["bus-type"] == "nvme")
    assert nvme["pci-controller"] == {"domain": 0, "bus": 0, "slot": 0x1d, "function": 0}


def test_libvirt_finds_its_disks_below_each_file_system(told):
    """By the addresses, as domfsinfo shows it."""
    expected = dict(guests_of_many_disks.PLACES)
    # A USB disk's address is none that libvirt could look for.
    expected["/mnt/usb"] = set()
    if AGENT == "qemu-ga":
        expected["/mnt/secret"] = set()
        expected.update(dict.fromkeys(guests_of_many_disks.SUBVOLUMES, expected["/mnt/btrfs"]))
    assert told["domfsinfo"] == expected
