"""The agent that does no work: it answers each line with one made beforehand, in the simplest way this machine has.

What it takes is the client, the socket and, for a program, starting and ending that program; no agent can be faster. Two
agents are compared as they are, with the floor in both."""

import base64
import os
import signal
import socket

RECEIVE_BYTES = 1 << 20
PIECE = base64.b64encode(os.urandom(1 << 20))
ANSWERS = {
    b"guest-file-open": b'{"return": 1000}\n',
    b"guest-file-read": b'{"return": {"count": 1048576, "buf-b64": "' + PIECE + b'", "eof": false}}\n',
    b"guest-file-write": b'{"return": {"count": 1048576, "eof": false}}\n',
    b"guest-exec": b'{"return": {"pid": 1}}\n',
    b"guest-exec-status": b'{"return": {"exited": true, "exitcode": 0}}\n',
}
OTHER = b'{"return": {}}\n'


class FloorAgent:
    name = "floor"

    def __init__(self, directory):
        self.socket = directory / "socket"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.socket))
        listener.listen(8)
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _serve(listener)
            finally:
                os._exit(1)
        listener.close()

    def processes(self):
        return {self._pid: self.name}

    def stop(self):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _serve(listener):
    while True:
        peer, _ = listener.accept()
        line = b""
        while data := peer.recv(RECEIVE_BYTES):
            if len(data) < RECEIVE_BYTES and not line and data.endswith(b"\n"):
                peer.sendall(b"".join(map(_answer, data.splitlines())))
                continue
            # A long line is counted, not kept: only its beginning says what it is.
            line = line or data[:64]
            if data.endswith(b"\n"):
                peer.sendall(_answer(line))
                line = b""
        peer.close()


def _answer(line):
    name = line.split(b'"', 4)[3]
    if name == b"guest-exec":
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    return ANSWERS.get(name, OTHER)
