#!/usr/bin/python3
"""How long each getter of plugins/inventory takes, beside Debian's qemu-ga where that has it: on this machine, and in namespaces
with 500 mounts, 200 interfaces and 5,000 logins, where a host like VDSM still waits for one second.

    sudo bench/run.sh --getters [--quick] [--json] [--rounds N] [--prefix DIR]

Rounds alternate between the agents; a figure is the median over all requests, which the aim is for; `worst` is the slowest request of all, which other load on the
machine decides."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

from compare import install, own_directory, parse_options
from private_place import PrivatePlace, crowd_of_interfaces, crowd_of_logins, crowd_of_mounts
from running_agent import QEMU_GA, connect, start_qemu_ga, start_reeve

MOUNTS, INTERFACES, LOGINS = 500, 200, 5000
# Until what was read of disks counts as complete (storage/disk_table.h).
SETTLE_S = 1.2
# What each must keep: as it is, and in the crowd.
AIM_MS, CROWD_AIM_MS = 50, 1000
GETTERS = [
    "guest-get-osinfo", "guest-get-host-name", "guest-get-timezone", "guest-get-time", "guest-get-users", "guest-get-fsinfo",
    "guest-get-disks", "guest-get-diskstats", "guest-get-cpustats", "guest-get-load", "guest-get-vcpus",
    "guest-get-memory-blocks", "guest-get-memory-block-info", "guest-get-devices", "guest-network-get-interfaces",
    "guest-network-get-route", "inventory-memory", "inventory-metrics", "inventory-packages"]
CROWDED = ["guest-get-fsinfo", "guest-network-get-interfaces", "guest-get-users", "inventory-metrics"]


class Samples:
    """Of one command, by agent."""

    def __init__(self, agents, command, rounds, requests):
        self.ms = {agent.name: [] for agent in agents}
        for _ in range(rounds):
            for agent in agents:
                self.ms[agent.name] += _ask(agent, command, requests)

    def row(self, where, command, aim_ms):
        row = {"where": where, "command": command, "aim_ms": aim_ms}
        for name, samples in self.ms.items():
            if samples:
                row[name] = {"median_ms": statistics.median(samples), "worst_ms": max(samples)}
        return row


def _ask(agent, command, requests):
    """The times of so many requests to a worker that runs; none where the agent has no such command."""
    with connect(agent) as client:
        if "error" in client.call(command):
            return []
        return [_milliseconds(client, command) for _ in range(requests)]


def _milliseconds(client, command):
    begin = time.perf_counter()
    reply = client.call(command)
    took = (time.perf_counter() - begin) * 1000
    assert "return" in reply, reply
    return took


def _first(agent, command):
    """The first request that an agent gets, its worker's start with it."""
    with connect(agent) as client:
        return [_milliseconds(client, command)]


def line_of(row):
    def figures(name):
        if name not in row:
            return f"{'-':>9} {'-':>9}"
        return f"{row[name]['median_ms']:9.2f} {row[name]['worst_ms']:9.2f}"

    verdict = "met" if row["reeve"]["median_ms"] <= row["aim_ms"] else "MISSED"
    return f"{row['where']:12} {row['command']:30} {figures('qemu-ga')} {figures('reeve')}  <= {row['aim_ms']:4} {verdict}"


class Bench:
    def __init__(self, chosen, undo):
        self.rounds = chosen.rounds or (3 if chosen.quick else 7)
        self.requests = 5 if chosen.quick else 20
        self._is_printed = not chosen.json
        self._undo = undo
        self.rows = []
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-getters-"))
        undo.callback(shutil.rmtree, self.directory)
        self.directory.chmod(0o755)
        self.prefix = chosen.prefix
        if self.prefix is None:
            self.prefix = own_directory(self.directory, "prefix")
            install(chosen.build, self.prefix)
        if self._is_printed:
            print(f"{'ms':43} {'qemu-ga':>9} {'worst':>9} {'reeve':>9} {'worst':>9}")

    def start(self, where, within=()):
        """Both agents, stopped at the end of `with`."""
        place = own_directory(self.directory, where)
        agents = [start_reeve(own_directory(place, "reeve"), self.prefix, within=within)]
        if os.access(QEMU_GA, os.X_OK):
            agents.append(start_qemu_ga(own_directory(place, "qemu-ga"), within=within))
        return agents

    def add(self, row):
        self.rows.append(row)
        if self._is_printed:
            print(line_of(row), flush=True)

    def measure(self, where, within, commands, aim_ms):
        agents = self.start(where, within)
        try:
            for agent in agents:
                _ask(agent, "guest-get-disks", 1)
            time.sleep(SETTLE_S)
            for command in commands:
                self.add(Samples(agents, command, self.rounds, self.requests).row(where, command, aim_ms))
        finally:
            for agent in agents:
                agent.stop()

    def measure_first(self, where, within, command, aim_ms):
        """With agents that are started anew for each round."""
        samples = Samples([], command, 0, 0)
        for number in range(self.rounds):
            for agent in self.start(f"{where}-{number}", within):
                try:
                    samples.ms.setdefault(agent.name, []).extend(_first(agent, command))
                finally:
                    agent.stop()
        self.add(samples.row(where, command, aim_ms))

    def crowd(self):
        place = PrivatePlace(network=True)
        self._undo.callback(place.end)
        place.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        crowd_of_mounts(place, self.directory / "mounts", MOUNTS)
        crowd_of_interfaces(place, INTERFACES)
        place.run("tee", "/run/utmp", input=crowd_of_logins(LOGINS))
        return place


def main():
    chosen = parse_options(__doc__)
    if os.geteuid() != 0:
        raise SystemExit("getters.py: Reeve's warden needs root")
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as undo:
        bench = Bench(chosen, undo)
        bench.measure("as it is", (), GETTERS, AIM_MS)
        crowd = bench.crowd()
        bench.measure("crowd", crowd.within, CROWDED, CROWD_AIM_MS)
        bench.measure_first("crowd, first", crowd.within, "guest-get-fsinfo", CROWD_AIM_MS)
        if chosen.json:
            print(json.dumps({"rows": bench.rows}, indent=2))


if __name__ == "__main__":
    main()
