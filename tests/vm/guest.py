"""A Debian guest under a libvirtd of our own: the host's side of the VM tests."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

import libvirt
import libvirt_qemu

HERE = pathlib.Path(__file__).resolve().parent
NAME = "reeve-guest"
AGENT_PORT = "org.qemu.guest_agent.0"

# An emulated guest boots in 15 s on an idle machine; a loaded one takes several times that.
BOOT_LIMIT_S = 240
DATA_BYTES = 256 << 20
AGENT_LIMIT_S = 60

# libvirt prints each error to stderr besides raising it; an agent that is awaited would fill the screen.
libvirt.registerErrorHandler(lambda _context, _error: None, None)


@dataclasses.dataclass
class Finished:
    """What a script in the guest left behind."""

    status: int
    out: str
    err: str


class GuestError(Exception):
    """The guest or the machinery around it failed, not the agent under test."""


def wait_until(what, limit_s, step_s=0.2):
    """Returns the first true result of what(); fails after limit_s."""
    end = time.monotonic() + limit_s
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() >= end:
            raise GuestError(f"{limit_s} s passed without: {what.__doc__ or what.__name__}")
        time.sleep(step_s)


def children_of(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class TestShell:
    """Runs scripts in the guest through org.reeve.test, a port of its own beside the agent's."""

    __test__ = False

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._buffer = b""
        self._next_id = 1

    def close(self):
        self._socket.close()

    def run(self, script, timeout_s=30):
        """The guest itself ends the script after timeout_s, with status 124."""
        request_id, self._next_id = self._next_id, self._next_id + 1
        body = script.encode()
        # The answer may come late by what two runs of an emulated CPU take.
        end = time.monotonic() + timeout_s + 30
        self._socket.settimeout(30)
        self._socket.sendall(f"{request_id} {timeout_s} {len(body)}\n".encode() + body)
        while True:
            header = self._line(end).split()
            answer_id, status, out_bytes, err_bytes = (int(field) for field in header)
            out = self._bytes(out_bytes, end).decode(errors="replace")
            err = self._bytes(err_bytes, end).decode(errors="replace")
            if answer_id == request_id:
                return Finished(status, out, err)

    def _fill(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise GuestError("the guest's test shell does not answer")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            raise GuestError("the guest's test shell does not answer") from None
        if not data:
            raise GuestError("the guest has gone")
        self._buffer += data

    def _line(self, end):
        while b"\n" not in self._buffer:
            self._fill(end)
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _bytes(self, count, end):
        while len(self._buffer) < count:
            self._fill(end)
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data


class Guest:
    """One guest from image to tear-down. Everything it makes lies in one folder and ends with stop()."""

    def __init__(self, payload):
        """payload: files to find in the guest under /payload, {name: path}."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="reeve-vm.", dir=os.environ.get("TMPDIR", "/tmp")))
        self.uri = f"qemu:///system?socket={self.folder}/libvirt-sock"
        self._payload = payload
        self._daemon = None
        self._connection = None
        self._domain = None
        self._shell = None
        self.policy_in_force = None  # agent.set_policy's

    def start(self):
        self._make_disks()
        self._start_daemon()
        self._connection = libvirt.open(self.uri)
        self._power_on()
        self.check("mkdir -p /payload && tar -xf /dev/vdb -C /payload")

    def start_again(self):
        """Another boot of a guest that is off."""
        self.wait_until_off()
        self._shell.close()
        self._power_on()

    def wait_until_off(self):
        def guest_is_off():
            """the end of the guest's machine"""
            return not self._connection.listDomainsID()
        wait_until(guest_is_off, BOOT_LIMIT_S)

    def stop(self):
        """Ends the guest, the daemons and the folder; safe at any point of start()."""
        for closeable in (self._shell, self._connection):
            if closeable:
                closeable.close()
        if self._daemon:
            self._end_namespace()
        if os.environ.get("REEVE_VM_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_namespace(self):
        # With its first process all of a process namespace ends: both daemons and QEMU.
        try:
            os.kill(children_of(self._daemon.pid)[0], signal.SIGKILL)
            self._daemon.wait(timeout=10)
        except (OSError, IndexError, subprocess.TimeoutExpired):
            self._daemon.kill()
            self._daemon.wait()

    def restart_libvirtd(self, by=signal.SIGTERM):
        """Ends libvirtd, which is started again; the guest runs on. What others hold of its connection is void then."""
        first = children_of(self._daemon.pid)[0]
        pid = next(pid for pid in children_of(first)
                   if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "libvirtd")
        os.kill(pid, by)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 60)
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

        def libvirtd_answers():
            """another libvirtd"""
            try:
                self._connection = libvirt.open(self.uri)
                self._domain = self._connection.lookupByName(NAME)
                return True
            except libvirt.libvirtError:
                return False
        wait_until(libvirtd_answers, 60)

    def save(self, path):
        """The running guest becomes a file."""
        self._shell.close()
        self._domain.save(os.fspath(path))

    def restore(self, path):
        """A file becomes the running guest."""
        self._connection.restore(os.fspath(path))
        self._domain = self._connection.lookupByName(NAME)
        self._shell = TestShell(self.folder / "test.sock")
        self.run("true", timeout_s=BOOT_LIMIT_S)

    def destroy(self):
        """The guest's machine loses its power."""
        self._shell.close()
        self._domain.destroy()

    # The guest, past the agent.

    def run(self, script, timeout_s=30):
        return self._shell.run(script, timeout_s)

    def check(self, script, timeout_s=60):
        """Runs a script that must succeed; returns its output without the last newline."""
        done = self.run(script, timeout_s)
        if done.status != 0:
            raise GuestError(f"in the guest, status {done.status}: {script}\n{done.out}{done.err}")
        return done.out.rstrip("\n")

    def write(self, path, text):
        # A quoted here-document takes any text but its own last line.
        self.check(f"cat >'{path}' <<'END-OF-TEXT'\n{text}\nEND-OF-TEXT")

    def console(self):
        return (self.folder / "console.log").read_text(errors="replace")

    # The guest, through the agent.

    def agent_raw(self, line, timeout_s=20):
        """Sends one line through libvirt; returns the reply as libvirt gives it. Fails with libvirt.libvirtError."""
        return libvirt_qemu.qemuAgentCommand(self._domain, line, timeout_s, 0)

    def agent(self, command, timeout_s=20, **arguments):
        """Returns the reply's `return`. An underscore in an argument's name stands for a hyphen."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        return json.loads(self.agent_raw(json.dumps(request), timeout_s))["return"]

    def virsh(self, *words, timeout_s=60, options=("-q",)):
        return subprocess.run(["virsh", *options, "-c", self.uri, *words], capture_output=True, text=True,
                              timeout=timeout_s, check=False)

    def on_host(self, *words, timeout_s=60, options=("-q",)):
        """The output of a virsh command for the guest, which must succeed. Without -q virsh speaks to people."""
        done = self.virsh(words[0], NAME, *words[1:], timeout_s=timeout_s, options=options)
        if done.returncode != 0:
            raise GuestError(f"virsh {' '.join(words)}: {done.stderr}")
        return done.stdout

    def has_agent(self):
        try:
            self.agent("guest-ping", timeout_s=5)
            return True
        except libvirt.libvirtError:
            return False

    def wait_for_agent(self, limit_s=AGENT_LIMIT_S):
        def agent_answers():
            """an answer of the agent"""
            return self.has_agent()
        wait_until(agent_answers, limit_s)

    def wait_for_no_agent(self, limit_s=AGENT_LIMIT_S):
        def agent_is_gone():
            """the agent's silence"""
            return not self.has_agent()
        wait_until(agent_is_gone, limit_s)

    def boot_id(self):
        return self.run("cat /proc/sys/kernel/random/boot_id", timeout_s=20).out.strip()

    def wait_for_another_boot(self, boot):
        def guest_is_up_again():
            """the guest's next life"""
            try:
                return self.boot_id() not in ("", boot)
            except GuestError:
                return False
        wait_until(guest_is_up_again, BOOT_LIMIT_S, step_s=2)
        self.wait_for_agent(BOOT_LIMIT_S)

    # The host's side of the hardware.

    def attach(self, xml):
        self._domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def detach(self, xml):
        self._domain.detachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def xml(self):
        return self._domain.XMLDesc(0)

    @property
    def domain(self):
        """libvirt's own object, for what is tested through its Python library."""
        return self._domain

    # Making of.

    def _power_on(self):
        self._domain = self._connection.createXML(self._domain_xml(), 0)
        self._shell = TestShell(self.folder / "test.sock")
        self.run("true", timeout_s=BOOT_LIMIT_S)

    def _make_disks(self):
        made = subprocess.run([HERE / "make-image.sh"], stdout=subprocess.PIPE, text=True, check=True)
        self.image = pathlib.Path(made.stdout.strip())
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.image / "root.img",
                        self.folder / "root.qcow2"], check=True)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "data", self.folder / "data.img", str(DATA_BYTES >> 10)],
                       stdout=subprocess.DEVNULL, check=True)
        with tarfile.open(self.folder / "payload.tar", "w") as tar:
            for name, path in self._payload.items():
                tar.add(path, arcname=name)

    def _start_daemon(self):
        # Whoever kills the tests leaves no guest behind.
        self._daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", HERE / "libvirtd.sh", self.folder],
            stdin=subprocess.DEVNULL, stdout=open(self.folder / "daemon.log", "wb"), stderr=subprocess.STDOUT,
            start_new_session=True)

        def libvirtd_listens():
            """libvirtd's socket"""
            if self._daemon.poll() is not None:
                raise GuestError("libvirtd ended: " + (self.folder / "daemon.log").read_text())
            return (self.folder / "libvirt-sock").exists()
        wait_until(libvirtd_listens, 30)

    def _domain_xml(self):
        kvm = os.environ.get("REEVE_VM_ACCEL") == "kvm"
        words = {
            "ACCEL": "kvm" if kvm else "qemu",
            "CPU": "mode='host-passthrough'" if kvm else "",
            "IMAGE": str(self.image),
            "FOLDER": str(self.folder),
        }
        text = (HERE / "domain.xml").read_text()
        for name, value in words.items():
            text = text.replace(f"@{name}@", value)
        return text
