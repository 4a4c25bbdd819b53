"""The freezing plugin, taken over: whatever it says, core and warden live on, answer, and end it."""

import os

import pytest

from running_reeve import lives, wait_until
from test_freeze_core import FROZEN, desc, freeze_of, hold, reeve, state, stopped, thaw  # noqa: F401

END_LIMIT_S = 20


def processes(reeve):
    return reeve.pid, reeve.core()


def misbehave(reeve, how):
    return reeve.call("freezer-misbehave", how=how)


def test_one_that_freezes_and_thaws_without_end_fills_no_log(reeve):
    before = processes(reeve)
    assert misbehave(reeve, "freeze and thaw without end") == {"return": {}}
    hold(reeve, 0)
    wait_until(lambda: not freeze_of(reeve)["is-frozen"], END_LIMIT_S, "the last word")
    assert "return" in reeve.call("guest-exec", path="/bin/true")
    assert processes(reeve) == before
    assert reeve.log().count('"event": "thaw"') < 1000
    assert reeve.log().count("file systems are thawed") < 1000


@pytest.mark.parametrize("whom", ["core", "warden"])
def test_garbage_after_a_freeze_ends_the_worker_and_what_it_froze_is_known(reeve, whom):
    before = processes(reeve)
    hold(reeve)
    worker = reeve.worker("freezer")
    misbehave(reeve, f"garbage to the {whom}")
    wait_until(lambda: not lives(worker), END_LIMIT_S, "its end")
    held = reeve.call("freezer-status")["return"]
    # One whose warden closes its socket thaws, if it is not killed before it can.
    assert held == 2 or (held == 0 and whom == "warden")
    assert freeze_of(reeve)["is-frozen"] == (held == 2)
    if held == 2:
        assert desc(reeve.call("guest-exec", path="/bin/true")).endswith(FROZEN)
    thaw(reeve)
    assert "return" in reeve.call("guest-exec", path="/bin/true")
    assert processes(reeve) == before


def resident_kib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_one_that_asks_for_quiet_without_end_and_reads_no_answer_is_ended(reeve):
    before = processes(reeve)
    hold(reeve)
    worker, memory = reeve.worker("freezer"), resident_kib(reeve.core())
    assert "error" in misbehave(reeve, "ask for quiet without end")
    assert not lives(worker)
    assert processes(reeve) == before
    assert resident_kib(reeve.core()) - memory < 4096
    assert reeve.call("freezer-status") == {"return": 2}
    thaw(reeve)


def test_one_that_does_not_thaw_does_not_outlive_the_service(reeve):
    hold(reeve)
    worker = reeve.outlives = reeve.worker("freezer")
    assert misbehave(reeve, "stay") == {"return": {}}
    assert reeve.stop(limit_s=30) == 0
    wait_until(lambda: not lives(worker), END_LIMIT_S, "the worker's end")
    assert state(reeve) == "2."
    assert "did not thaw when the service stopped: they are thawed for it" in reeve.log()
