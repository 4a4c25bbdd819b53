"""The clock, processors and memory of a real guest, switched by the agent and looked at past it. Power, sleep and hot-plug, as hosts
use them, stand in test_power.py and test_hardware.py."""

import agent
import guest as guests
import pytest

NS_PER_S = 1_000_000_000
DAY_S = 24 * 3600
# What an emulated guest takes between the agent's answer and the look at its clock.
CLOCK_SLACK_S = 30
CPUS = "/sys/devices/system/cpu"
MEMORY = "/sys/devices/system/memory"
STANDARD_POLICY = "schema: 1\nprofile: standard\n"


@pytest.fixture(autouse=True, scope="module")
def standard_policy(guest):
    """What is tested is what a guest has as installed."""
    if guest.run("test -e /etc/reeve/policy.yaml").status == 0:
        agent.set_policy(guest, STANDARD_POLICY)


def refusal_of(guest, command, **arguments):
    """What the host is told."""
    with pytest.raises(guests.libvirt.libvirtError) as caught:
        guest.agent(command, timeout_s=60, **arguments)
    return str(caught.value).removeprefix("internal error: unable to execute QEMU agent command ").removeprefix(
        f"'{command}': ")


# ---- the clock


def system_clock(guest):
    return int(guest.check("date +%s"))


def hardware_clock(guest):
    return int(guest.check("cat /sys/class/rtc/rtc0/since_epoch"))


@pytest.fixture
def clock(guest):
    """The time at which both clocks stood; they are set back to it."""
    now = system_clock(guest)
    yield now
    guest.check(f"date -s @{now} && hwclock -w -u", timeout_s=60)


@pytest.mark.parametrize("days", [3, -3])
def test_both_clocks_are_set_forward_and_back(guest, clock, days):
    wanted = clock + days * DAY_S
    assert guest.agent("guest-set-time", time=wanted * NS_PER_S) == {}
    assert 0 <= system_clock(guest) - wanted < CLOCK_SLACK_S
    assert 0 <= hardware_clock(guest) - wanted < CLOCK_SLACK_S
    # Whoever waits for a deadline does not see it: the agent goes by running time.
    assert guest.agent("guest-ping") == {}


def test_without_a_time_the_system_clock_follows_the_hardware_clock(guest, clock):
    guest.check(f"date -s @{clock + 5 * DAY_S}")
    assert guest.agent("guest-set-time") == {}
    assert abs(system_clock(guest) - clock) < CLOCK_SLACK_S


@pytest.mark.parametrize("time_s", [-DAY_S, 3_155_760_000 + DAY_S])
def test_a_time_out_of_range_changes_nothing(guest, clock, time_s):
    assert "Invalid time" in refusal_of(guest, "guest-set-time", time=time_s * NS_PER_S)
    assert 0 <= system_clock(guest) - clock < CLOCK_SLACK_S


@pytest.mark.reeve
def test_without_hwclock_the_error_says_that_the_system_clock_is_set(guest, clock):
    program = guest.check("readlink -f /sbin/hwclock")
    guest.check(f"mv {program} {program}.away")
    try:
        said = refusal_of(guest, "guest-set-time", time=(clock + DAY_S) * NS_PER_S)
        assert said == ("child process has failed to set hardware clock to system time: failed to exec '/sbin/hwclock': "
                        "No such file or directory (the system clock is set)")
        assert 0 <= system_clock(guest) - clock - DAY_S < CLOCK_SLACK_S
        assert abs(hardware_clock(guest) - clock) < CLOCK_SLACK_S
    finally:
        guest.check(f"mv {program}.away {program}")


@pytest.mark.reeve
def test_the_worker_has_the_right_to_set_the_clock_and_no_other(guest, clock):
    guest.agent("guest-set-time", time=clock * NS_PER_S)
    pids = guest.check("pgrep -f '^reeve-worker system'").split()
    assert len(pids) == 1
    status = dict(line.split(":\t", 1) for line in guest.check(f"cat /proc/{pids[0]}/status").splitlines() if ":\t" in line)
    cap_sys_time = 1 << 25
    assert (int(status["CapPrm"], 16), int(status["CapEff"], 16)) == (cap_sys_time, cap_sys_time)
    assert (int(status["CapBnd"], 16), int(status["CapAmb"], 16), int(status["CapInh"], 16)) == (0, 0, 0)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and status["Uid"].split()[0] != "0"


@pytest.mark.reeve
def test_a_policy_that_lets_hwclock_not_run_is_named_and_what_is_done_is_said(guest, clock):
    agent.set_policy(guest, "schema: 1\nprofile: minimal\ncommands: {allow: [guest-set-time]}\n")
    try:
        said = refusal_of(guest, "guest-set-time", time=clock * NS_PER_S)
        assert "hwclock is not allowed by policy rule 'default'" in said and said.endswith(" (the system clock is set)")
        assert "hwclock is not allowed by policy rule 'default'" in refusal_of(guest, "guest-set-time")
    finally:
        agent.set_policy(guest, STANDARD_POLICY)


# ---- processors


def online(guest, number):
    return guest.check(f"cat {CPUS}/cpu{number}/online")


def set_processors(guest, *states):
    """`states`: (number, is it to be online)."""
    return guest.agent("guest-set-vcpus", timeout_s=60,
                       vcpus=[{"logical-id": number, "online": state} for number, state in states])


@pytest.fixture
def processors(guest):
    yield
    guest.check(f"echo 1 >{CPUS}/cpu1/online")


def test_a_processor_is_switched_off_and_on_and_twice_is_no_error(guest, processors):
    for state in (False, True):
        for _ in range(2):
            assert set_processors(guest, (1, state)) == 1
            assert online(guest, 1) == str(int(state))
            assert int(guest.check("nproc --all; nproc").split()[-1]) == 1 + int(state)


def test_the_first_processor_has_no_switch(guest, processors):
    assert guest.run(f"test -e {CPUS}/cpu0/online").status != 0
    assert set_processors(guest, (0, True)) == 1
    assert refusal_of(guest, "guest-set-vcpus", vcpus=[{"logical-id": 0, "online": False}]) == (
        "logical processor #0 can't be offlined")


def test_the_answer_is_how_many_were_switched_before_the_first_that_cannot(guest, processors):
    assert set_processors(guest, (1, False), (0, False), (1, True)) == 1
    assert online(guest, 1) == "0"
    assert set_processors(guest, (0, True), (1, True), (99, True)) == 2
    assert set_processors(guest) == 0


def test_a_processor_that_is_not_there_is_named(guest):
    said = refusal_of(guest, "guest-set-vcpus", vcpus=[{"logical-id": 99, "online": True}])
    # qemu-ga 7.2 puts it otherwise.
    assert said in (f"Could not open '{CPUS}/cpu99/': No such file or directory",
                    f'open("{CPUS}/cpu99/"): No such file or directory')


# ---- memory


def set_blocks(guest, *states):
    return guest.agent("guest-set-memory-blocks", timeout_s=60,
                       mem_blks=[{"phys-index": number, "online": state} for number, state in states])


def test_each_block_of_memory_has_a_result_of_its_own(guest):
    there = int(guest.check(f"basename $(ls -d {MEMORY}/memory[0-9]* | head -1)").removeprefix("memory"))
    assert guest.check(f"cat {MEMORY}/memory{there}/state") == "online"
    assert set_blocks(guest, (there, True), (99999, False), (there, True)) == [
        {"phys-index": there, "response": "success"},
        {"phys-index": 99999, "response": "not-found", "error-code": 2},
        {"phys-index": there, "response": "success"}]
    assert set_blocks(guest) == []


def test_a_block_that_the_kernel_needs_stays_and_the_reason_is_a_number(guest):
    # The kernel itself lies in the first.
    result, = set_blocks(guest, (0, False))
    assert result["response"] == "operation-failed" and result["error-code"] in (16, 22), result
    assert guest.check(f"cat {MEMORY}/memory0/state") == "online"
