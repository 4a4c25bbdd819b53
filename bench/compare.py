#!/usr/bin/python3
"""Reeve beside Debian's qemu-ga, on this machine, as a table. README.md explains the rows.

Needs root, python3, a built Reeve (default build/release) or an installed one, and /usr/sbin/qemu-ga. All agents serve a
unix socket and run all the time; rounds alternate between them and each figure is the median over the rounds, so that other
load on the machine meets all. *Pinned* has client and agents on one CPU, *free* leaves them to the kernel. The floor is an
agent that does no work (floor_agent.py)."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

import client  # noqa: E402
import count_calls  # noqa: E402
from floor_agent import FloorAgent  # noqa: E402
from running_agent import QEMU_GA, start_qemu_ga, start_reeve  # noqa: E402

# An aim that is missed by more than this part of it is not left as it is.
TOLERATED_MISS = 0.2


class Table:
    """Measures row after row and prints each at once."""

    def __init__(self, rounds, effort, is_printed):
        self._agents = {}
        self._rounds, self._effort, self._is_printed = rounds, effort, is_printed
        self.rows = []
        self._print(f"{'':46} {'unit':6} {'floor':>11} {'qemu-ga':>11} {'reeve':>11} {'ratio':>7}  aim")

    def _print(self, text):
        if self._is_printed:
            print(text, flush=True)

    def measure(self, agents):
        """Those that the next rows are about."""
        self._agents = {agent.name: agent for agent in agents}

    def row(self, title, unit, measure, names=("floor", "qemu-ga", "reeve"), aim=None, rounds=None, is_rate=False):
        """`aim` is what Reeve's figure divided by qemu-ga's must be at most, or for a rate at least."""
        samples = {name: [] for name in names}
        for _ in range(rounds or self._rounds):
            for name in names:
                samples[name].append(measure(self._agents[name], self._effort))
        row = {name: statistics.median(values) for name, values in samples.items()}
        row |= {"title": title, "unit": unit, "aim": aim, "is_rate": is_rate}
        if "qemu-ga" in row:
            row["ratio"] = row["reeve"] / row["qemu-ga"]
        row["verdict"] = verdict(row)
        self.rows.append(row)
        self._print(line_of(row))

    def pin(self, cpus):
        """Client and agents to these CPUs. Workers that start later inherit it."""
        os.sched_setaffinity(0, cpus)
        for agent in self._agents.values():
            for pid in agent.processes():
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    os.sched_setaffinity(int(task.name), cpus)


def verdict(row):
    aim, ratio = row["aim"], row.get("ratio")
    if aim is None or ratio is None:
        return ""
    shortfall = (aim / ratio if row["is_rate"] else ratio / aim) - 1
    if shortfall <= 0:
        return "met"
    return "missed" if shortfall <= TOLERATED_MISS else "MISSED BY MORE THAN A FIFTH"


def line_of(row):
    def figure(name, width, digits):
        return f"{row[name]:{width}.{digits}f}" if name in row else " " * (width - 1) + "-"

    goal = "" if row["aim"] is None else f"{'>=' if row['is_rate'] else '<='} {row['aim']}"
    figures = " ".join([figure("floor", 11, 1), figure("qemu-ga", 11, 1), figure("reeve", 11, 1), figure("ratio", 7, 2)])
    return f"{row['title']:46} {row['unit']:6} {figures}  {goal:7} {row['verdict']}".rstrip()


def measure_peak(table):
    table.row("peak of one 48 MB read, all processes", "MiB", client.peak_mib, ("qemu-ga", "reeve"), aim=0.6, rounds=1)


def measure_all(table):
    two, alone = ("qemu-ga", "reeve"), ("reeve",)
    table.row("memory at rest, one ping served (PSS)", "KiB", client.rest_kib, two, aim=2, rounds=1)
    # Before anything else has started a worker.
    table.row("memory polled as VDSM does (PSS)", "KiB", client.polled_as_vdsm_kib, two, rounds=1)
    table.row("memory polled as KubeVirt does (PSS)", "KiB", client.polled_as_kubevirt_kib, two, rounds=1)
    everywhere = os.sched_getaffinity(0)
    for mode, cpus, ping_aim, information_aim, read_aim in [("pinned", {min(everywhere)}, 0.5, 0.7, 6),
                                                            ("free", everywhere, None, 1.2, 4)]:
        table.pin(cpus)
        table.row(f"guest-ping, p50, {mode}", "us", client.ping_us, aim=ping_aim)
        table.row(f"guest-ping, {client.BURST} in flight, {mode}", "/s", client.pings_in_flight, aim=5, is_rate=True)
        table.row(f"guest-get-osinfo, p50, {mode}", "us", client.information_us, aim=information_aim)
        table.row(f"guest-network-get-interfaces, p50, {mode}", "us", client.interfaces_us)
        table.row(f"guest-get-fsinfo, p50, {mode}", "us", client.file_systems_us)
        table.row(f"guest-file-seek, p50, {mode}", "us", client.seek_us)
        table.row(f"guest-file-write, 1 MiB pieces, {mode}", "MiB/s", client.write_mib, aim=15, is_rate=True)
        table.row(f"guest-file-read, 1 MiB pieces, {mode}", "MiB/s", client.read_mib, aim=read_aim, is_rate=True)
        table.row(f"guest-exec /bin/true to exited, {mode}", "us", client.program_us, aim=1)
    table.row("sync while a worker is stuck (aim: under 1000)", "ms", client.sync_beside_stuck_command_ms, alone, rounds=3)
    if count_calls.is_possible():
        table.row("system calls of guest-ping", "calls", count_calls.ping, two, rounds=1)
        table.row("system calls of guest-get-osinfo", "calls", count_calls.information, two, rounds=1)
        table.row("system calls of guest-file-seek", "calls", count_calls.seek, two, rounds=1)
        table.row("system calls of one guest-exec and status", "calls", count_calls.program, two, rounds=1)


def install(build, into):
    """Reeve starts nothing that somebody else than root could have written, so it runs from no checkout."""
    subprocess.run(["cmake", "--install", build, "--prefix", into], check=True, stdout=subprocess.DEVNULL, umask=0o022)


def own_directory(parent, name):
    directory = parent / name
    directory.mkdir()
    directory.chmod(0o755)
    return directory


@contextlib.contextmanager
def running(place, prefix):
    """An agent of each kind, until the end of the block."""
    starts = {"reeve": lambda where: start_reeve(where, prefix), "qemu-ga": start_qemu_ga, "floor": FloorAgent}
    with contextlib.ExitStack() as undo:
        agents = []
        for name, start in starts.items():
            agents.append(start(own_directory(place, name)))
            undo.callback(agents[-1].stop)
        yield agents


def parse_options(description):
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="where Reeve was built")
    options.add_argument("--prefix", type=pathlib.Path,
                         help="where Reeve is installed; nothing is built then")
    options.add_argument("--rounds", type=int, help="samples of each figure (7)")
    options.add_argument("--quick", action="store_true", help="fewer samples, and smaller ones: for a look, not for a record")
    options.add_argument("--json", action="store_true", help="the rows as JSON instead of the table")
    return options.parse_args()


def main():
    chosen = parse_options(__doc__)
    if os.geteuid() != 0:
        raise SystemExit("compare.py: Reeve's warden needs root")
    if not os.access(QEMU_GA, os.X_OK):
        raise SystemExit(f"compare.py: {QEMU_GA} is missing (package qemu-guest-agent)")
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as undo:
        place = pathlib.Path(tempfile.mkdtemp(prefix="reeve-compare-"))
        undo.callback(shutil.rmtree, place)
        place.chmod(0o755)
        prefix = chosen.prefix
        if prefix is None:
            prefix = own_directory(place, "prefix")
            install(chosen.build, prefix)
        table = Table(chosen.rounds or (3 if chosen.quick else 7), client.Effort(chosen.quick), not chosen.json)
        # What earlier rows leave running (workers that wait for more) is no part of what one read takes.
        for where, measure in [("fresh", measure_peak), ("all", measure_all)]:
            with running(own_directory(place, where), prefix) as agents:
                table.measure(agents)
                measure(table)
        if chosen.json:
            print(json.dumps({"rows": table.rows}, indent=2))


if __name__ == "__main__":
    main()
