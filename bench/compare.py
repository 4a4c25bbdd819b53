#!/usr/bin/python3
"""Reeve beside Debian's qemu-ga, on this machine, as a table.

    sudo bench/compare.py [--build DIR | --prefix DIR] [--rounds N]

Needs python3, a built Reeve (default build/release) or an installed one, and /usr/sbin/qemu-ga. Both agents serve a unix
socket and run all the time; rounds alternate between them and each figure is the median over the rounds, so that other
load on the machine meets both. *Pinned* has client and agent on one CPU, *free* leaves them to the kernel. The floor is an
agent that does no work: a process that answers each line with a fixed one, through the same client."""

import argparse
import base64
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from running_agent import QEMU_GA, connect, start_qemu_ga, start_reeve  # noqa: E402

MIB = 1 << 20
PING = b'{"execute":"guest-ping"}\n'
PINGS = 1500
BURST = 100
BURSTS = 20
BULK_PIECES = 32
PROGRAMS = 25
BIG_READ_BYTES = 48 * MIB
# Two round trips after a process was stopped, its sockets may still hold what it would have answered.
SETTLE_S = 0.05


class Line:
    """A bare connection: what it costs the client itself must stay small."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(120)
        self._socket.connect(str(path))
        self._buffer = bytearray(4 * MIB)

    def ask(self, request):
        self._socket.sendall(request)
        return self.take(1)

    def take(self, lines):
        """Reads this many lines; returns the bytes of the last portion."""
        while True:
            count = self._socket.recv_into(self._buffer)
            if count == 0:
                raise ConnectionError("the agent closed")
            lines -= 1 if count > 4096 and self._buffer[count - 1] == 10 else self._buffer.count(b"\n", 0, count)
            if lines <= 0:
                return self._buffer[:count] if count < 4096 else b""

    def close(self):
        self._socket.close()


def micros(action, times):
    """The median time of one call."""
    clock, samples = time.perf_counter_ns, []
    for _ in range(times):
        begin = clock()
        action()
        samples.append(clock() - begin)
    return statistics.median(samples) / 1000


def ping(agent):
    line = Line(agent.socket)
    result = micros(lambda: line.ask(PING), PINGS)
    line.close()
    return result


def pings_in_flight(agent):
    line = Line(agent.socket)

    def burst():
        line._socket.sendall(PING * BURST)
        line.take(BURST)

    rate = BURST / micros(burst, BURSTS) * 1e6
    line.close()
    return rate


class OpenFile:
    """A file on tmpfs whose pages are there already, opened through the agent."""

    def __init__(self, agent, pieces):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-compare-", dir="/dev/shm"))
        directory.chmod(0o755)
        self._directory = directory
        path = directory / "file"
        path.write_bytes(os.urandom(MIB) * pieces)
        with connect(agent) as client:
            self.handle = client.call("guest-file-open", path=str(path), mode="r+")["return"]
        self.line = Line(agent.socket)

    def command(self, name, arguments):
        return b'{"execute":"%b","arguments":{"handle":%d%b}}\n' % (name, self.handle, arguments)

    def rewind(self):
        self.line.ask(self.command(b"guest-file-seek", b',"offset":0,"whence":"set"'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.ask(self.command(b"guest-file-close", b""))
        self.line.close()
        shutil.rmtree(self._directory)


def worker_command(agent):
    with OpenFile(agent, 1) as file:
        request = file.command(b"guest-file-seek", b',"offset":0,"whence":"cur"')
        return micros(lambda: file.line.ask(request), PINGS)


def bulk(agent, command, arguments):
    with OpenFile(agent, BULK_PIECES) as file:
        request = file.command(command, arguments)
        file.line.ask(request)
        file.rewind()
        begin = time.perf_counter()
        for _ in range(BULK_PIECES):
            file.line.ask(request)
        return BULK_PIECES / (time.perf_counter() - begin)


def write(agent):
    return bulk(agent, b"guest-file-write", b',"buf-b64":"%b"' % base64.b64encode(os.urandom(MIB)))


def read(agent):
    return bulk(agent, b"guest-file-read", b',"count":%d' % MIB)


def program(agent):
    line = Line(agent.socket)

    def run():
        reply = line.ask(b'{"execute":"guest-exec","arguments":{"path":"/bin/true"}}\n')
        assert b"\"pid\"" in reply, bytes(reply)
        pid = int(reply.split(b'"pid":')[1].split(b"}")[0])
        status = b'{"execute":"guest-exec-status","arguments":{"pid":%d}}\n' % pid
        while b'"exited": false' in line.ask(status):
            pass

    result = micros(run, PROGRAMS)
    line.close()
    return result


def field_kib(path, name):
    for text in pathlib.Path(path).read_text().splitlines():
        if text.startswith(name + ":"):
            return int(text.split()[1])
    return 0


def rest_kib(agent):
    """Proportional set size of all processes together."""
    return sum(field_kib(f"/proc/{pid}/smaps_rollup", "Pss") for pid in agent.processes())


def peak_mib(agent):
    """What one read of 48 MB takes: each process's own peak, added up; shared pages count more than once."""
    with OpenFile(agent, BIG_READ_BYTES // MIB) as file:
        file.rewind()
        for pid in agent.processes():
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        file.line.ask(file.command(b"guest-file-read", b',"count":%d' % BIG_READ_BYTES))
        return sum(field_kib(f"/proc/{pid}/status", "VmHWM") for pid in agent.processes()) / 1024


def sync_beside_stuck_command_ms(agent):
    """The exec worker does not move; a command for it is on the way; when does the host get its sync?"""
    program(agent)
    stuck = [pid for pid, name in agent.processes().items() if name == "reeve-worker"]
    line = Line(agent.socket)
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)
    try:
        line._socket.sendall(b'{"execute":"guest-exec-status","arguments":{"pid":1}}\n')
        time.sleep(SETTLE_S)
        begin = time.perf_counter()
        line.ask(b'{"execute":"guest-sync","arguments":{"id":1}}\n')
        return (time.perf_counter() - begin) * 1000
    finally:
        for pid in stuck:
            os.kill(pid, signal.SIGCONT)
        line.close()


class Floor:
    """The agent that does no work."""

    name = "floor"

    def __init__(self, directory):
        self.socket = directory / "socket"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.socket))
        listener.listen(8)
        self._pid = os.fork()
        if self._pid == 0:
            self._serve(listener)
        listener.close()

    def _serve(self, listener):
        while True:
            peer, _ = listener.accept()
            while data := peer.recv(1 << 16):
                peer.sendall(b'{"return": {}}\n' * data.count(b"\n"))
            peer.close()

    def processes(self):
        return {self._pid: self.name}

    def stop(self):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def pin(agents, cpus):
    """Client and agents to these CPUs. Workers that start later inherit it."""
    os.sched_setaffinity(0, cpus)
    for agent in agents:
        for pid in agent.processes():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), cpus)


def measure(agents, function, rounds):
    """{name: median}, the agents taking turns."""
    samples = {agent.name: [] for agent in agents}
    for _ in range(rounds):
        for agent in agents:
            samples[agent.name].append(function(agent))
    return {name: statistics.median(values) for name, values in samples.items()}


def row(title, unit, values, aim, is_rate=False):
    reeve, other = values["reeve"], values.get("qemu-ga")
    ratio = reeve / other if other else None
    met = ""
    if aim is not None and ratio is not None:
        met = "met" if (ratio >= aim if is_rate else ratio <= aim) else "MISSED"
    floor = f"{values['floor']:12.1f}" if "floor" in values else " " * 12
    compared = f"{other:12.1f} {reeve:12.1f} {ratio:8.2f}" if other else f"{'-':>12} {reeve:12.1f} {'-':>8}"
    goal = "" if aim is None else f"{'>=' if is_rate else '<='} {aim}"
    print(f"{title:42} {unit:6} {floor} {compared}  {goal:8} {met}", flush=True)


def print_table(reeve, qemu_ga, floor, rounds):
    both, all_three = [qemu_ga, reeve], [floor, qemu_ga, reeve]
    print(f"{'':42} {'unit':6} {'floor':>12} {'qemu-ga':>12} {'reeve':>12} {'ratio':>8}  aim")
    row("memory at rest, one ping served (PSS)", "KiB", measure(both, rest_kib, 1), 2)
    everywhere = os.sched_getaffinity(0)
    for mode, cpus, ping_aim, worker_aim, read_aim in [("pinned", {min(everywhere)}, 0.5, 0.7, 6),
                                                       ("free", everywhere, None, 1.2, 4)]:
        pin(all_three, cpus)
        row(f"guest-ping, p50, {mode}", "us", measure(all_three, ping, rounds), ping_aim)
        row(f"guest-ping, {BURST} in flight, {mode}", "/s", measure(all_three, pings_in_flight, rounds),
            5, is_rate=True)
        row(f"guest-file-seek (by a worker), p50, {mode}", "us", measure(both, worker_command, rounds), worker_aim)
        row(f"guest-file-write, 1 MiB pieces, {mode}", "MiB/s", measure(both, write, rounds), 15, is_rate=True)
        row(f"guest-file-read, 1 MiB pieces, {mode}", "MiB/s", measure(both, read, rounds), read_aim, is_rate=True)
        row(f"guest-exec /bin/true to exited, {mode}", "us", measure(both, program, rounds), 1)
    row("peak of one 48 MB read, all processes", "MiB", measure(both, peak_mib, 1), 0.6)
    row("sync while a worker is stuck", "ms", measure([reeve], sync_beside_stuck_command_ms, 3), None)


def install(build):
    """Reeve starts nothing that somebody else than root could have written, so it runs from no checkout."""
    prefix = pathlib.Path(tempfile.mkdtemp(prefix="reeve-install-"))
    prefix.chmod(0o755)
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL, umask=0o022)
    return prefix


def own_directory(parent, name):
    directory = parent / name
    directory.mkdir()
    directory.chmod(0o755)
    return directory


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options.add_argument("--prefix", type=pathlib.Path)
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("compare.py: Reeve's warden needs root")
    if not os.access(QEMU_GA, os.X_OK):
        raise SystemExit(f"compare.py: {QEMU_GA} is missing (package qemu-guest-agent)")
    prefix = chosen.prefix or install(chosen.build)
    place = pathlib.Path(tempfile.mkdtemp(prefix="reeve-compare-"))
    place.chmod(0o755)
    running = []
    try:
        for name, start in [("reeve", lambda where: start_reeve(where, prefix)), ("qemu-ga", start_qemu_ga),
                            ("floor", Floor)]:
            running.append(start(own_directory(place, name)))
        print_table(*running, chosen.rounds)
    finally:
        for agent in running:
            agent.stop()
        shutil.rmtree(place)
        if not chosen.prefix:
            shutil.rmtree(prefix)


if __name__ == "__main__":
    main()
