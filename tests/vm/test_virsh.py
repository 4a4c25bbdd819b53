"""Every virsh command that asks the agent something, its values held against the guest's own tools."""

import json
import re
import time

import console
import pytest
from guest import NAME

CLERK = "clerk"


@pytest.fixture(scope="module")
def clerk(guest):
    """A user of the guest."""
    guest.check(f"id {CLERK} || useradd --create-home --shell /bin/bash {CLERK}")
    return CLERK


def fields(text):
    """virsh's `name : value` lines."""
    found = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def rows(text, columns):
    """The lines of a table without its head, each cut into `columns` words."""
    lines = [line.split(maxsplit=columns - 1) for line in text.splitlines() if line.strip() and not line.startswith("---")]
    return [line for line in lines if len(line) == columns]


def items(values, prefix):
    """[{...}] of guestinfo's `prefix.N.name` lines."""
    return [{name.removeprefix(f"{prefix}.{number}."): value for name, value in values.items()
             if name.startswith(f"{prefix}.{number}.")} for number in range(int(values[f"{prefix}.count"]))]


# ---- what the guest is ----


def test_guestinfo_tells_the_operating_system(guest):
    told = fields(guest.on_host("guestinfo", "--os"))
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', guest.check("cat /etc/os-release"), re.M))
    assert told == {
        "os.id": release["ID"], "os.name": release["NAME"], "os.pretty-name": release["PRETTY_NAME"],
        "os.version": release["VERSION"], "os.version-id": release["VERSION_ID"], "os.machine": guest.check("uname -m"),
        "os.kernel-release": guest.check("uname -r"), "os.kernel-version": guest.check("uname -v")}


def test_guestinfo_tells_the_timezone(guest):
    told = fields(guest.on_host("guestinfo", "--timezone"))
    zone, sign, hours, minutes = re.fullmatch(r"(\w+) ([+-])(\d\d)(\d\d)", guest.check("date '+%Z %z'")).groups()
    offset_s = int(f"{sign}{int(hours) * 3600 + int(minutes) * 60}")
    assert told == {"timezone.name": zone, "timezone.offset": str(offset_s)}


def test_guestinfo_and_domhostname_tell_the_host_name(guest):
    assert fields(guest.on_host("guestinfo", "--hostname")) == {"hostname": guest.check("hostname")}
    assert guest.on_host("domhostname", "--source", "agent").strip() == guest.check("hostname")


def test_guestinfo_without_a_choice_tells_all_at_once(guest):
    told = fields(guest.on_host("guestinfo"))
    for name in ("os.id", "timezone.offset", "hostname", "fs.count", "user.count"):
        assert name in told


# ---- disks and file systems ----


def file_systems_of(guest):
    """{mount point: (name, type)} of what stands on a disk."""
    table = json.loads(guest.check("findmnt --json --real --list --output SOURCE,TARGET,FSTYPE,MAJ:MIN"))["filesystems"]
    return {row["target"]: (row["source"].removeprefix("/dev/"), row["fstype"]) for row in table
            if not row["maj:min"].startswith("0:")}


def test_guestinfo_tells_the_file_systems(guest, data):
    told = {entry["mountpoint"]: entry for entry in items(fields(guest.on_host("guestinfo", "--filesystem")), "fs")}
    assert {path: (entry["name"], entry["fstype"]) for path, entry in told.items()} == file_systems_of(guest)
    size, used, free = (int(word) for word in guest.check(
        f"df -B1 --output=size,used,avail {data} | tail -1").split())
    # What root alone may fill is not counted: the total is what a user can have.
    assert (int(told[data]["used-bytes"]), int(told[data]["total-bytes"])) == (used, used + free)
    assert used + free < size
    assert (told[data]["disk.count"], told[data]["disk.0.alias"], told[data]["disk.0.serial"]) == ("1", "vdc", "REEVE-DATA")
    assert told["/"]["disk.0.alias"] == "vda"


def test_domfsinfo_finds_the_disks_of_the_domain(guest, data):
    told = rows(guest.on_host("domfsinfo"), 4)
    assert sorted(told) == sorted([["/", "vda", "ext4", "vda"], [data, "vdc", "ext4", "vdc"]])


def test_guestinfo_tells_the_disks(guest):
    told = {entry["name"]: entry for entry in items(fields(guest.on_host("guestinfo", "--disk")), "disk")}
    lines = guest.check("lsblk --noheadings --list --paths --output NAME,TYPE,SIZE --bytes").splitlines()
    expected = {name: kind == "part" for name, kind, size in map(str.split, lines) if int(size)}
    assert {name: entry["partition"] == "yes" for name, entry in told.items()} == expected
    assert {name: entry.get("guest_alias", entry.get("alias")) for name, entry in told.items()} == {
        "/dev/vda": "vda", "/dev/vdb": "vdb", "/dev/vdc": "vdc"}


# ---- network ----


def addresses_of(guest):
    """{interface: (mac, {address/prefix})} as the guest's kernel has them."""
    table = json.loads(guest.check("ip -json address"))
    return {entry["ifname"]: (entry["address"], {f"{address['local']}/{address['prefixlen']}" for address in entry["addr_info"]})
            for entry in table}


@pytest.fixture(scope="module")
def interface(guest):
    """The guest's network card, up, with addresses of both families."""
    name = next(name for name, (mac, _) in addresses_of(guest).items() if mac == "52:54:00:72:65:76")
    guest.check(f"ip link set {name} up; ip address replace 192.0.2.7/28 dev {name}; "
                f"ip -6 address replace 2001:db8::7/64 dev {name} nodad")
    # The address of the link comes by itself, a second or two later.
    guest.check(f"timeout 50 sh -c 'until ip -6 address show dev {name} scope link -tentative | grep -q inet6; "
                "do sleep 0.2; done'")
    return name


def test_domifaddr_tells_the_addresses(guest, interface):
    told, name = {}, None
    for line in guest.on_host("domifaddr", "--source", "agent", "--full").splitlines():
        name, mac, _, address = line.split()
        told.setdefault(name, (mac, set()))[1].add(address)
    assert told == addresses_of(guest)
    assert "192.0.2.7/28" in told[interface][1] and "2001:db8::7/64" in told[interface][1]


def test_guestinfo_tells_the_interfaces(guest, interface):
    told = {entry["name"]: entry for entry in items(fields(guest.on_host("guestinfo", "--interface")), "if")}
    assert {name: (entry["hwaddr"], {f"{address['addr']}/{address['prefix']}" for address in items(entry, "addr")})
            for name, entry in told.items()} == addresses_of(guest)


# ---- time ----


def clock_of(guest):
    return int(guest.check("date +%s"))


def test_domtime_tells_the_guests_clock(guest):
    before = clock_of(guest)
    told = int(fields(guest.on_host("domtime"))["Time"])
    assert before <= told <= clock_of(guest)


def test_domtime_tells_the_date_to_people(guest):
    told = fields(guest.on_host("domtime", "--pretty"))["Time"]
    assert abs(int(guest.check(f"date -u +%s -d '{told}'")) - clock_of(guest)) < 60


@pytest.mark.parametrize("words, expected", [
    (["--time", "1800000000"], lambda: 1_800_000_000),
    (["--now"], time.time),
    (["--sync"], time.time),
])
def test_domtime_sets_the_clock_back_after_a_jump(guest, words, expected):
    guest.check("date --set=2001-01-01")
    guest.on_host("domtime", *words)
    # It runs on from there; what the tests take is minutes at the most, and the jump was of years.
    assert 0 <= clock_of(guest) - int(expected()) + 5 < 600
    guest.on_host("domtime", "--now")


# ---- users ----


def set_password(guest, user, password, *more):
    guest.on_host("set-user-password", user, password, *more)


@pytest.mark.parametrize("user", [CLERK, "root"])
def test_a_password_that_was_set_opens_the_console(guest, clerk, user):
    password = f"of {user}: \\\"ä$'"
    set_password(guest, user, password)
    with console.logged_in(guest, user, password) as session:
        assert session.run("id -un") == [user]


def test_an_encrypted_password_opens_the_console(guest, clerk):
    secret = guest.check("perl -e 'print crypt(\"sesame\", \"\\$6\\$reeve\\$\")'")
    set_password(guest, CLERK, secret, "--encrypted")
    with console.logged_in(guest, CLERK, "sesame") as session:
        assert session.run("id -un") == [CLERK]


def test_the_password_of_nobody_known_is_an_error(guest):
    done = guest.virsh("set-user-password", NAME, "no-such-user", "secret")
    assert done.returncode != 0
    assert "child process has failed to set user password" in done.stderr and "secret" not in done.stderr


def test_guestinfo_tells_who_is_logged_in(guest, clerk):
    set_password(guest, CLERK, "sesame")
    with console.logged_in(guest, CLERK, "sesame"):
        told = items(fields(guest.on_host("guestinfo", "--user")), "user")
        since = int(guest.check(f"date +%s -d \"$(who | awk '$1 == \"{CLERK}\" {{print $3, $4}}')\""))
        assert [entry["name"] for entry in told] == [CLERK]
        # who(1) shows no seconds; libvirt shows milliseconds.
        assert 0 <= int(told[0]["login-time"]) // 1000 - since < 60


# ---- keys ----


@pytest.fixture(scope="module")
def keys(guest):
    """Two key pairs in the guest; the text of their public halves."""
    guest.check("mkdir -p /root/keys && cd /root/keys && for n in 1 2; do "
                "[ -e key$n ] || ssh-keygen -q -t ed25519 -N '' -C key-$n -f key$n; done")
    guest.check("systemctl start ssh.service")
    yield [guest.check(f"cat /root/keys/key{number}.pub") for number in (1, 2)]
    guest.check("systemctl stop ssh.service")


@pytest.fixture
def key_files(guest, keys):
    """The same on the host, as files for virsh."""
    files = [guest.folder / f"key{number}.pub" for number in (1, 2)]
    for path, text in zip(files, keys, strict=True):
        path.write_text(text + "\n")
    return files


def logs_in_by_key(guest, number):
    done = guest.run(f"ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
                     f"-i /root/keys/key{number} {CLERK}@127.0.0.1 id -un", timeout_s=60)
    return done.out.strip() == CLERK


def test_keys_that_were_added_let_in_and_removed_ones_do_not(guest, clerk, keys, key_files):
    guest.check(f"rm -rf ~{CLERK}/.ssh")
    guest.on_host("set-user-sshkeys", CLERK, "--file", str(key_files[0]))
    guest.on_host("set-user-sshkeys", CLERK, "--file", str(key_files[1]))
    # Not each virsh puts a line end between them.
    told = guest.on_host("get-user-sshkeys", CLERK)
    assert all(told.count(key) == 1 for key in keys)
    assert logs_in_by_key(guest, 1) and logs_in_by_key(guest, 2)
    assert guest.check(f"stat -c '%a %U' ~{CLERK}/.ssh ~{CLERK}/.ssh/authorized_keys").splitlines() == [
        f"700 {CLERK}", f"600 {CLERK}"]

    guest.on_host("set-user-sshkeys", CLERK, "--remove", "--file", str(key_files[0]))
    assert not logs_in_by_key(guest, 1) and logs_in_by_key(guest, 2)

    guest.on_host("set-user-sshkeys", CLERK, "--reset", "--file", str(key_files[0]))
    assert logs_in_by_key(guest, 1) and not logs_in_by_key(guest, 2)


def test_keys_of_nobody_known_are_an_error(guest, key_files):
    done = guest.virsh("set-user-sshkeys", NAME, "no-such-user", "--file", str(key_files[0]))
    assert done.returncode != 0
    assert "no-such-user" in done.stderr


# ---- processors ----


def online_of(guest):
    """{number: is online} of the guest's processors."""
    return {int(number): word == "1" for number, word in (line.split() for line in guest.check(
        "cd /sys/devices/system/cpu && for c in cpu[0-9]*; do echo ${c#cpu} $(cat $c/online 2>/dev/null || echo 1); done"
    ).splitlines())}


def test_guestvcpus_and_vcpucount_tell_the_processors(guest):
    told = fields(guest.on_host("guestvcpus"))
    assert told == {"vcpus": "0-1", "online": "0-1", "offlinable": "1"}
    assert guest.on_host("vcpucount", "--guest").strip() == str(sum(online_of(guest).values())) == "2"


def test_setvcpus_and_guestvcpus_switch_processors(guest):
    guest.on_host("setvcpus", "1", "--guest")
    assert online_of(guest) == {0: True, 1: False}
    guest.on_host("setvcpus", "2", "--guest")
    assert online_of(guest) == {0: True, 1: True}
    guest.on_host("guestvcpus", "--disable", "--cpulist", "1")
    assert online_of(guest) == {0: True, 1: False}
    guest.on_host("guestvcpus", "--enable", "--cpulist", "1")
    assert online_of(guest) == {0: True, 1: True}


# ---- the agent itself ----


def test_qemu_agent_command_shows_the_reply(guest):
    told = guest.on_host("qemu-agent-command", "--timeout", "10", "--pretty", '{"execute":"guest-get-host-name"}')
    assert json.loads(told) == {"return": {"host-name": guest.check("hostname")}}
    assert json.loads(guest.on_host("qemu-agent-command", "--block", '{"execute":"guest-ping"}')) == {"return": {}}


def test_guest_agent_timeout_bounds_the_wait_for_an_agent_that_is_stopped(guest):
    guest.on_host("guest-agent-timeout", "--timeout", "3")
    try:
        pids = guest.check("pgrep -f '^[^ ]*(qemu-ga|reeved)|^reeve-'").split()
        guest.check(f"kill -STOP {' '.join(pids)}")
        done = guest.virsh("domtime", NAME)
        assert done.returncode != 0
        assert "agent is not responding" in done.stderr
    finally:
        guest.check(f"kill -CONT {' '.join(pids)}")
        guest.on_host("guest-agent-timeout", "--timeout", "-2")
    guest.wait_for_agent()
    assert guest.on_host("domhostname", "--source", "agent").strip() == "reeve-guest"
