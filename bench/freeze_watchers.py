"""Who looks at a guest all the time while freeze_faults.py lets something go wrong in it: a writer, a host that syncs, one that freezes."""

import json
import os
import threading
import time

# Until a cycle that goes wrong is given up; far above what is measured.
GIVE_UP_S = 8


class Writer(threading.Thread):
    """Writes and syncs one file system again and again; knows how long it could not."""

    def __init__(self, place, fd):
        super().__init__(daemon=True)
        self.place = place
        self._fd = fd
        self._lock = threading.Lock()
        self._began = self._worst = self._last_begun = 0.0
        self.stops = False
        self.start()

    def run(self):
        while not self.stops:
            with self._lock:
                self._began = time.monotonic()
            os.pwrite(self._fd, b"x" * 4096, 0)
            os.fsync(self._fd)
            with self._lock:
                self._worst = max(self._worst, time.monotonic() - self._began)
                self._last_begun, self._began = self._began, 0.0
            time.sleep(0.01)

    def reset(self):
        with self._lock:
            self._worst = 0.0

    def worst(self):
        """The longest write since reset, that which is under way too."""
        with self._lock:
            return max(self._worst, time.monotonic() - self._began if self._began else 0.0)

    def has_written_since(self, moment):
        """Whether a write that began after it is through."""
        with self._lock:
            return self._last_begun > moment


class Syncs(threading.Thread):
    """Syncs again and again by connections of its own; a broken one is made anew, and the time goes on."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self._root = root
        self._lock = threading.Lock()
        self._client = None
        self._number = 0
        self._worst = 0.0
        self._present_since = None  # None: there is no agent
        self.errors = []
        self.stops = False

    def agent_gone(self):
        with self._lock:
            self._present_since = None

    def agent_there(self):
        with self._lock:
            self._present_since = time.monotonic()

    def reset(self):
        with self._lock:
            self._worst = 0.0

    def worst(self):
        with self._lock:
            return self._worst

    def run(self):
        while not self.stops:
            began = time.monotonic()
            while not self.stops and not self._sync():
                time.sleep(0.005)
            with self._lock:
                if self._present_since is not None and began >= self._present_since:
                    self._worst = max(self._worst, time.monotonic() - began)
            time.sleep(0.02)

    def _sync(self):
        self._number += 1
        try:
            self._client = self._client or self._root.connect(timeout_s=GIVE_UP_S)
            reply = self._client.call("guest-sync", id=self._number)
            if reply != {"return": self._number}:
                self.errors.append(f"sync {self._number} was answered by {reply}")
            return True
        except OSError:
            self._client = None
            return False


class Host(threading.Thread):
    """Who freezes, and thaws or not. A connection that breaks it makes anew, and thaws all the same."""

    def __init__(self, root, request, behaviour, pause_s):
        super().__init__(daemon=True)
        self._root = root
        self._request = request
        self._behaviour = behaviour  # thaws, leaves, gone
        self._pause_s = pause_s
        self.freeze_reply = None
        self.thaw_reply = None
        self.freeze_took = self.thaw_took = None
        self.thaws = threading.Event()
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            with self._root.connect(timeout_s=GIVE_UP_S) as client:
                client.send(json.dumps(self._request).encode() + b"\n")
                if self._behaviour == "gone":
                    return
                self.freeze_reply = json.loads(client.read_line())
        except OSError:
            pass
        self.freeze_took = time.monotonic() - began
        if self._behaviour != "thaws":
            return
        time.sleep(self._pause_s)
        end = time.monotonic() + GIVE_UP_S
        while self.thaw_reply is None and time.monotonic() < end:
            began = time.monotonic()
            self.thaws.set()
            try:
                with self._root.connect(timeout_s=GIVE_UP_S) as client:
                    self.thaw_reply = client.call("guest-fsfreeze-thaw")
            except OSError:
                time.sleep(0.01)
            self.thaw_took = time.monotonic() - began
