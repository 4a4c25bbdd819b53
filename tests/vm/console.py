"""A person at the guest's serial console."""

import contextlib
import re
import socket
import time

from guest import GuestError

# login(1) of an emulated guest runs PAM's modules; systemd makes a session.
ANSWER_LIMIT_S = 90
PROMPT = "reeve-console> "


class Console:
    """Types on ttyS0 and reads what comes back. QEMU lets one at a time sit there."""

    def __init__(self, guest):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(guest.folder / "console.sock"))
        self._seen = ""

    def close(self):
        self._socket.close()

    def type(self, line):
        self._socket.sendall(line.encode() + b"\r")

    def wait_for(self, *patterns, limit_s=ANSWER_LIMIT_S):
        """The first match of any of the patterns in what has come since the last match."""
        end = time.monotonic() + limit_s
        while True:
            found = [match for match in (re.search(pattern, self._seen) for pattern in patterns) if match]
            if found:
                match = min(found, key=lambda candidate: candidate.start())
                self._seen = self._seen[match.end():]
                return match
            self._read(end, patterns)

    def _read(self, end, patterns):
        left = end - time.monotonic()
        self._socket.settimeout(max(left, 0.001))
        try:
            data = self._socket.recv(4096)
        except TimeoutError:
            raise GuestError(f"the console did not show {patterns}, but: {self._seen!r}") from None
        if not data:
            raise GuestError("the console has gone")
        self._seen += data.decode(errors="replace")

    def log_in(self, user, password):
        """Whether it is let in; with a shell if so, else with the next `login:` still to come."""
        self.type("")
        self.wait_for(r"login: $")
        self.type(user)
        self.wait_for(r"Password: $")
        self.type(password)
        if self.wait_for(r"Login incorrect", r"[$#] $").group().startswith("Login"):
            return False
        # A shell that draws nothing, and a prompt that its own echo does not look like.
        self.type(f"exec env TERM=dumb PS1='{PROMPT[:6]}''{PROMPT[6:]}' sh")
        self.wait_for(r"[\r\n]" + re.escape(PROMPT))
        return True

    def run(self, line, limit_s=ANSWER_LIMIT_S):
        """What one command prints, the lines between its echo and the next prompt."""
        self.type(line)
        end = time.monotonic() + limit_s
        while not (match := re.search(r"\r?\n" + re.escape(PROMPT), self._seen)):
            self._read(end, [PROMPT])
        shown, self._seen = self._seen[:match.start()], self._seen[match.end():]
        return [text.strip() for text in shown.splitlines()[1:]]

    def log_out(self):
        self.type("exit")


@contextlib.contextmanager
def logged_in(guest, user, password):
    """A session on the console, which ends with the block."""
    console = Console(guest)
    try:
        assert console.log_in(user, password), f"{user} was not let in"
        yield console
    finally:
        console.log_out()
        console.close()
