"""A Reeve whose whole world is loop devices: for tests that freeze.

A freeze knows no namespace: what is frozen is the file system, for everybody. So a test freezes only where nothing of the
machine can be reached: in a mount namespace whose root is an image of the test, with the old root unmounted. The mount
table is looked at before Reeve is started there, and what shows any device but the test's own refuses to go on. What was
mounted is held open outside, and thawed at the end whatever happened.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FITHAW = 0xC0045878
ROOT_MIB, MIB = 192, 1 << 20
# xfs is never smaller.
DEVICE_MIB = 320
PROGRAMS = ["/bin/sh", "/bin/cat", "/bin/date", "/bin/sleep", "/usr/bin/dirname", "/usr/bin/printf", "/usr/bin/setsid", "/bin/touch"]
REEVED = "/reeve/sbin/reeved"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
# Where file systems of the test stand, by how they are made.
KINDS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}


def can_mount(kind):
    """Whether this kernel has that file system."""
    return kind in pathlib.Path("/proc/filesystems").read_text().split()


def foreign_mounts(mountinfo, loop_numbers):
    """Lines of a mount table that are not of the kernel's own devices (major 0) or of these loop devices. btrfs has a device
    number of major 0 whatever it stands on: there its source must be one of them."""
    foreign = []
    for line in mountinfo.splitlines():
        fields = line.split()
        major, minor = (int(number) for number in fields[2].split(":"))
        kind, source = fields[fields.index("-") + 1:][:2]
        is_loop = major == 7 and minor in loop_numbers
        is_kernels = major == 0 and kind != "btrfs" and not source.startswith("/dev/")
        is_btrfs = kind == "btrfs" and source in {f"/dev/loop{number}" for number in loop_numbers}
        if not (is_loop or is_kernels or is_btrfs):
            foreign.append(line)
    return foreign


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _libraries_of(binary):
    out = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    return {word for word in out.split() if word.startswith("/")}


def _copy_with_libraries(root, binaries):
    for binary in binaries:
        for path in {binary, *_libraries_of(binary)}:
            place = root / path.lstrip("/")
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


def _fill(root, install, extra):
    """The least that Reeve and a hook written for a shell need."""
    for name in ("bin", "sbin", "usr", "lib", "etc/reeve", "etc/qemu", "proc", "sys", "dev", "run", "tmp", "var/log", "var/lib", "mnt",
                 "old"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin"):
        (root / name).rmdir()
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("passwd", "group"):
        (root / "etc" / name).write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
                                            if name == "passwd" else "root:x:0:\nnogroup:x:65534:\n")
    shutil.copytree(install, root / "reeve")
    elf = [str(path) for path in pathlib.Path(install).rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    for path in elf:
        _copy_with_libraries(root, _libraries_of(path))
    _copy_with_libraries(root, PROGRAMS)
    for path, (mode, text) in extra.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)


def reeved_words(more):
    return ["-m", "unix-listen", "-p", "/run/socket", "-t", "/run/reeve", "--etc-dir", "/etc/reeve", "--var-dir", "/run/var",
            "--plugin-dir", "/reeve/lib/reeve/plugins", *more]


def inside(plan):
    """In the new mount namespace: mounts everything, makes the image its root, looks, and becomes `reeved`, or stays as who
    keeps the namespace."""
    import ctypes  # now: there is no Python in the new root
    libc = ctypes.CDLL(None, use_errno=True)
    root = pathlib.Path(plan["root"])
    run("mount", f"/dev/loop{plan['loops']['root']}", root)
    _fill(root, plan["install"], plan["files"])
    for name in plan["mounts"]:
        (root / "mnt" / name).mkdir()
        run("mount", f"/dev/loop{plan['loops'][name]}", root / "mnt" / name)
    for name in ("inner", "bound"):
        (root / "mnt" / name).mkdir()
    # A loop device upon a file system of the test, and a directory of one at a second place.
    base = root / "mnt" / plan["mounts"][0]
    with open(base / "inner.img", "wb") as image:
        image.truncate(32 * MIB)
    run("mkfs.ext4", "-q", "-F", base / "inner.img")
    inner = subprocess.run(["losetup", "-f", "--show", base / "inner.img"], check=True, capture_output=True, text=True)
    plan["loops"]["inner"] = int(inner.stdout.strip().removeprefix("/dev/loop"))
    run("mount", inner.stdout.strip(), root / "mnt/inner")
    run("losetup", "-d", inner.stdout.strip())  # once it is not mounted any more
    (base / "part").mkdir()
    run("mount", "--bind", base / "part", root / "mnt/bound")
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("devtmpfs", "dev"), ("tmpfs", "run"), ("tmpfs", "tmp")):
        run("mount", "-t", kind, kind, root / place)
    os.chdir(root)
    run("pivot_root", ".", "old")
    os.chroot(".")
    os.chdir("/")
    if libc.umount2(b"/old", 2) != 0:
        sys.exit(f"unmount the old root: {os.strerror(ctypes.get_errno())}")
    foreign = foreign_mounts(pathlib.Path("/proc/self/mountinfo").read_text(), set(plan["loops"].values()))
    if foreign:
        sys.exit("refused: the mount table shows what is not the test's:\n" + "\n".join(foreign))
    pathlib.Path("/run/plan").write_text(json.dumps(plan["loops"]))
    pathlib.Path("/run/reeve").mkdir()
    pathlib.Path("/run/var").mkdir()
    while plan["keeps"]:
        signal.pause()
    os.execve(REEVED, ["reeved", *reeved_words(plan["words"])], ENVIRONMENT)


class LoopRoot:
    """Reeve in such a root, from `with` on. Paths of it are reached from outside by path()."""

    # The process that makes the root becomes Reeve; else it only keeps it.
    KEEPS = False

    def __init__(self, install, policy, words=(), files=None, first_uid=None, log=None):
        self.install = install
        self.words = list(words)
        self.files = {"/etc/reeve/policy.yaml": (0o644, policy), **(files or {})}
        settings = "schema: 1\n" + (f"uid-range: {first_uid}-{first_uid + 255}\n" if first_uid else "")
        self.files["/etc/reeve/reeve.yaml"] = (0o644, settings)
        self.mounts = [kind for kind in KINDS if can_mount(kind)]
        self.process = None
        self.held = {}
        self.loops = {}

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            self.directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-loop-root-"))
            undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
            (self.directory / "root").mkdir()
            for name in ("root", *self.mounts):
                self._make_device(name, undo)
            undo.callback(self._end)
            self._start()
            self._cleanup = undo.pop_all()
        return self

    def _make_device(self, name, undo):
        image = self.directory / f"{name}.img"
        with open(image, "wb") as file:
            file.truncate((ROOT_MIB if name == "root" else DEVICE_MIB) * MIB)
        run(*KINDS.get(name, KINDS["ext4"]), image)
        device = subprocess.run(["losetup", "-f", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
        self.loops[name] = int(device.removeprefix("/dev/loop"))
        undo.callback(subprocess.run, ["losetup", "-d", device], check=False)

    def _start(self):
        plan = {"root": str(self.directory / "root"), "install": str(self.install), "files": self.files,
                "mounts": self.mounts, "loops": self.loops, "words": self.words, "keeps": self.KEEPS}
        self.log_path = self.directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", __file__, json.dumps(plan)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, umask=0o022)
        deadline = time.monotonic() + 60
        while not self.path("/run/var" if self.KEEPS else "/run/socket").exists():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"it does not start:\n{self.log()}"
            time.sleep(0.05)
        self.loops = json.loads(self.path("/run/plan").read_text())
        for name in ("root", *self.mounts, "inner"):
            place = "/" if name == "root" else f"/mnt/{name}"
            self.held[place] = os.open(self.path(place), os.O_RDONLY | os.O_DIRECTORY)

    def path(self, inner_path):
        """As seen from outside. Resolved in the kernel, by the process that is in there."""
        return pathlib.Path(f"/proc/{self.pid}/root{inner_path}")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def is_frozen(self, place):
        """Asked of the kernel in the one way there is: by freezing nothing, but by a write that has to wait."""
        program = "import os, sys; os.write(1, b'.'); os.utime(int(sys.argv[1]))"
        probe = subprocess.Popen([sys.executable, "-c", program, str(self.held[place])], stdout=subprocess.PIPE,
                                 pass_fds=[self.held[place]])
        with probe.stdout:
            assert probe.stdout.read(1) == b".", "the probe did not come as far as its write"
        try:
            probe.wait(1.5)
            return False
        except subprocess.TimeoutExpired:
            return True
        finally:
            self._probes = [*getattr(self, "_probes", []), probe]

    def thaw_all(self):
        for fd in self.held.values():
            with contextlib.suppress(OSError):
                for _ in range(64):
                    fcntl.ioctl(fd, FITHAW, 0)

    def _end(self):
        self.thaw_all()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.thaw_all()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for probe in getattr(self, "_probes", []):
            probe.wait(10)
        for fd in self.held.values():
            os.close(fd)

    def __exit__(self, *_):
        self._cleanup.close()


if __name__ == "__main__":
    inside(json.loads(sys.argv[1]))
