"""What follows when a worker crashes, again and again; by a plugin that crashes, hangs and floods as it is told."""

import json
import os
import re
import shutil
import signal
import time

import pytest

from conftest import BUILD
from running_reeve import lives, reeve_in_directory, wait_until

INITIAL_S = 0.6
# A delay that no client here waits for (20 s): what is answered all the same was not delayed.
NEVER_S = 1000
BUDGET = 4
POLICY = """\
schema: 1
profile: open
sandbox-defaults: {{restart: {{initial: {initial_ms}ms, max: {max_ms}ms, budget: {budget} per 10min}}}}
plugins: {{faulty: {{enable: true, idle-exit: 100s{more}}}}}
"""
QUARANTINED = (f"worker faulty is quarantined: it ended {BUDGET} times within 10 min, the last time: exited with status 3; "
               "a restart of the service (systemctl restart reeved) releases it")
ENDED = "worker faulty ended while it served this request, whose outcome is unknown: "


@pytest.fixture
def stopped(reeve_install):
    """A Reeve with the faulty plugin, not started yet."""
    if not (BUILD / "tests/plugins/faulty.so").exists():
        pytest.fail(f"no faulty.so under {BUILD}: cmake --build {BUILD} --target reeve_product")
    with reeve_in_directory(reeve_install) as reeve:
        plugins = reeve.directory / "plugins"
        shutil.copytree(reeve_install / "lib/reeve/plugins", plugins)
        for name in ("faulty.so", "faulty.plugin.yaml"):
            shutil.copy2(BUILD / "tests/plugins" / name, plugins)
        reeve.start_faulty = lambda more="", budget=BUDGET, initial_s=INITIAL_S: (
            reeve.write_policy(POLICY.format(initial_ms=int(initial_s * 1000), max_ms=int(max(0.8, initial_s) * 1000),
                                             budget=budget, more=more)),
            reeve.start("--plugin-dir", str(plugins)))
        yield reeve


@pytest.fixture
def reeve(stopped):
    stopped.start_faulty()
    yield stopped


def error_of(reply):
    assert "error" in reply, reply
    assert reply["error"]["class"] == "GenericError"
    return reply["error"]["desc"]


def crash(reeve, why="", how="exit"):
    return error_of(reeve.call("faulty-end", how=how, why=why))


def timed(act):
    begin = time.monotonic()
    result = act()
    return result, time.monotonic() - begin


def quarantine(reeve):
    for i in range(BUDGET):
        assert crash(reeve, str(i)) == ENDED + "exited with status 3"


# ---- delay


def test_first_crash_delays_nothing(stopped):
    stopped.start_faulty(initial_s=NEVER_S)
    assert crash(stopped, how="trap") == ENDED + "killed by signal 4 (Illegal instruction)"
    assert stopped.call("faulty-answer", text="one") == {"return": "one"}


def test_second_crash_delays_the_next_start_and_nothing_else(reeve):
    crash(reeve)
    crash(reeve)
    reply, took = timed(lambda: reeve.call("faulty-answer", text="two"))
    assert reply == {"return": "two"} and took > INITIAL_S * 0.8 - 0.1
    worker = reeve.worker("faulty")
    assert reeve.call("faulty-answer", text="three") == {"return": "three"}
    assert reeve.worker("faulty") == worker


def test_delay_of_one_plugin_is_none_of_another(stopped):
    stopped.start_faulty(initial_s=NEVER_S)
    crash(stopped, "a")
    crash(stopped, "b")
    with stopped.connect() as client:
        client.send(json.dumps({"execute": "faulty-answer"}).encode() + b"\n")
        for _ in range(3):
            assert "return" in stopped.call("guest-exec", path="/bin/true")
    assert not stopped.worker("faulty")


# ---- quarantine


def test_plugin_that_crashes_too_often_is_quarantined_and_the_rest_goes_on(reeve):
    quarantine(reeve)
    assert error_of(reeve.call("faulty-answer")) == QUARANTINED
    assert error_of(reeve.call("faulty-end", how="exit")) == QUARANTINED
    assert not reeve.worker("faulty")
    assert "return" in reeve.call("guest-exec", path="/bin/true")
    # What the host may do has not changed, so guest-info says what it said.
    commands = reeve.call("guest-info")["return"]["supported_commands"]
    assert {"name": "faulty-answer", "enabled": True, "success-response": True} in commands
    assert reeve.log().count(QUARANTINED) == 1


def test_restart_of_the_service_releases_a_quarantine(reeve):
    quarantine(reeve)
    reeve.stop()
    reeve.start_faulty()
    assert reeve.call("faulty-answer", text="again") == {"return": "again"}


def test_worker_that_cannot_be_started_is_quarantined_too(stopped):
    stopped.start_faulty(more=", settings: {fails: true}")
    for _ in range(BUDGET):
        assert "worker faulty could not be started" in error_of(stopped.call("faulty-answer"))
    text = error_of(stopped.call("faulty-answer"))
    assert text.startswith(f"worker faulty is quarantined: it ended {BUDGET} times within 10 min, the last time: ")


def test_commands_that_hang_do_not_quarantine(reeve):
    for _ in range(BUDGET + 1):
        text = error_of(reeve.call("faulty-hang"))
        assert text == "faulty-hang did not finish within its deadline of 100 ms; worker faulty was stopped"
    assert reeve.call("faulty-answer", text="well") == {"return": "well"}


# ---- requests that crash


def test_request_that_crashes_twice_is_refused_and_others_are_not(stopped):
    stopped.start_faulty(budget=100)
    crash(stopped, "bad")
    crash(stopped, "bad")
    assert crash(stopped, "bad") == ("faulty-end with these arguments is refused: worker faulty ended 2 times while it served that; "
                               "it is tried again 24 h later, or after a restart of the service")
    with stopped.connect() as client:  # however it is written
        client.send(b'{"arguments": {\n"how":"\\u0065xit",   "why":"bad"}, "id": 7, "execute":"faulty-end"}\n')
        assert "is refused" in error_of(json.loads(client.read_line()))
    assert crash(stopped, "other").startswith(ENDED)
    assert stopped.call("faulty-answer", text="one") == {"return": "one"}


def test_idempotent_request_is_tried_twice_and_then_refused(stopped):
    stopped.start_faulty(budget=100)
    assert error_of(stopped.call("faulty-end-again", how="exit")) == ENDED + "exited with status 3"
    assert stopped.log().count("worker faulty has ended: exited with status 3") == 2
    assert "with these arguments is refused" in error_of(stopped.call("faulty-end-again", how="exit"))


def test_request_that_survives_elsewhere_is_not_blamed_for_its_neighbour(stopped):
    stopped.start_faulty(budget=100)
    with stopped.connect() as innocent, stopped.connect() as guilty:
        for round in range(3):
            os.kill(wait_until(lambda: stopped.call("faulty-answer") and stopped.worker("faulty"), 10, "a worker"),
                    signal.SIGSTOP)
            innocent.send(b'{"execute": "faulty-answer", "arguments": {"text": "x"}}\n')
            guilty.send(b'{"execute": "faulty-end-again", "arguments": {"how": "exit"}}\n')
            assert stopped.answers()
            os.kill(stopped.worker("faulty"), signal.SIGKILL)
            assert json.loads(innocent.read_line()) == {"return": "x"}
            text = error_of(json.loads(guilty.read_line()))
            assert ("is refused" in text) == (round > 0)
            if round > 0:
                break


# ---- recycling


def serve(reeve, count):
    request = b'{"execute": "faulty-answer"}\n'
    with reeve.connect() as client:
        for _ in range(count):
            client.send(request)
            client.read_line()


def test_worker_is_replaced_after_ten_thousand_requests_unless_it_holds_state(reeve):
    reeve.call("faulty-hold", count=1)
    first = reeve.worker("faulty")
    serve(reeve, 10_000)
    time.sleep(0.3)
    assert reeve.worker("faulty") == first
    reeve.call("faulty-hold", count=0)
    wait_until(lambda: not lives(first), 2, "the old worker's end")
    assert reeve.call("faulty-answer", text="next") == {"return": "next"}
    assert reeve.worker("faulty") != first
    assert "reeve-core: warning: worker" not in reeve.log()


# ---- logs


def test_flood_of_log_lines_is_held_back_and_disturbs_nobody(reeve):
    lines = 20_000
    with reeve.connect() as flooder:
        begin = time.monotonic()
        flooder.send(json.dumps({"execute": "faulty-log", "arguments": {"lines": lines}}).encode() + b"\n")
        for _ in range(20):
            assert reeve.call("guest-ping") == {"return": {}}
        assert json.loads(flooder.read_line()) == {"return": {}}
    reeve.call("faulty-end", how="exit")
    took = time.monotonic() - begin
    for way in ("log", "stderr"):
        kept = len(re.findall(f"flood by {way} ", reeve.log()))
        assert 0 < kept <= 100 + 20 * (took + 1), way


# ---- limits


@pytest.mark.parametrize("role, files, memory_mib, file_size", [("faulty", 64, 64, 16 << 20), ("file", 256 + 64, 192, None),
                                                                ("exec", 4 * 256 + 64, 320, 16 << 20)])
def test_limits_of_a_worker(reeve, role, files, memory_mib, file_size):
    reeve.call("faulty-answer")
    reeve.call("guest-exec", path="/bin/true")
    reeve.call("guest-file-open", path="/etc/hostname")
    with open(f"/proc/{reeve.worker(role)}/limits") as text:
        limits = {line[:25].strip(): line[25:].split()[:2] for line in text.read().splitlines()[1:]}
    assert limits["Max open files"] == [str(files)] * 2
    assert limits["Max data size"] == [str(memory_mib << 20)] * 2
    # A limit of address space would refuse one large mapping that is never touched.
    assert limits["Max address space"][0] == "unlimited"
    assert limits["Max file size"][0] == ("unlimited" if file_size is None else str(file_size))
    assert limits["Max core file size"] == ["0", "0"]
