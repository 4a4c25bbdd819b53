"""The getters, held against Debian's qemu-ga on the same machine, field by field, and against the machine itself.

What qemu-ga 7.2 has not got (load, route, devices) is held against the machine alone. What grows all the time is asked of
qemu-ga before and after: Reeve's value lies between."""

import contextlib
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zoneinfo

import pytest

from private_place import (DEAD_PROCESS, USER_PROCESS, PrivatePlace, crowd_of_interfaces, crowd_of_logins, utmp_record)
from running_agent import Agent, QEMU_GA, connect, qemu_ga_words, reeve_words
from running_reeve import reeve_in_directory, status_of, wait_until
from side_by_side import text_of, value_of

# Of a host; far below any that there is.
POLL_S = 0.1
# Far above what anything takes on a busy machine.
HANG_LIMIT_S = 30


class Place:
    """Both agents on one machine, or in a network and a mount tree of their own on it."""

    def __init__(self, directory, install, enter=()):
        self.directory = directory
        self.enter = list(enter)
        (directory / "reeve").mkdir(0o755)
        (directory / "qemu-ga").mkdir(0o755)
        self.agents = []
        try:
            self.reeve = self._start("reeve", reeve_words(directory / "reeve", install))
            self.qemu_ga = self._start("qemu-ga", qemu_ga_words(directory / "qemu-ga"))
        except BaseException:
            self.stop()
            raise

    def _start(self, name, words):
        agent = Agent(name, [*self.enter, *words], self.directory / name / "socket", self.directory / name / "log")
        self.agents.append(agent)
        return agent

    def run(self, *words):
        """What the program prints, run where the agents are."""
        return subprocess.run([*self.enter, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def ask(self, command):
        """(Reeve's reply, qemu-ga's)."""
        return tuple(self._call(agent, command) for agent in (self.reeve, self.qemu_ga))

    def values(self, command):
        return tuple(value_of(reply) for reply in self.ask(command))

    def around(self, command):
        """(qemu-ga's value, Reeve's, qemu-ga's again), in this order."""
        return tuple(value_of(self._call(agent, command)) for agent in (self.qemu_ga, self.reeve, self.qemu_ga))

    def value(self, command):
        return value_of(self._call(self.reeve, command))

    @staticmethod
    def _call(agent, command):
        with connect(agent) as client:
            return client.call(command)

    def stop(self):
        for agent in self.agents:
            agent.stop()


@contextlib.contextmanager
def directory_of_its_own():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-inventory-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def need_qemu_ga():
    if not os.access(QEMU_GA, os.X_OK):
        pytest.skip("no qemu-ga here to compare with")


@pytest.fixture(scope="module")
def machine(reeve_install):
    need_qemu_ga()
    with directory_of_its_own() as directory:
        place = Place(directory, reeve_install)
        yield place
        place.stop()


class PrivateMachine(PrivatePlace):
    """Namespaces in which start() starts both agents, once the test has set them up."""

    def __init__(self, install, directory):
        super().__init__(network=True)
        self.install = install
        self.directory = directory
        self.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        self.place = None

    def start(self):
        self.place = Place(self.directory, self.install, self.within)
        return self.place

    def end(self):
        if self.place is not None:
            self.place.stop()
        super().end()


@pytest.fixture
def private(reeve_install):
    need_qemu_ga()
    with directory_of_its_own() as directory:
        place = PrivateMachine(reeve_install, directory)
        yield place
        place.end()


# ---- names


@pytest.mark.parametrize("command", ["guest-get-osinfo", "guest-get-host-name", "guest-get-timezone", "guest-get-vcpus",
                                     "guest-get-memory-blocks", "guest-get-memory-block-info", "guest-get-users"])
def test_reply_is_qemu_gas(machine, command):
    reeve, qemu_ga = machine.ask(command)
    assert reeve == qemu_ga


def test_osinfo_is_what_kernel_and_distribution_say(machine):
    info = machine.value("guest-get-osinfo")
    kernel = os.uname()
    assert (info["kernel-release"], info["kernel-version"], info["machine"]) == (kernel.release, kernel.version, kernel.machine)


OS_RELEASE = r"""
# A comment
NAME="Some \"OS\" \$x \\ \q"
ID=other
VERSION_ID=1.2;3
VERSION="1.2 (x)" trailing
  VARIANT = "Server"
VARIANT_ID=
PRETTY_NAME="Ünïcode"
ID=last
"""


def test_os_release_is_understood_as_qemu_ga_does(private):
    file = private.directory / "os-release"
    file.write_text(OS_RELEASE)
    private.run("mount", "--bind", str(file), "/usr/lib/os-release")
    reeve, qemu_ga = private.start().values("guest-get-osinfo")
    assert reeve == qemu_ga
    assert (reeve["id"], reeve["pretty-name"], reeve["variant-id"]) == ("last", "Ünïcode", "")


def test_os_release_of_the_environment_is_read_in_its_place(reeve_install):
    need_qemu_ga()
    with directory_of_its_own() as directory:
        file = directory / "my-release"
        file.write_text(OS_RELEASE)
        place = Place(directory, reeve_install, ["env", f"QGA_OS_RELEASE={file}"])
        try:
            reeve, qemu_ga = place.values("guest-get-osinfo")
            assert reeve == qemu_ga and reeve["id"] == "last"
            file.unlink()
            reeve, qemu_ga = place.values("guest-get-osinfo")
            assert reeve == qemu_ga and "id" not in reeve
        finally:
            place.stop()


def test_os_release_in_single_quotes_and_with_a_bad_line_is_still_read(private):
    """qemu-ga leaves the quote in, and takes nothing from a file with a bad line."""
    file = private.directory / "os-release"
    file.write_text("NAME='Some OS'\nthis is no assignment\nID=x\n")
    private.run("mount", "--bind", str(file), "/usr/lib/os-release")
    place = private.start()
    info = place.value("guest-get-osinfo")
    assert (info["name"], info["id"]) == ("Some OS", "x")
    file.write_text("NAME=Changed\n")  # in place
    info = place.value("guest-get-osinfo")
    assert (info["name"], info.get("id")) == ("Changed", None)


# ---- files that others take the place of, while a host polls


# Becomes the program of its further words, under that name of the machine.
SET_HOST_NAME = """
import ctypes, os, sys
name = os.fsencode(sys.argv[1])
ctypes.CDLL(None).sethostname(name, len(name))
os.execv(sys.argv[2], sys.argv[2:])
"""


class OwnEtc:
    """/etc of the test's own, so that what stands in it can be replaced."""

    def __init__(self, private):
        self.path = private.directory / "etc"
        self.path.mkdir(0o755)
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", self.path)
        private.run("mount", "--bind", str(self.path), "/etc")

    def put(self, name, data):
        """In the place of what stands there, as package managers do."""
        new = self.path / "new"
        new.write_bytes(data)
        new.chmod(0o644)
        new.rename(self.path / name)


def polled_until(client, command, claim):
    """The first value for which `claim` is true, asked as a host does that polls; no request may fail."""
    def value():
        time.sleep(POLL_S)
        found = value_of(client.call(command))
        return [found] if claim(found) else None

    return wait_until(value, HANG_LIMIT_S, command)[0]


def test_os_release_that_was_replaced_is_told_while_a_host_polls(private):
    etc = OwnEtc(private)
    etc.put("os-release", b"NAME=first\n")
    place = private.start()
    with connect(place.reeve) as client:
        for name in ("first", "second", "third"):
            etc.put("os-release", f"NAME={name}\n".encode())
            polled_until(client, "guest-get-osinfo", lambda info: info["name"] == name)
        (etc.path / "os-release").unlink()
        distribution = polled_until(client, "guest-get-osinfo", lambda info: info.get("name") != "third")
        assert distribution["kernel-release"] == os.uname().release
        etc.put("os-release", b"NAME=back\n")
        polled_until(client, "guest-get-osinfo", lambda info: info["name"] == "back")


def test_os_release_under_another_mount_is_told(private):
    for name in ("first", "second"):
        (private.directory / name).write_text(f"NAME={name}\n")
    private.run("mount", "--bind", str(private.directory / "first"), "/usr/lib/os-release")
    place = private.start()
    with connect(place.reeve) as client:
        assert value_of(client.call("guest-get-osinfo"))["name"] == "first"
        private.run("mount", "--bind", str(private.directory / "second"), "/usr/lib/os-release")
        polled_until(client, "guest-get-osinfo", lambda info: info["name"] == "second")


def test_zone_that_was_replaced_is_told_while_a_host_polls(private):
    zones = pathlib.Path("/usr/share/zoneinfo/Asia")
    if not zones.exists():
        pytest.skip("no zoneinfo on this machine")
    etc = OwnEtc(private)
    etc.put("localtime", (zones / "Tokyo").read_bytes())
    place = private.start()
    with connect(place.reeve) as client:
        assert value_of(client.call("guest-get-timezone"))["zone"] == "JST"
        etc.put("localtime", (zones / "Kathmandu").read_bytes())
        polled_until(client, "guest-get-timezone", lambda zone: zone["offset"] == 5 * 3600 + 45 * 60)
        (etc.path / "localtime").unlink()
        polled_until(client, "guest-get-timezone", lambda zone: zone == {"zone": "UTC", "offset": 0})
        (etc.path / "localtime").symlink_to("../usr/share/zoneinfo/Asia/Tokyo")
        polled_until(client, "guest-get-timezone", lambda zone: zone["zone"] == "JST")


def test_logins_in_a_file_that_came_later_are_told_while_a_host_polls(private):
    place = private.start()
    with connect(place.reeve) as client:
        assert value_of(client.call("guest-get-users")) == []
        for name in (b"early", b"late"):
            private.run("tee", "/run/utmp.new", input=utmp_record(USER_PROCESS, name, 100))
            private.run("mv", "/run/utmp.new", "/run/utmp")
            polled_until(client, "guest-get-users", lambda users: [user["user"] for user in users] == [name.decode()])


def test_worker_whose_files_stay_is_not_renewed(private):
    etc = OwnEtc(private)
    etc.put("os-release", b"NAME=here\n")
    etc.put("localtime", b"no zone")
    private.run("touch", "/run/utmp")
    place = private.start()
    with connect(place.reeve) as client:
        commands = [*GETTERS, "guest-get-disks", "guest-get-fsinfo", "inventory-packages"]
        for _ in range(8):  # longer than the second that a worker lives at least
            for command in commands:
                client.call(command)
            time.sleep(0.2)
        assert "another process takes its place" not in (private.directory / "reeve/log").read_text()


def test_zone_that_cannot_be_read_is_an_error_and_not_utc(private):
    etc = OwnEtc(private)
    etc.put("localtime", b"")
    (etc.path / "localtime").chmod(0)
    place = private.start()
    reply, _ = place.ask("guest-get-timezone")
    assert text_of(reply) == "open /etc/localtime: Permission denied"


# ---- time


def test_zone_is_the_guests_and_not_that_of_the_agents_environment(machine, reeve_install):
    with directory_of_its_own() as directory:
        place = Place(directory, reeve_install, ["env", "TZ=Pacific/Chatham"])
        try:
            reeve, qemu_ga = place.values("guest-get-timezone")
        finally:
            place.stop()
    assert reeve == machine.value("guest-get-timezone")
    assert qemu_ga["zone"] in ("+1245", "+1345"), "it follows its own"


def test_name_of_the_longest_kind_and_of_any_bytes_is_told(reeve_install):
    """qemu-ga has no room for the former."""
    for name in (b"x" * 64, b"bad\xff", b""):
        with directory_of_its_own() as directory:
            place = Place(directory, reeve_install, ["unshare", "--uts", sys.executable, "-c", SET_HOST_NAME, os.fsdecode(name)])
            try:
                assert place.value("guest-get-host-name") == {"host-name": name.decode(errors="replace")}
            finally:
                place.stop()


def test_time_lies_between_qemu_gas(machine):
    before, reeve, after = machine.around("guest-get-time")
    assert before <= reeve <= after
    assert reeve % 1000 == 0


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham"])
def test_time_zone_follows_a_change_of_the_file(private, zone):
    if not os.path.exists(f"/usr/share/zoneinfo/{zone}"):
        pytest.skip("no zoneinfo on this machine")
    private.run("mount", "-t", "tmpfs", "tmpfs", "/usr/share/zoneinfo/Etc")  # /etc/localtime may point into it
    private.run("cp", "/usr/share/zoneinfo/Asia/Tokyo", "/usr/share/zoneinfo/Etc/UTC")
    if os.path.realpath("/etc/localtime") != "/usr/share/zoneinfo/Etc/UTC":
        pytest.skip("/etc/localtime does not point at Etc/UTC")
    place = private.start()
    assert place.value("guest-get-timezone") == {"zone": "JST", "offset": 9 * 3600}
    private.run("cp", f"/usr/share/zoneinfo/{zone}", "/usr/share/zoneinfo/Etc/new")
    private.run("mv", "/usr/share/zoneinfo/Etc/new", "/usr/share/zoneinfo/Etc/UTC")
    now = datetime.datetime.now(zoneinfo.ZoneInfo(zone))
    expected = {"zone": now.tzname(), "offset": now.utcoffset().total_seconds()}
    assert place.value("guest-get-timezone") == expected


# ---- users


def test_each_user_is_there_once_with_the_earliest_login(private):
    records = [utmp_record(USER_PROCESS, b"second", 2_000, 250_000), utmp_record(DEAD_PROCESS, b"gone", 5), utmp_record(USER_PROCESS, b"first", 900),
               utmp_record(USER_PROCESS, b"second", 1_000, 999_999), utmp_record(USER_PROCESS, b"third", 1_700_000_000, 123_456)]
    private.run("tee", "/run/utmp", input=b"".join(records))
    reeve, qemu_ga = private.start().values("guest-get-users")
    assert reeve == qemu_ga
    assert [user["user"] for user in reeve] == ["second", "first", "third"]
    assert reeve[0]["login-time"] == 1000.999999


def test_odd_records_of_users_end_nothing(private):
    """qemu-ga runs beyond a name without an end into the next member."""
    cut = utmp_record(USER_PROCESS, b"whole", 7) + utmp_record(USER_PROCESS, b"cut", 8)[:100]
    private.run("tee", "/run/utmp", input=utmp_record(USER_PROCESS, b"x" * 32, 1) + utmp_record(USER_PROCESS, b"\xff\xfe", 2) + cut)
    assert private.start().value("guest-get-users") == [
        {"login-time": 1, "user": "x" * 32}, {"login-time": 2, "user": "\ufffd\ufffd"}, {"login-time": 7, "user": "whole"}]


def test_five_thousand_logins_are_qemu_gas(private):
    private.run("tee", "/run/utmp", input=crowd_of_logins(5000))
    reeve, qemu_ga = private.start().values("guest-get-users")
    assert reeve == qemu_ga and len(reeve) == 5000


# ---- network


def without_statistics(interfaces):
    return [{key: value for key, value in interface.items() if key != "statistics"} for interface in interfaces]


def assert_interfaces_are_qemu_gas(place):
    for _ in range(10):  # a link that was just set up may get its address amid the three
        before, reeve, after = place.around("guest-network-get-interfaces")
        if without_statistics(before) == without_statistics(after):
            break
    assert without_statistics(reeve) == without_statistics(after)
    for low, own, high in zip(before, reeve, after):
        assert low.get("statistics", {}).keys() == own.get("statistics", {}).keys()
        for key, value in own.get("statistics", {}).items():
            assert low["statistics"][key] <= value <= high["statistics"][key], (own["name"], key)
    return {interface["name"]: interface for interface in reeve}


def test_interfaces_of_the_machine_are_qemu_gas(machine):
    assert "lo" in assert_interfaces_are_qemu_gas(machine)


def test_interfaces_with_odd_addresses_are_qemu_gas(private):
    def ip(*words):
        private.run("ip", *words)

    for name in ("plain", "bare", "six", "named"):
        ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
        ip("link", "set", name, "up")
        ip("link", "set", name + "p", "up")
    ip("address", "add", "192.0.2.1/24", "dev", "plain")
    ip("address", "add", "192.0.2.7/24", "dev", "plain")
    ip("address", "add", "2001:db8::5/64", "dev", "plain", "nodad")
    ip("address", "add", "2001:db8:1::6/128", "dev", "six", "nodad")
    ip("address", "add", "198.51.100.1/32", "dev", "named", "label", "named:web")
    ip("address", "add", "198.51.100.2/25", "dev", "named")
    ip("tuntap", "add", "mode", "tun", "tunnel")  # its hardware address has no bytes
    ip("address", "add", "203.0.113.1", "peer", "203.0.113.2/30", "dev", "tunnel")
    ip("link", "add", "empty", "type", "bridge")
    ip("link", "add", "bridge0", "type", "bridge")
    ip("address", "add", "10.1.0.1/24", "dev", "bridge0")  # which is down
    ip("link", "set", "plainp", "master", "bridge0")
    ip("link", "add", "above", "link", "plain", "type", "macvlan")
    ip("address", "add", "fe80::1234/64", "dev", "above", "nodad")
    ip("link", "add", b"od\xff", "type", "veth", "peer", "name", "q\"\\'")
    ip("address", "add", "10.2.0.1/24", "dev", b"od\xff")
    ip("address", "add", "10.3.0.1/0", "dev", "q\"\\'")
    for number in range(100):
        ip("address", "add", f"10.4.{number}.1/24", "dev", "bare")
    found = assert_interfaces_are_qemu_gas(private.start())
    assert "ip-addresses" not in found["empty"] and "statistics" not in found["empty"]
    assert found["bridge0"]["ip-addresses"] == [{"ip-address-type": "ipv4", "ip-address": "10.1.0.1", "prefix": 24}]
    assert {"od\ufffd", "q\"\\'"} <= found.keys()
    assert len(found["bare"]["ip-addresses"]) >= 100
    assert found["named:web"]["hardware-address"] == found["named"]["hardware-address"]
    assert "statistics" not in found["named:web"] and "statistics" in found["named"]
    assert found["tunnel"]["hardware-address"] == "00:00:00:00:00:00"
    assert {"ip-address-type": "ipv4", "ip-address": "203.0.113.1", "prefix": 30} in found["tunnel"]["ip-addresses"]


def test_two_hundred_interfaces_are_qemu_gas(private):
    crowd_of_interfaces(private, 200)
    assert len(assert_interfaces_are_qemu_gas(private.start())) == 201


def test_an_interface_that_comes_and_goes_is_seen_at_once(private):
    place = private.start()
    assert len(place.value("guest-network-get-interfaces")) == 1
    private.run("ip", "link", "add", "late", "type", "bridge")
    assert [interface["name"] for interface in place.value("guest-network-get-interfaces")] == ["lo", "late"]
    private.run("ip", "link", "delete", "late")
    assert len(place.value("guest-network-get-interfaces")) == 1


def test_routes_are_those_that_ip_shows(private):
    for words in ("link add uplink type veth peer name peer", "link set uplink up", "link set peer up",
                  "address add 192.0.2.2/24 dev uplink", "address add 2001:db8::2/64 dev uplink nodad",
                  "route add default via 192.0.2.1 metric 77 advmss 1360", "route add 198.51.100.0/25 via 192.0.2.9 dev uplink",
                  "-6 route add 2001:db8:7::/48 via 2001:db8::1 metric 512 dev uplink"):
        private.run("ip", *words.split())
    routes = private.start().value("guest-network-get-route")
    default = next(route for route in routes if route["destination"] == "0.0.0.0")
    assert default == {"iface": "uplink", "destination": "0.0.0.0", "gateway": "192.0.2.1", "mask": "0.0.0.0", "metric": 77,
                       "flags": 3, "refcnt": 0, "use": 0, "mtu": 1400, "window": 0, "irtt": 0, "version": 4}
    assert any((route["destination"], route.get("mask"), route.get("gateway")) == ("198.51.100.0", "255.255.255.128", "192.0.2.9")
               for route in routes)
    six = next(route for route in routes if route["destination"] == "2001:db8:7::")
    assert {key: six[key] for key in ("iface", "nexthop", "desprefixlen", "source", "srcprefixlen", "metric", "version")} == {
        "iface": "uplink", "nexthop": "2001:db8::1", "desprefixlen": "48", "source": "::", "srcprefixlen": "0", "metric": 512,
        "version": 6}
    table = [line.split() for line in private.run("cat", "/proc/net/route").decode().splitlines()[1:]]
    assert sum(route["version"] == 4 for route in routes) == len(table)
    assert sum(route["version"] == 6 for route in routes) == len(private.run("cat", "/proc/net/ipv6_route").splitlines())


# ---- statistics


def assert_between(low, own, high, path=()):
    """Structures of one shape, whose numbers do not go down."""
    if isinstance(own, dict):
        assert low.keys() == own.keys() == high.keys(), path
        for key in own:
            assert_between(low[key], own[key], high[key], (*path, key))
    elif isinstance(own, list):
        assert len(low) == len(own) == len(high), path
        for number, values in enumerate(zip(low, own, high)):
            assert_between(*values, (*path, number))
    elif isinstance(own, str) or path[-1] == "ios-pgr":  # requests in flight come and go
        assert isinstance(own, int) or low == own == high, path
    else:
        assert low <= own <= high, path


@pytest.mark.parametrize("command", ["guest-get-cpustats", "guest-get-diskstats"])
def test_statistics_lie_between_qemu_gas(machine, command):
    assert_between(*machine.around(command))


def test_load_is_that_of_proc(machine):
    for _ in range(5):  # it changes every five seconds
        before = pathlib.Path("/proc/loadavg").read_text().split()[:3]
        load = machine.value("guest-get-load")
        if before == pathlib.Path("/proc/loadavg").read_text().split()[:3]:
            break
    assert [load["load1m"], load["load5m"], load["load15m"]] == [float(word) for word in before]


# ---- processors, memory, devices


def test_where_there_are_no_memory_blocks_the_texts_are_qemu_gas(private):
    private.run("mount", "-t", "tmpfs", "tmpfs", "/sys/devices/system")
    place = private.start()
    reeve, qemu_ga = place.ask("guest-get-memory-blocks")
    assert reeve == qemu_ga == {"return": []}
    reeve, qemu_ga = place.ask("guest-get-memory-block-info")
    assert text_of(reeve) == text_of(qemu_ga)
    reeve, qemu_ga = place.ask("guest-get-vcpus")
    assert text_of(reeve) == text_of(qemu_ga)


def test_devices_are_those_of_sysfs_that_have_a_driver(machine):
    pci = pathlib.Path("/sys/bus/pci/devices")
    if not pci.exists():
        pytest.skip("no PCI on this machine")
    driven = [path for path in sorted(pci.iterdir()) if (path / "driver").exists()]
    devices = machine.value("guest-get-devices")
    assert [(device["id"]["vendor-id"], device["id"]["device-id"]) for device in devices] == [
        (int((path / "vendor").read_text(), 16), int((path / "device").read_text(), 16)) for path in driven]
    for device, path in zip(devices, driven):
        carried = [child for child in path.glob("virtio*") if (child / "driver").exists()]
        assert device["id"]["type"] == "pci"
        assert device["driver-name"] == os.path.basename(os.readlink((carried or [path])[0] / "driver"))
        assert device["driver-version"]


# ---- its sandbox, from outside


def test_worker_has_no_capability_and_shares_network_and_names_with_the_machine(machine):
    machine.value("guest-get-osinfo")
    pid = machine.reeve.process("reeve-worker")
    status = status_of(pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert "0" not in status["Uid"].split() and status["Groups"] == "" and status["NoNewPrivs"] == "1"
    shared = {kind for kind in ("net", "uts", "mnt", "ipc") if os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")}
    assert shared == {"net", "uts"}


def test_worker_inherits_what_its_manifest_names_and_no_other_file(machine):
    machine.value("guest-get-osinfo")
    pid = machine.reeve.process("reeve-worker")
    links = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    files = {re.sub(r"^/proc/\d+/", "/proc/", link) for link in links if link.startswith("/")}
    assert files == {"/dev/null", "/proc/mountinfo", "/proc/net/route", "/proc/net/ipv6_route", "/proc/loadavg", "/proc/stat",
                     "/proc/diskstats", "/proc/meminfo", "/proc/net/dev",
                     *(f"/proc/pressure/{name}" for name in ("cpu", "memory", "io") if os.path.exists(f"/proc/pressure/{name}"))}


def test_worker_with_nothing_granted_says_what_is_missing(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy("schema: 1\nprofile: standard\nplugins: {inventory: {sandbox: {inherit: []}}}\n")
        reeve.start()
        reply = reeve.call("guest-get-load")
        assert text_of(reply) == "proc:loadavg was not granted to the plugin inventory"
        assert "return" in reeve.call("guest-get-osinfo")
        assert "inherit proc:loadavg" in reeve.log()


# ---- all of them


GETTERS = ["guest-get-osinfo", "guest-get-host-name", "guest-get-timezone", "guest-get-time", "guest-get-users",
           "guest-network-get-interfaces", "guest-network-get-route", "guest-get-load", "guest-get-cpustats",
           "guest-get-diskstats", "guest-get-vcpus", "guest-get-memory-blocks", "guest-get-memory-block-info",
           "guest-get-devices", "inventory-memory", "inventory-metrics"]


@pytest.mark.parametrize("command", GETTERS)
def test_arguments_are_refused(machine, command):
    with connect(machine.reeve) as client:
        assert text_of(client.call(command, what=1)) == "Parameter 'what' is unexpected"
