"""Reeve's own inventory, held against the machine itself and its programs."""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from prometheus_client.openmetrics import parser

from running_agent import connect, start_reeve
from running_reeve import reeve_in_directory
from side_by_side import text_of, value_of

# While a test asks, others use memory.
SLACK_BYTES = 512 << 20


@pytest.fixture(scope="module", name="reeve")
def fixture_reeve(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy("schema: 1\nprofile: standard\n")
        reeve.start()
        yield reeve


def meminfo():
    """{name: bytes}."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in map(str.split, lines) if words[-1] == "kB"}


# ---- memory


def test_memory_is_that_of_proc(reeve):
    memory, proc = value_of(reeve.call("inventory-memory")), meminfo()
    assert (memory["total"], memory["swap-total"]) == (proc["MemTotal"], proc["SwapTotal"])
    for member, name in (("free", "MemFree"), ("available", "MemAvailable"), ("buffers", "Buffers"), ("cached", "Cached"),
                         ("swap-free", "SwapFree")):
        assert abs(memory[member] - proc[name]) < SLACK_BYTES, member


@pytest.mark.parametrize("what", ["cpu", "memory", "io"])
def test_pressure_is_that_of_proc(reeve, what):
    path = pathlib.Path("/proc/pressure") / what
    if not path.exists():
        pytest.skip("this kernel counts no pressure")

    def total():
        return int(re.search(r"some .*total=([0-9]+)", path.read_text())[1])

    before, own, after = total(), value_of(reeve.call("inventory-memory"))["pressure"][what], total()
    assert before <= own["some"]["total-us"] <= after
    assert 0 <= own["some"]["avg10"] <= 100


def test_kernel_without_pressure_says_none_and_the_rest(reeve_install):
    """A file that is not there, and is asked for, reads as empty."""
    with in_mount_namespace(reeve_install, "mount -t tmpfs tmpfs /proc/pressure") as call:
        memory = value_of(call("inventory-memory"))
        assert "pressure" not in memory and memory["total"] > 0
        assert "node_pressure" not in value_of(call("inventory-metrics"))["text"]


@contextlib.contextmanager
def in_mount_namespace(install, script):
    """`call` of an agent in a mount tree of its own, in which `script` has run. Profile `open`."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-own-inventory-"))
    directory.chmod(0o755)
    agent = start_reeve(directory, install, within=["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                                                    script + '; exec "$@"', "sh"])

    def call(command, **arguments):
        with connect(agent) as client:
            return client.call(command, **arguments)

    try:
        yield call
    finally:
        agent.stop()
        shutil.rmtree(directory)


# ---- metrics


def samples_of(reeve):
    """{name: {labels: value}}, as the reference parser understands them."""
    text = value_of(reeve.call("inventory-metrics"))["text"]
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            of_name = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in of_name, "a sample stands there twice"
            of_name[labels] = sample.value
    return found


def test_metrics_are_open_metrics_and_those_of_proc(reeve):
    samples = samples_of(reeve)
    assert samples["node_memory_MemTotal_bytes"][()] == meminfo()["MemTotal"]
    stat = pathlib.Path("/proc/stat").read_text()
    assert samples["node_boot_time_seconds"][()] == int(re.search(r"^btime ([0-9]+)", stat, re.M)[1])
    processors = {dict(labels)["cpu"] for labels in samples["node_cpu_seconds_total"]}
    assert processors == set(re.findall(r"^cpu([0-9]+)", stat, re.M))
    disks = {line.split()[2] for line in pathlib.Path("/proc/diskstats").read_text().splitlines()}
    assert {dict(labels)["device"] for labels in samples.get("node_disk_read_bytes_total", {})} == disks
    interfaces = {line.split(":")[0].strip() for line in pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]}
    assert {dict(labels)["device"] for labels in samples["node_network_receive_bytes_total"]} == interfaces
    assert len(samples["node_load1"]) == 1


def test_metrics_of_file_systems_are_those_of_fsinfo(reeve):
    infos = {info["mountpoint"]: info for info in value_of(reeve.call("guest-get-fsinfo")) if "total-bytes" in info}
    sizes = {dict(labels)["mountpoint"]: value for labels, value in samples_of(reeve).get("node_filesystem_size_bytes", {}).items()}
    assert sizes == {path: info["total-bytes-privileged"] for path, info in infos.items()}


def test_counters_of_metrics_do_not_go_down(reeve):
    before, after = samples_of(reeve), samples_of(reeve)
    assert before.keys() == after.keys()
    for name in before:
        for labels, value in before[name].items():
            assert not name.endswith("_total") or value <= after[name].get(labels, value), (name, labels)


# ---- packages


def pages_of(reeve, command, rows, limit, **arguments):
    """All pages, put together."""
    found = []
    while True:
        value = value_of(reeve.call(command, offset=len(found), limit=limit, **arguments))
        found += value[rows]
        if len(found) >= value["total"] or not value[rows]:
            assert len(found) == value["total"]
            return found


def test_packages_are_those_of_dpkg_query(reeve):
    if not pathlib.Path("/var/lib/dpkg/status").exists():
        pytest.skip("no dpkg on this machine")
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    expected = sorted(tuple(line.split()[1:]) for line in shown.splitlines() if line.split()[0] in ("installed", "triggers-pending", "triggers-awaited"))
    whole = value_of(reeve.call("inventory-packages", limit=5000))
    assert whole["manager"] == "dpkg"
    assert sorted((row["name"], row["version"], row["architecture"]) for row in whole["packages"]) == expected
    assert pages_of(reeve, "inventory-packages", "packages", 97) == whole["packages"]
    assert [row["name"] for row in whole["packages"]] == sorted(row["name"] for row in whole["packages"])
    prefixed = value_of(reeve.call("inventory-packages", prefix="lib", limit=5000))["packages"]
    assert prefixed == [row for row in whole["packages"] if row["name"].startswith("lib")]


def test_wishes_that_cannot_be_are_refused(reeve):
    assert text_of(reeve.call("inventory-packages", limit=5001)) == "Parameter 'limit' must be 1 to 5000"
    assert text_of(reeve.call("inventory-services", offset=-1)) == "Parameter 'offset' must not be negative"


@contextlib.contextmanager
def with_programs(install, programs, script="true"):
    """A Reeve in a mount tree of its own, in which `script` has run, and whose programs are shell scripts of the test."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="reeve-programs-", dir="/var/tmp"))  # a `readonly` program has its own /tmp
    place.chmod(0o755)
    try:
        with reeve_in_directory(install) as reeve:
            rules = ""
            for name, lines in programs.items():
                path = place / name
                path.write_text("#!/bin/sh\n" + lines)
                path.chmod(0o755)
                rules += f"      {name}: {{run: {path}}}\n"
            reeve.write_policy(f"schema: 1\nprofile: standard\nplugins:\n  inventory:\n    programs:{' {}' if not rules else ''}\n{rules}")
            starter = place / "start"
            starter.write_text(f"#!/bin/sh\nexec unshare --mount --propagation private sh -ec '{script}; exec \"$@\"' sh {install}/sbin/reeved \"$@\"\n")
            starter.chmod(0o755)
            reeve.start(executable=str(starter))
            yield reeve
    finally:
        shutil.rmtree(place)


FAKE_RPM = r"""
[ "$1 $2 $3" = '-qa --queryformat %{NAME}\t%{EVR}\t%{ARCH}\n' ] || exit 3
[ "$(id -u)" = 65534 ] || exit 4
printf 'tzdata\t2023c-1.el9\tnoarch\ngpg-pubkey\t1-2\t(none)\nbash\t5.1.8-6.el9\tx86_64\n'
"""


def test_packages_of_rpm_where_dpkg_has_none(reeve_install):
    with with_programs(reeve_install, {"rpm": FAKE_RPM}, "mount -t tmpfs tmpfs /var/lib/dpkg") as reeve:
        assert value_of(reeve.call("inventory-packages")) == {
            "manager": "rpm", "total": 2,
            "packages": [{"name": "bash", "version": "5.1.8-6.el9", "architecture": "x86_64"},
                         {"name": "tzdata", "version": "2023c-1.el9", "architecture": "noarch"}]}


RPM_SPEC = """
Name: {name}
Epoch: 4
Version: 1.2
Release: 3
Summary: x
License: x
BuildArch: noarch
%description
x
%files
"""


def install_by_rpm(directory, database, name):
    """A package without files in it, into a database of the test's own."""
    spec = directory / f"{name}.spec"
    spec.write_text(RPM_SPEC.format(name=name))
    subprocess.run(["rpmbuild", "--quiet", "--define", f"_topdir {directory}", "-bb", spec], check=True, capture_output=True)
    subprocess.run(["rpm", "--dbpath", database, "--justdb", "--nodeps", "--install", directory / f"RPMS/noarch/{name}-1.2-3.noarch.rpm"],
                   check=True, capture_output=True)


def test_packages_are_those_of_the_real_rpm_and_its_changes_are_seen(reeve_install, tmp_path):
    if shutil.which("rpmbuild") is None:
        pytest.skip("no rpm on this machine")
    tmp_path.chmod(0o755)
    database, macros = tmp_path / "database", tmp_path / "macros"
    for path in (database, macros):
        path.mkdir()
    # As distributions have it that use rpm; Debian's own is in the home of whoever asks.
    (macros / "macros.own").write_text("%_dbpath /var/lib/rpm\n")
    subprocess.run(["rpm", "--dbpath", database, "--initdb"], check=True)
    install_by_rpm(tmp_path, database, "second")
    script = f"mount -t tmpfs tmpfs /var/lib/dpkg; mount --bind {database} /var/lib/rpm; mount --bind {macros} /usr/lib/rpm/macros.d"
    with with_programs(reeve_install, {}, script) as reeve:
        second = {"name": "second", "version": "4:1.2-3", "architecture": "noarch"}
        assert value_of(reeve.call("inventory-packages")) == {"manager": "rpm", "total": 1, "packages": [second]}
        install_by_rpm(tmp_path, database, "first")
        assert value_of(reeve.call("inventory-packages"))["packages"] == [{**second, "name": "first"}, second]
        subprocess.run(["rpm", "--dbpath", database, "--justdb", "--nodeps", "--erase", "second"], check=True)
        assert [row["name"] for row in value_of(reeve.call("inventory-packages"))["packages"]] == ["first"]


# ---- services

FAKE_SYSTEMCTL = r"""
[ "$1 $2 $3 $5" = 'show --all --no-pager *.service' ] || exit 3
[ "$(id -u)" = 65534 ] || exit 4
printf 'Id=b.service\nDescription=B\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n\n'
printf 'Id=a.service\nDescription=A\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n'
"""


def test_services_are_what_systemctl_shows(reeve_install):
    with with_programs(reeve_install, {"systemctl": FAKE_SYSTEMCTL}) as reeve:
        a = {"name": "a.service", "load": "not-found", "active": "inactive", "sub": "dead", "description": "A"}
        b = {"name": "b.service", "load": "loaded", "active": "active", "sub": "running", "description": "B", "enabled": "enabled"}
        assert value_of(reeve.call("inventory-services")) == {"total": 2, "services": [a, b]}
        assert value_of(reeve.call("inventory-services", offset=1, limit=1)) == {"total": 2, "services": [b]}


def test_machine_without_systemd_says_so(reeve):
    if pathlib.Path("/run/systemd/system").exists():
        pytest.skip("this machine has systemd")
    text = text_of(reeve.call("inventory-services"))
    assert "not been booted with systemd" in text or text == "this machine has no systemd"


# ---- containers

FAKE_PODMAN = """
[ "$*" = "ps --all --format json" ] && [ "$(id -u)" = 0 ] || exit 3
echo '[{"Id": "p1", "Names": ["web"], "Image": "nginx", "State": "running", "Created": 1700000000}]'
"""
FAKE_DOCKER = """
[ "$*" = "ps --all --no-trunc --format {{json .}}" ] || exit 3
echo '{"ID":"d1","Names":"db","Image":"redis","State":"exited","CreatedAt":"2023-11-14 22:13:20 +0000 UTC"}'
echo '{"ID":"p1","Names":"web","Image":"nginx","State":"running","CreatedAt":"2023-11-14 22:13:20 +0000 UTC"}'
"""
FAKE_CTR = """
case "$*" in
  "namespaces list --quiet") echo k8s.io; echo "--address=/tmp/x" ;;
  "--namespace k8s.io containers list") echo "CONTAINER IMAGE RUNTIME"; echo "c1 pause io.containerd.runc.v2" ;;
  "--namespace k8s.io tasks list") echo "ctr: no such thing" >&2; exit 1 ;;
  *) exit 3 ;;
esac
"""


def test_containers_of_all_engines_that_there_are(reeve_install):
    with with_programs(reeve_install, {"podman": FAKE_PODMAN, "docker": FAKE_DOCKER}) as reeve:
        assert value_of(reeve.call("inventory-containers")) == {
            "total": 2, "failures": [], "containers": [
                {"engine": "podman", "id": "p1", "names": ["web"], "image": "nginx", "state": "running", "created": 1700000000},
                {"engine": "docker", "id": "d1", "names": ["db"], "image": "redis", "state": "exited", "created": 1700000000}]}


def test_an_engine_that_fails_is_told_beside_the_others(reeve_install):
    with with_programs(reeve_install, {"podman": FAKE_PODMAN, "ctr": FAKE_CTR, "docker": "echo {"}) as reeve:
        value = value_of(reeve.call("inventory-containers"))
        assert [row["id"] for row in value["containers"]] == ["p1"]
        failures = {failure["engine"]: failure["text"] for failure in value["failures"]}
        assert failures["docker"].startswith("docker printed no JSON")
        assert failures["containerd"] == "ctr failed with exit code 1: ctr: no such thing"


CROWDED_CTR = """
case "$*" in
  "namespaces list --quiet") for i in 0 1 2 3 4 5 6 7; do echo ns$i; done ;;
  *" containers list") echo "CONTAINER IMAGE RUNTIME"; echo "same pause runc"; sleep 0.1 ;;
  *" tasks list") echo "TASK PID STATUS" ;;
esac
"""


def test_many_hosts_that_ask_for_containers_at_once_are_all_answered_and_hold_up_nobody(reeve_install):
    """So many programs at once had more descriptors than a worker may have."""
    programs = {"podman": "sleep 0.1; echo '[]'", "docker": "sleep 0.1", "ctr": CROWDED_CTR}
    with with_programs(reeve_install, programs) as reeve, contextlib.ExitStack() as undo:
        value_of(reeve.call("guest-get-host-name"))
        worker = reeve.worker("inventory")
        hosts = [undo.enter_context(reeve.connect(timeout_s=60)) for _ in range(12)]
        for host in hosts:
            host.send(b'{"execute": "inventory-containers"}\n')
        value_of(reeve.call("guest-get-host-name"))
        assert not all(host.has_input() for host in hosts), "it was answered after them"
        for host in hosts:
            value = value_of(json.loads(host.read_line()))
            assert [row["namespace"] for row in value["containers"]] == [f"ns{number}" for number in range(8)]
            assert value["failures"] == []
        assert reeve.worker("inventory") == worker


def test_no_engine_is_no_error(reeve_install):
    missing = {name: f"{{run: /nonexistent/{name}}}" for name in ("podman", "docker", "ctr")}
    with reeve_in_directory(reeve_install) as reeve:
        rules = "".join(f"      {name}: {rule}\n" for name, rule in missing.items())
        reeve.write_policy(f"schema: 1\nprofile: standard\nplugins:\n  inventory:\n    programs:\n{rules}")
        reeve.start()
        assert value_of(reeve.call("inventory-containers")) == {"total": 0, "containers": [], "failures": []}


# ---- policy


def test_a_command_is_denied_by_its_name(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy("schema: 1\nprofile: standard\ncommands: {deny: [inventory-metrics]}\n")
        reeve.start()
        assert "error" in reeve.call("inventory-metrics")
        assert "return" in reeve.call("inventory-memory")
