"""Users who are nobody's: an /etc and a /home of their own in a mount namespace, for tests of what changes accounts.

The machine's own users, passwords and homes are never seen by what runs in there. A namespace that does not hold that is not used."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

ALICE, BOB = 78241, 78242

PASSWD = f"""root:x:0:0:root:/root-home:/bin/sh
toor:x:0:0:root too:/root-home:/bin/sh
alice:x:{ALICE}:{ALICE}:Alice:/home/alice:/bin/sh
bob:x:{BOB}:{BOB}:Bob:/home/bob:/bin/sh
linked:x:{ALICE}:{ALICE}::/home/alice/elsewhere:/bin/sh
rootlinked:x:{ALICE}:{ALICE}::/mnt/homes/alice:/bin/sh
foreign:x:{ALICE}:{ALICE}::/home/bob:/bin/sh
jailed:x:{ALICE}:{ALICE}::/home/jail:/bin/sh
slash:x:{ALICE}:{ALICE}::/home/alice//:/bin/sh
nowhere:x:{ALICE}:{ALICE}::/:/bin/sh
unchanged:x:{2**32 - 1}:{ALICE}::/home/alice:/bin/sh
grouped:x:{ALICE}:0::/home/alice:/bin/sh
homeless:x:{ALICE}:{ALICE}::/home/nowhere:/bin/sh
nohome:x:{ALICE}:{ALICE}:::/bin/sh
"""
GROUP = f"root:x:0:\nshadow:x:42:\nalice:x:{ALICE}:\nbob:x:{BOB}:\nfriends:x:78243:alice,bob\n"

# In the namespace, before anything else: no mount of it comes out, no file under these names is the machine's.
SETUP = """set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/etc" "$1/home" "$1/root-home"
cp -a /etc/. "$1/etc/"
rm -f "$1"/etc/passwd* "$1"/etc/shadow* "$1"/etc/group* "$1"/etc/gshadow* "$1"/etc/sub?id*
printf %s "$PASSWD" >"$1/etc/passwd"
printf %s "$GROUP" >"$1/etc/group"
cut -d: -f1 "$1/etc/passwd" | sed 's/$/:!:19000:0:99999:7:::/' >"$1/etc/shadow"
chmod 640 "$1/etc/shadow"
printf 'passwd: files\\ngroup: files\\nshadow: files\\n' >"$1/etc/nsswitch.conf"
mount --bind "$1/etc" /etc
mount -t tmpfs -o mode=755,size=4m tmpfs /home
install -d -o 78241 -g 78241 -m 755 /home/alice
install -d -o 78242 -g 78242 -m 755 /home/bob
install -d -m 755 /home/jail
echo ready
exec cat
"""


class ThrowawayUsers:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="reeve-users-"))
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", SETUP, "sh", str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PASSWD": PASSWD, "GROUP": GROUP})
        try:
            if self._holder.stdout.readline() != "ready\n":
                raise RuntimeError("the namespace of throw-away users could not be made")
            self._refuse_the_machines_own()
        except BaseException:
            self.close()
            raise

    def _refuse_the_machines_own(self):
        for path in ("/etc/passwd", "/etc/shadow", "/home"):
            inside = self.run(["stat", "-c", "%d:%i", path]).stdout
            own = os.stat(path)
            if inside.strip() == f"{own.st_dev}:{own.st_ino}":
                raise RuntimeError(f"{path} in the namespace is the machine's own")

    def close(self):
        self._holder.stdin.close()
        try:
            self._holder.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._holder.send_signal(signal.SIGKILL)
            self._holder.wait()
        self._holder.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def enter(self, words):
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--", *words]

    def run(self, words, stdin=b"", timeout_s=20):
        """As root, in there. Text out, bytes in."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(self.enter(words), input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout_s, check=False)
        done.stdout = done.stdout.decode(errors="surrogateescape")
        return done

    def shell(self, script):
        done = self.run(["sh", "-ec", script])
        assert done.returncode == 0, (script, done.stdout)
        return done.stdout
