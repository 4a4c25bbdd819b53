"""A small client of the qga protocol over a unix socket."""

import json
import select
import socket


class Client:
    """One connection. Not thread-safe."""

    def __init__(self, path, timeout_s=20):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data)

    def read_line(self):
        """The next reply without its LF. Fails with TimeoutError, or with ConnectionError when the agent closed."""
        pieces = [self._buffer]  # a line of 64 MiB must not be searched from its start at each piece
        while b"\n" not in pieces[-1]:
            pieces.append(self._socket.recv(1 << 20))
            if not pieces[-1]:
                raise ConnectionError("the agent closed the connection")
        line, self._buffer = b"".join(pieces).split(b"\n", 1)
        return line

    def read_some(self):
        """Waits for the first bytes of a reply, and no more."""
        self._buffer += self._socket.recv(1)

    def has_input(self):
        """Whether bytes of a reply are there that were not read."""
        return bool(self._buffer) or bool(select.select([self._socket], [], [], 0)[0])

    def exchange(self, line):
        """Sends one line of text, returns the reply's line as text."""
        self.send(line.encode() + b"\n")
        return self.read_line().decode()

    def call(self, command, **arguments):
        """Returns the whole reply. An underscore in an argument's name stands for a hyphen."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        return json.loads(self.exchange(json.dumps(request)))
