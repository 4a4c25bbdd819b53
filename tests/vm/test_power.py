"""Sleep, halt, reboot and power-off through the agent. Each leaves the guest running for the next."""

import json

import agent
import guest as guests
import pytest
from guest import NAME, wait_until


def wait_for_state(guest, state):
    def domain_is_so():
        """the state that was asked for"""
        return guest.on_host("domstate").strip() == state
    wait_until(domain_is_so, guests.BOOT_LIMIT_S)


def test_an_unknown_way_to_shut_down_is_an_error(guest):
    done = guest.virsh("qemu-agent-command", NAME, json.dumps({"execute": "guest-shutdown", "arguments": {"mode": "sideways"}}))
    assert done.returncode != 0
    assert "halt|powerdown|reboot" in done.stderr


def test_reboot_by_the_agent_which_answers_again(open_guest):
    boot = open_guest.boot_id()
    open_guest.on_host("reboot", "--mode", "agent", timeout_s=guests.BOOT_LIMIT_S)
    open_guest.wait_for_another_boot(boot)
    assert agent.run(open_guest, agent.SHELL, "-c", "echo alive")["out-data"] == b"alive\n"


def test_halt_by_the_agent_stops_the_guest_and_leaves_its_machine_on(guest):
    boot = guest.boot_id()
    shown = len(guest.console())
    # No reply: libvirt waits for one in vain, and ends its wait.
    guest.virsh("qemu-agent-command", NAME, "--timeout", "5",
                json.dumps({"execute": "guest-shutdown", "arguments": {"mode": "halt"}}), timeout_s=guests.BOOT_LIMIT_S)

    def guest_has_halted():
        """the last word of the guest's kernel"""
        return "System halted" in guest.console()[shown:]
    wait_until(guest_has_halted, guests.BOOT_LIMIT_S)
    assert guest.on_host("domstate").strip() == "running"
    guest.on_host("reset")
    guest.wait_for_another_boot(boot)


def test_shutdown_by_the_agent_ends_the_domain(guest):
    boot = guest.boot_id()
    guest.on_host("shutdown", "--mode", "agent", timeout_s=guests.BOOT_LIMIT_S)
    guest.start_again()
    guest.wait_for_agent(guests.BOOT_LIMIT_S)
    assert guest.boot_id() != boot


# The kernel of the guest cannot hibernate without swap. qemu-ga says nothing then, and libvirt waits.


@pytest.mark.reeve
def test_a_hybrid_sleep_that_the_guest_cannot_have_is_an_error_in_the_words_of_who_tried(guest):
    done = guest.virsh("dompmsuspend", NAME, "--target", "hybrid", timeout_s=guests.BOOT_LIMIT_S)
    assert done.returncode != 0
    assert "hybrid suspend failed: systemctl hybrid-sleep: " in done.stderr
    guest.wait_for_agent()


@pytest.mark.reeve
def test_a_hibernation_that_the_guest_cannot_have_is_an_error_and_it_goes_on(guest):
    # Not by dompmsuspend: after systemd the kernel itself tries, and takes the agent's port down and up meanwhile, which
    # libvirt's call may take for the sleep that it waits for.
    boot = guest.boot_id()
    done = guest.virsh("qemu-agent-command", NAME, json.dumps({"execute": "guest-suspend-disk"}), timeout_s=guests.BOOT_LIMIT_S)
    assert done.returncode != 0
    assert "suspend to disk failed: systemctl hibernate: " in done.stderr or "agent disappeared" in done.stderr, done.stderr
    guest.wait_for_agent()
    assert guest.boot_id() == boot


# The last of its file: an emulated machine that has slept takes minutes to restart.
def test_dompmsuspend_puts_the_guest_to_sleep_and_a_wakeup_brings_it_back(guest):
    boot = guest.boot_id()
    guest.on_host("dompmsuspend", "--target", "mem", timeout_s=guests.BOOT_LIMIT_S)
    wait_for_state(guest, "pmsuspended")
    guest.on_host("dompmwakeup")
    wait_for_state(guest, "running")
    guest.wait_for_agent(guests.BOOT_LIMIT_S)
    assert guest.boot_id() == boot
    # As a host does after any sleep.
    guest.on_host("domtime", "--now")
