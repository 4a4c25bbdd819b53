"""Reeve's own inventory, held against the machine itself and its programs."""

import contextlib
import pathlib
import re
import shutil
import tempfile

import pytest
from prometheus_client.openmetrics import parser

from running_agent import connect, start_reeve
from running_reeve import reeve_in_directory
from side_by_side import value_of

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


# ---- policy


def test_a_command_is_denied_by_its_name(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy("schema: 1\nprofile: standard\ncommands: {deny: [inventory-metrics]}\n")
        reeve.start()
        assert "error" in reeve.call("inventory-metrics")
        assert "return" in reeve.call("inventory-memory")
