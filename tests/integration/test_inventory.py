"""The getters, held against Debian's qemu-ga on the same machine, field by field, and against the machine itself."""

import os

import pytest

from side_by_side import agents, client, value_of  # noqa: F401  (fixtures)

agent = agents(["reeve", "qemu-ga"])


def test_osinfo_is_what_kernel_and_distribution_say(client):
    info = value_of(client.call("guest-get-osinfo"))
    kernel = os.uname()
    assert (info["kernel-release"], info["kernel-version"], info["machine"]) == (kernel.release, kernel.version, kernel.machine)
    assert (info["id"], info["version-id"]) == ("debian", "12")


def test_host_name_is_the_kernels(client):
    assert value_of(client.call("guest-get-host-name")) == {"host-name": os.uname().nodename}
