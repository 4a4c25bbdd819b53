"""What the warden makes of the process that it was started as, and that its programs get that back."""

import base64
import fcntl
import os
import resource
import signal

import pytest

from running_reeve import reeve_in_directory, wait_until

POLICY = "schema: 1\nprofile: open\n"


@pytest.fixture
def stopped(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.write_policy(POLICY)
        yield reeve


def said_by(reeve, script):
    with reeve.connect() as client:
        started = client.call("guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})
        pid = started["return"]["pid"]
        ended = wait_until(lambda: next((status for status in [client.call("guest-exec-status", pid=pid)["return"]]
                                         if status["exited"]), None), 10, "the end of a program")
    return base64.b64decode(ended["out-data"]).decode().split()


def test_socket_is_not_everybodys_whatever_the_umask(stopped):
    stopped.start(preexec_fn=lambda: os.umask(0))
    assert os.stat(stopped.socket).st_mode & 0o777 == 0o755
    assert said_by(stopped, "umask") == ["0000"]


def test_limit_of_descriptors_is_the_wardens_own_business(stopped):
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
    stopped.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)))
    assert resource.prlimit(stopped.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    assert said_by(stopped, "ulimit -Sn; ulimit -Hn") == ["256", str(hard)]


def test_ends_of_children_are_seen_whatever_was_ignored(stopped):
    def ignore():
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
    stopped.start(preexec_fn=ignore)
    ignored = int(said_by(stopped, "sed -n 's/^SigIgn:.//p' /proc/self/status")[0], 16)
    # As under qemu-ga: what its programs could not do without is as ever, the rest as it was.
    assert ignored == 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGUSR2 - 1)


def test_log_that_nobody_reads_holds_nobody(stopped):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass
    fcntl.fcntl(writing, fcntl.F_SETFL, 0)
    # -v, so that there is something to say at each step.
    stopped.start("-v", preexec_fn=lambda: os.dup2(writing, 2))
    assert said_by(stopped, "echo yes") == ["yes"]
    # Others who hold the pipe's other open file still wait when they want to.
    assert fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK == 0
    os.close(reading)
    os.close(writing)
