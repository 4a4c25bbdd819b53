"""System calls of all processes of an agent for one request: a figure that no load on the machine changes."""

import contextlib
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import client

REQUESTS = 200
PROGRAMS = 20
# strace says that it has attached by writing a line a process.
ATTACH_LIMIT_S = 10
# A process that times something looks at its clock once a second; what it calls then is none of a request's.
REST_CALLS = {"restart_syscall"}


def is_possible():
    return shutil.which("strace") is not None


@contextlib.contextmanager
def _traced(agent):
    """Yields a function that ends tracing and returns how many calls were made."""
    with tempfile.TemporaryDirectory(prefix="reeve-calls-") as directory:
        summary, said = pathlib.Path(directory) / "summary", pathlib.Path(directory) / "said"
        pids = list(agent.processes())
        with open(said, "wb") as output:
            tracer = subprocess.Popen(["strace", "-f", "-c", "-o", summary, *[f"-p{pid}" for pid in pids]],
                                      stdout=output, stderr=output)
        end = time.monotonic() + ATTACH_LIMIT_S
        while said.read_text().count("attached") < len(pids):
            if tracer.poll() is not None or time.monotonic() > end:
                raise RuntimeError("strace: " + said.read_text())
            time.sleep(0.01)

        def calls():
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            return _sum(summary.read_text())

        try:
            yield calls
        finally:
            if tracer.poll() is None:
                tracer.terminate()
                tracer.wait()


def _sum(summary):
    """% time, seconds, usecs/call, calls, errors (may be missing), syscall."""
    total = 0
    for line in summary.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0][0].isdigit() and fields[-1] != "total" and fields[-1] not in REST_CALLS:
            total += int(fields[3])
    return total


def _per_request(agent, act, count):
    with _traced(agent) as calls:
        for _ in range(count):
            act()
        return calls() / count


def _per_line(agent, request):
    with client.Line(agent.socket) as line:
        line.ask(request)
        return _per_request(agent, lambda: line.ask(request), REQUESTS)


def ping(agent, _):
    return _per_line(agent, client.PING)


def information(agent, _):
    return _per_line(agent, client.INFORMATION)


def seek(agent, _):
    with client.OpenFile(agent, 1) as file:
        request = file.seek_request()
        return _per_request(agent, lambda: file.line.ask(request), REQUESTS)


def program(agent, _):
    with client.Line(agent.socket) as line:
        return _per_request(agent, lambda: client.program_with_rests(line), PROGRAMS)
