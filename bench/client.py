"""What one figure takes of one agent: each function asks over the agent's socket and returns a number."""

import base64
import os
import pathlib
import shutil
import signal
import socket
import statistics
import tempfile
import time

from running_agent import connect

MIB = 1 << 20
PING = b'{"execute":"guest-ping"}\n'
INFORMATION = b'{"execute":"guest-get-osinfo"}\n'
FILE_SYSTEMS = b'{"execute":"guest-get-fsinfo"}\n'
INTERFACES = b'{"execute":"guest-network-get-interfaces"}\n'
BURST = 100
BIG_READ_BYTES = 48 * MIB
# Two round trips after a process was stopped, its sockets may still hold what it would have answered.
SETTLE_S = 0.05
# Nobody looks for so long at a program that was started: mostly it has ended by then.
PROGRAM_REST_S = 0.02


class Effort:
    """How often each thing is done for one sample."""

    def __init__(self, is_quick):
        self.requests = 500 if is_quick else 1500
        self.bursts = 8 if is_quick else 20
        self.pieces = 12 if is_quick else 32
        self.programs = 15 if is_quick else 25
        self.polls = 20 if is_quick else 100


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

    def send(self, requests):
        self._socket.sendall(requests)

    def take(self, lines):
        """Reads this many lines; returns the bytes of the last portion."""
        while True:
            count = self._socket.recv_into(self._buffer)
            if count == 0:
                raise ConnectionError("the agent closed")
            lines -= 1 if count > 4096 and self._buffer[count - 1] == 10 else self._buffer.count(b"\n", 0, count)
            if lines <= 0:
                return self._buffer[:count] if count < 4096 else b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


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

    def seek_request(self):
        return self.command(b"guest-file-seek", b',"offset":0,"whence":"cur"')

    def rewind(self):
        self.line.ask(self.command(b"guest-file-seek", b',"offset":0,"whence":"set"'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.line.ask(self.command(b"guest-file-close", b""))
            self.line.__exit__()
        finally:
            shutil.rmtree(self._directory)


def micros(action, times):
    """The median time of one call."""
    clock, samples = time.perf_counter_ns, []
    for _ in range(times):
        begin = clock()
        action()
        samples.append(clock() - begin)
    return statistics.median(samples) / 1000


def request_us(agent, request, effort):
    with Line(agent.socket) as line:
        assert b"error" not in line.ask(request)
        return micros(lambda: line.ask(request), effort.requests)


def ping_us(agent, effort):
    return request_us(agent, PING, effort)


def information_us(agent, effort):
    return request_us(agent, INFORMATION, effort)


def interfaces_us(agent, effort):
    return request_us(agent, INTERFACES, effort)


def file_systems_us(agent, effort):
    return request_us(agent, FILE_SYSTEMS, effort)


def seek_us(agent, effort):
    with OpenFile(agent, 1) as file:
        request = file.seek_request()
        return micros(lambda: file.line.ask(request), effort.requests)


def pings_in_flight(agent, effort):
    with Line(agent.socket) as line:
        def burst():
            line.send(PING * BURST)
            line.take(BURST)

        return BURST / micros(burst, effort.bursts) * 1e6


def _bulk(agent, command, arguments, effort):
    with OpenFile(agent, effort.pieces) as file:
        request = file.command(command, arguments)
        file.line.ask(request)
        file.rewind()
        begin = time.perf_counter()
        for _ in range(effort.pieces):
            file.line.ask(request)
        return effort.pieces / (time.perf_counter() - begin)


def write_mib(agent, effort):
    return _bulk(agent, b"guest-file-write", b',"buf-b64":"%b"' % base64.b64encode(os.urandom(MIB)), effort)


def read_mib(agent, effort):
    return _bulk(agent, b"guest-file-read", b',"count":%d' % MIB, effort)


def _start_program(line):
    reply = line.ask(b'{"execute":"guest-exec","arguments":{"path":"/bin/true"}}\n')
    assert b"\"pid\"" in reply, bytes(reply)
    pid = int(reply.split(b'"pid":')[1].split(b"}")[0])
    return b'{"execute":"guest-exec-status","arguments":{"pid":%d}}\n' % pid


def program_us(agent, effort):
    with Line(agent.socket) as line:
        def run():
            status = _start_program(line)
            while b'"exited": false' in line.ask(status):
                pass

        return micros(run, effort.programs)


def program_with_rests(line):
    """A program, and one look at it when it has ended. One that is traced on a busy machine takes longer: each further look
    comes after twice the time, so that few are counted with it."""
    status, rest_s = _start_program(line), PROGRAM_REST_S
    time.sleep(rest_s)
    while b'"exited": false' in (reply := line.ask(status)):
        rest_s *= 2
        time.sleep(rest_s)
    assert b'"exited": true' in reply, bytes(reply)


def field_kib(path, name):
    for text in pathlib.Path(path).read_text().splitlines():
        if text.startswith(name + ":"):
            return int(text.split()[1])
    return 0


def rest_kib(agent, _):
    """Proportional set size of all processes together."""
    return sum(field_kib(f"/proc/{pid}/smaps_rollup", "Pss") for pid in agent.processes())


def _polled_kib(agent, commands, effort):
    with Line(agent.socket) as line:
        for _ in range(effort.polls):
            for command in commands:
                line.ask(b'{"execute":"%b"}\n' % command if command else
                         b'{"execute":"guest-sync","arguments":{"id":1734953001234}}\n')
        return rest_kib(agent, effort)


def polled_as_vdsm_kib(agent, effort):
    """What VDSM has libvirt ask in its rounds; commands that an agent does not have are answered with an error."""
    return _polled_kib(agent, [
        b"", b"guest-info", b"guest-get-osinfo", b"guest-get-timezone", b"guest-get-host-name",
        b"guest-network-get-interfaces", b"guest-get-devices", b"guest-get-users", b"guest-get-fsinfo",
        b"guest-get-disks", b"guest-get-vcpus"], effort)


def polled_as_kubevirt_kib(agent, effort):
    """KubeVirt's poller, and its probes by guest-ping and by a program."""
    with Line(agent.socket) as line:
        for _ in range(effort.programs):
            program_with_rests(line)
    return _polled_kib(agent, [
        b"", b"guest-info", b"guest-ping", b"guest-get-fsinfo", b"guest-fsfreeze-status",
        b"guest-network-get-interfaces", b"guest-get-osinfo", b"guest-get-host-name", b"guest-get-timezone",
        b"guest-get-users", b"guest-get-load"], effort)


def peak_mib(agent, _):
    """What one read of 48 MB takes: each process's own peak, added up; shared pages count more than once."""
    with OpenFile(agent, BIG_READ_BYTES // MIB) as file:
        file.rewind()
        for pid in agent.processes():
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        file.line.ask(file.command(b"guest-file-read", b',"count":%d' % BIG_READ_BYTES))
        return sum(field_kib(f"/proc/{pid}/status", "VmHWM") for pid in agent.processes()) / 1024


def sync_beside_stuck_command_ms(agent, effort):
    """The exec worker does not move; a command for it is on the way; when does the host get its sync?"""
    program_us(agent, effort)
    stuck = [pid for pid, name in agent.processes().items() if name == "reeve-worker"]
    with Line(agent.socket) as line:
        for pid in stuck:
            os.kill(pid, signal.SIGSTOP)
        try:
            line.send(b'{"execute":"guest-exec-status","arguments":{"pid":1}}\n')
            time.sleep(SETTLE_S)
            begin = time.perf_counter()
            line.ask(b'{"execute":"guest-sync","arguments":{"id":1}}\n')
            return (time.perf_counter() - begin) * 1000
        finally:
            for pid in stuck:
                os.kill(pid, signal.SIGCONT)
