"""What hosts that cannot be installed here send, in their order and spelling, and what they insist on in the replies.

Each talks through `connect`, which gives a connection (qga.Client) of its own at each call."""

import itertools
import json
import os
import random
import time

PROGRAM_LIMIT_S = 60


def value_of(reply):
    assert "return" in reply, reply
    return reply["return"]


class Proxmox:
    """A connection for each command; a delimited sync and the command in one write, `arguments` always there; the reply is
    0xFF, a line, a line, and not a byte more."""

    def __init__(self, connect):
        self._connect = connect
        self._ids = itertools.count(1)

    def ask(self, client, command, **arguments):
        """Both lines in one write. Returns the number of the sync."""
        number = int(f"{os.getpid()}0{next(self._ids)}") + 2**32
        sync = json.dumps({"arguments": {"id": number}, "execute": "guest-sync-delimited"}).encode()
        request = json.dumps({"arguments": {name.replace("_", "-"): value for name, value in arguments.items()},
                              "execute": command}).encode()
        client.send(sync + b"\n" + request + b"\n")
        return number

    def reply(self, command, **arguments):
        with self._connect() as client:
            number = self.ask(client, command, **arguments)
            line = client.read_line()
            assert line == b'\xff{"return": %d}' % number, line
            reply = client.read_line()
            assert client._buffer == b""
        return json.loads(reply)

    def call(self, command, **arguments):
        return value_of(self.reply(command, **arguments))

    def call_without_reply(self, command):
        """As it shuts down and suspends: that the agent's side closes without a word is success."""
        with self._connect() as client:
            number = self.ask(client, command)
            assert client.read_line() == b'\xff{"return": %d}' % number

    def run(self, path, *arguments, **more):
        pid = self.call("guest-exec", path=path, arg=list(arguments), capture_output=True, **more)["pid"]
        end = time.monotonic() + PROGRAM_LIMIT_S
        while not (status := self.call("guest-exec-status", pid=pid))["exited"]:
            assert time.monotonic() < end
        return status

    # Its API asks for these on its own account, and hands them to its users.
    LOOKS = {"guest-ping": dict, "guest-info": dict, "guest-get-time": int, "guest-get-host-name": dict, "guest-get-osinfo": dict,
             "guest-get-users": list, "guest-get-timezone": dict, "guest-get-vcpus": list, "guest-get-fsinfo": list,
             "guest-network-get-interfaces": list, "guest-get-memory-blocks": list, "guest-get-memory-block-info": dict,
             "guest-fsfreeze-status": str}

    def freeze(self):
        """The count, once the status says that it is so."""
        count = self.call("guest-fsfreeze-freeze")
        for _ in range(5):
            if self.call("guest-fsfreeze-status") == "frozen":
                return count
        raise AssertionError("not frozen")


class KubeVirt:
    """One connection, as libvirt has; a list of commands without which the agent counts as too old."""

    MANDATORY = {"guest-ping", "guest-get-time", "guest-info", "guest-shutdown", "guest-network-get-interfaces",
                 "guest-get-fsinfo", "guest-get-host-name", "guest-get-users", "guest-get-timezone", "guest-get-osinfo"}
    FOR_KEYS = {"guest-ssh-get-authorized-keys", "guest-ssh-add-authorized-keys", "guest-ssh-remove-authorized-keys"}
    FOR_KEYS_BY_FILES = {"guest-exec", "guest-exec-status", "guest-file-open", "guest-file-close", "guest-file-read",
                         "guest-file-write"}
    FOR_PASSWORDS = {"guest-set-user-password"}
    # What its endpoint for statistics takes when it is there.
    STATISTICS = {"guest-get-load": ("load1m", "load5m", "load15m"), "guest-get-cpustats": ("cpu", "user", "system", "idle"),
                  "guest-get-diskstats": ("name", "major", "minor", "stats"), "guest-get-vcpus": ("logical-id", "online"),
                  "guest-get-disks": ("name", "partition"), "guest-network-get-route": ("iface", "destination", "version")}

    def __init__(self, client):
        self._client = client

    def call(self, command, **arguments):
        return value_of(self._client.call(command, **arguments))

    def enabled(self):
        return {command["name"] for command in self.call("guest-info")["supported_commands"] if command["enabled"]}

    def file_systems(self):
        """Of each the members that it parses."""
        return [(entry["name"], entry["mountpoint"], entry["type"], entry.get("used-bytes"), entry.get("total-bytes"),
                 [(disk.get("serial"), disk["bus-type"]) for disk in entry["disk"]]) for entry in self.call("guest-get-fsinfo")]

    def probe(self, path, *arguments):
        """An exec probe: its exit code and its output."""
        pid = self.call("guest-exec", path=path, arg=list(arguments), capture_output=True)["pid"]
        assert pid > 0
        end = time.monotonic() + PROGRAM_LIMIT_S
        while not (status := self.call("guest-exec-status", pid=pid))["exited"]:
            assert time.monotonic() < end
            time.sleep(0.01)
        return status


class CloudStack:
    """Plain syncs with a random number to see whether anybody is there, and the words of the freeze's status."""

    def __init__(self, call):
        """call(command, **arguments) -> value; through libvirt or a socket."""
        self._call = call

    def is_there(self):
        number = random.randrange(2**31)
        return self._call("guest-sync", id=number) == number

    def status(self):
        return self._call("guest-fsfreeze-status")

    def freeze(self):
        self._call("guest-fsfreeze-freeze")
        return self.status() == "frozen"

    def thaw(self):
        self._call("guest-fsfreeze-thaw")
        return self.status() == "thawed"


class Vdsm:
    """It asks only for what guest-info lists and enables, and takes whoever needs more than a second for dead."""

    PATIENCE_S = 1
    # Command: the members of the reply, or of each entry of it, that it reads or that libvirt reads for it.
    POLL = {
        "guest-get-osinfo": ("id", "kernel-release"),
        "guest-get-timezone": ("offset",),
        "guest-get-host-name": ("host-name",),
        "guest-network-get-interfaces": ("name",),
        "guest-get-users": ("user", "login-time"),
        "guest-get-fsinfo": ("name", "mountpoint", "type", "disk"),
        "guest-get-disks": ("name", "partition"),
        "guest-get-vcpus": ("logical-id", "online", "can-offline"),
        "guest-get-devices": ("driver-name", "id"),
    }

    def __init__(self, connect):
        self._connect = connect

    def call(self, command):
        with self._connect() as client:
            return value_of(client.call(command))

    def capabilities(self):
        info = self.call("guest-info")
        assert info["version"]
        return {command["name"] for command in info["supported_commands"] if command["enabled"]}
