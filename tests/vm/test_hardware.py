"""Processors and memory that come while the guest runs: the guest sees them, and the agent switches them."""

import pytest
from guest import wait_until

SOON_S = 60
DIMM = "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
BLOCKS = "/sys/devices/system/memory"


def is_online(guest, number):
    return guest.check(f"cat /sys/devices/system/cpu/cpu{number}/online") == "1"


def test_a_processor_that_comes_late_is_seen_and_switched(guest):
    guest.on_host("setvcpus", "3", "--live")

    def guest_has_it():
        """the third processor in the guest"""
        return guest.run("test -e /sys/devices/system/cpu/cpu2/online").status == 0
    wait_until(guest_has_it, SOON_S)
    # Whether it is online by itself is the distribution's choice.
    guest.on_host("guestvcpus", "--enable", "--cpulist", "2")
    assert is_online(guest, 2)
    assert guest.on_host("vcpucount", "--guest").strip() == "3"
    guest.on_host("setvcpus", "2", "--guest")
    assert guest.on_host("vcpucount", "--guest").strip() == "2"
    guest.on_host("setvcpus", "3", "--guest")
    assert is_online(guest, 1) and is_online(guest, 2)


def blocks_of(guest):
    """{number: is online} as the guest's kernel has them."""
    return {int(number): word == "online" for number, word in (line.split() for line in guest.check(
        f"cd {BLOCKS} && for b in memory[0-9]*; do echo ${{b#memory}} $(cat $b/state); done").splitlines())}


def told_blocks(guest):
    return {block["phys-index"]: block["online"] for block in guest.agent("guest-get-memory-blocks")}


def switch(guest, numbers, online):
    return guest.agent("guest-set-memory-blocks", timeout_s=60,
                       mem_blks=[{"phys-index": number, "online": online} for number in numbers])


@pytest.fixture(scope="module")
def late_blocks(guest):
    """The numbers of the memory blocks of a module that was plugged in."""
    # The kernel shall keep nothing there that it could not move away again.
    guest.check("echo auto-movable >/sys/module/memory_hotplug/parameters/online_policy")
    before = blocks_of(guest)
    guest.attach(DIMM)

    def guest_has_them():
        """more memory blocks in the guest"""
        return blocks_of(guest).keys() - before.keys()
    return sorted(wait_until(guest_has_them, SOON_S))


def test_memory_that_comes_late_is_seen(guest, late_blocks):
    size = guest.agent("guest-get-memory-block-info")["size"]
    assert size == int(guest.check(f"cat {BLOCKS}/block_size_bytes"), 16)
    assert len(late_blocks) * size == 128 << 20
    assert told_blocks(guest) == blocks_of(guest)


def test_memory_that_came_late_is_switched(guest, late_blocks):
    for online in (True, False, True):
        def blocks_are_switched():
            """memory blocks that nobody holds on to"""
            return switch(guest, late_blocks, online) == [
                {"phys-index": number, "response": "success"} for number in late_blocks]
        wait_until(blocks_are_switched, SOON_S)
        assert {blocks_of(guest)[number] for number in late_blocks} == {online}
        assert told_blocks(guest) == blocks_of(guest)


def test_a_block_that_is_not_there_is_told_in_its_own_result(guest, late_blocks):
    absent = max(blocks_of(guest)) + 1000
    results = {result["phys-index"]: result["response"] for result in switch(guest, [*late_blocks, absent], True)}
    assert results[absent] == "not-found"
    assert {results[number] for number in late_blocks} == {"success"}
