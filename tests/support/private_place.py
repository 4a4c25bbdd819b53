"""Namespaces for agents and what they look at: mounts, and a network where it is wanted, that nothing of the machine's changes
and from which nothing leaves."""

import pathlib
import struct
import subprocess

USER_PROCESS, DEAD_PROCESS = 7, 8


class PrivatePlace:
    """They live until end(). Within, mounts are shared, as systemd has them, so that a worker sees those made after its
    start. `within`: the words that run a program there."""

    def __init__(self, network=False):
        kinds = ["--mount", *(["--net"] if network else [])]
        self._holder = subprocess.Popen(
            ["unshare", *kinds, "--propagation", "private", "sh", "-c",
             "mount --make-rshared / && echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"ready\n"
        self.within = ["nsenter", f"--target={self._holder.pid}", *kinds, "--"]
        self._loops = []
        if network:
            self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, **more):
        """What the program prints."""
        return subprocess.run([*self.within, *words], check=True, stdout=subprocess.PIPE, **more).stdout

    def shell(self, script):
        return self.run("sh", "-ec", script, text=True)

    def loop(self, image):
        """A loop device of this place's own."""
        device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
        self._loops.append(device)
        return device

    def end(self):
        self._holder.kill()
        self._holder.wait()
        for device in self._loops:
            subprocess.run(["losetup", "--detach", device], check=False)


def image(path, kind):
    """A file of 64 MiB with a file system of this kind in it."""
    with open(path, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run([f"mkfs.{kind}", "-q", path], check=True, capture_output=True)
    return path


def crowd_of_mounts(place, directory, count):
    """So many mounts, half of them of one disk, half of memory."""
    pathlib.Path(directory).mkdir()
    loop = place.loop(image(f"{directory}.img", "ext4"))
    place.shell(f"""
        mkdir {directory}/disk; mount {loop} {directory}/disk
        i=0
        while [ $i -lt {count} ]; do
          mkdir {directory}/$i
          if [ $((i % 2)) = 0 ]; then mount -t tmpfs none {directory}/$i; else mount --bind {directory}/disk {directory}/$i; fi
          i=$((i + 1))
        done
    """)


def crowd_of_interfaces(place, count):
    """So many interfaces beside `lo`, each with an address."""
    script = []
    for number in range(count // 2):
        script.append(f"link add x{number} type veth peer name y{number}")
        for side in "xy":
            script += [f"address add 10.{number}.{ord(side)}.1/24 dev {side}{number}", f"link set {side}{number} up"]
    place.run("ip", "-batch", "-", input="\n".join(script).encode())


def utmp_record(kind, user, seconds, microseconds=0):
    """A record of utmp(5), as 64-bit x86 has it."""
    return struct.pack("<hxxi32s4s32s256shhiii16s20x", kind, 1, b"tty1", b"1", user, b"host", 0, 0, 1, seconds, microseconds,
                       b"")


def crowd_of_logins(count):
    """The bytes of a utmp."""
    return b"".join(utmp_record(USER_PROCESS, b"user%d" % number, 100 + number) for number in range(count))
