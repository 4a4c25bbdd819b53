"""Ansible, from Debian's package, over its connection community.libvirt.libvirt_qemu."""

import hashlib
import json
import os
import random
import subprocess

import pytest
from guest import NAME

CLERK = "ansible-clerk"
# An emulated guest starts Python several times a task.
TASK_LIMIT_S = 180


class Ansible:
    """The command `ansible` for the one guest. Each task is a run of its own."""

    def __init__(self, guest, folder):
        self.folder = folder
        self._inventory = folder / "inventory"
        self._inventory.write_text(
            f"{NAME} ansible_connection=community.libvirt.libvirt_qemu ansible_libvirt_uri='{guest.uri}' "
            "ansible_python_interpreter=/usr/bin/python3 ansible_remote_tmp=/tmp/.ansible\n")
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_STDOUT_CALLBACK": "json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}
        (folder / "ansible.cfg").touch()

    def run(self, module, arguments="", *more):
        """What the module returned."""
        done = subprocess.run(["ansible", NAME, "-i", self._inventory, "-m", module, "-a", arguments, *more],
                              cwd=self.folder, env=self._environment, capture_output=True, text=True,
                              timeout=TASK_LIMIT_S, check=False)
        try:
            return json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"][NAME]
        except (ValueError, LookupError):
            raise AssertionError(done.stdout + done.stderr) from None


@pytest.fixture(scope="module")
def ansible(open_guest, tmp_path_factory):
    open_guest.check(f"id {CLERK} || useradd --create-home {CLERK}")
    return Ansible(open_guest, tmp_path_factory.mktemp("ansible"))


def test_ping(ansible):
    assert ansible.run("ping")["ping"] == "pong"


def test_command(ansible, open_guest):
    done = ansible.run("command", "uname -r")
    assert (done["rc"], done["stdout"]) == (0, open_guest.check("uname -r"))


def test_copy_of_a_mebibyte(ansible, open_guest):
    data = random.Random(3).randbytes(1 << 20)
    (ansible.folder / "there").write_bytes(data)
    assert ansible.run("copy", "src=there dest=/root/by-ansible mode=0640")["changed"]
    assert open_guest.check("sha256sum /root/by-ansible").split()[0] == hashlib.sha256(data).hexdigest()
    assert open_guest.check("stat -c %a /root/by-ansible") == "640"


def test_fetch(ansible, open_guest):
    open_guest.check("head -c 300000 /dev/urandom >/root/for-ansible")
    assert ansible.run("fetch", "src=/root/for-ansible dest=back flat=yes")["changed"]
    data = (ansible.folder / "back").read_bytes()
    assert hashlib.sha256(data).hexdigest() == open_guest.check("sha256sum /root/for-ansible").split()[0]


def test_become(ansible):
    done = ansible.run("command", "id -un", "--become", "--become-user", CLERK)
    assert (done["rc"], done["stdout"]) == (0, CLERK)


def test_a_failing_task_is_told_with_its_code_and_its_output(ansible):
    done = ansible.run("shell", "echo out; echo err >&2; exit 7")
    assert (done["failed"], done["rc"], done["stdout"], done["stderr"]) == (True, 7, "out", "err")


# A program that ends by a signal has no exit code with qemu-ga, and the connection stops with a KeyError.
@pytest.mark.reeve
def test_a_task_that_is_killed_is_a_failed_task(ansible):
    # This connection takes a raw task's words for a program and its arguments.
    done = ansible.run("raw", "/bin/sh -c 'kill -KILL $$'")
    assert (done["failed"], done["rc"]) == (True, 128 + 9)
