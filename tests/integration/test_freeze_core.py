"""What core and warden do about a freeze, by a plugin that holds state as the freezing one does and freezes nothing."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import BUILD
from running_reeve import lives, reeve_in_directory, status_of, wait_until

POLICY = """\
schema: 1
profile: open
audit: {{sink: [stderr], decisions: all}}
sandbox-defaults: {{restart: {{initial: 60s, max: 60s, budget: 3 per 10min}}}}
plugins:
  freezer: {{enable: true, idle-exit: {idle}, sandbox: {{promises: [freeze], inherit: ["state:freezer"]}}}}
"""
FROZEN = "the agent is in frozen state"
# "At once" is shown by what else would have been waited for: a crashed worker's delay is longer than any client here waits
# for an answer (20 s), and what waits for a thaw is never answered before it. How fast it is, bench/freeze_faults.py tells.


@pytest.fixture
def stopped(reeve_install):
    """A Reeve with that plugin, not started yet."""
    if not (BUILD / "tests/plugins/freezer.so").exists():
        pytest.fail(f"no freezer.so under {BUILD}: cmake --build {BUILD} --target reeve_product")
    with reeve_in_directory(reeve_install) as reeve:
        plugins = reeve.directory / "plugins"
        shutil.copytree(reeve_install / "lib/reeve/plugins", plugins)
        for name in ("fsfreeze.so", "fsfreeze.plugin.yaml"):
            (plugins / name).unlink(missing_ok=True)
        for name in ("freezer.so", "freezer.plugin.yaml"):
            shutil.copy2(BUILD / "tests/plugins" / name, plugins)
        reeve.start_freezer = lambda *words, idle="100s": (
            reeve.write_policy(POLICY.format(idle=idle)), reeve.start("--plugin-dir", str(plugins), *words))
        yield reeve
        worker = getattr(reeve, "outlives", None)
        if worker and lives(worker):
            os.kill(worker, signal.SIGKILL)


@pytest.fixture
def reeve(stopped):
    stopped.start_freezer("-v")
    yield stopped


def hold(reeve, count=2, **arguments):
    assert reeve.call("freezer-hold", count=count, **arguments) == {"return": {}}


def thaw(reeve):
    assert reeve.call("freezer-thaw") == {"return": {}}


def desc(reply):
    assert "error" in reply, reply
    return reply["error"]["desc"]


def state(reeve):
    """What the plugin left in its file: how much it holds, and `d` when it was deactivated."""
    return (reeve.directory / "state/state/freezer").read_bytes().decode()


def freeze_of(reeve):
    done = subprocess.run([f"{reeve.install}/bin/reevectl", "status", "--run-dir", f"{reeve.directory}/state", "--json"],
                          capture_output=True, text=True, timeout=20)
    return json.loads(done.stdout)["freeze"]


def sync(reeve):
    assert reeve.call("guest-sync", id=7) == {"return": 7}


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not lives(pid), 5, f"the end of {pid}")


def test_while_frozen_only_what_may_is_served_and_no_worker_is_started(reeve):
    hold(reeve)
    reply = reeve.call("guest-exec", path="/bin/true")
    assert reply["error"]["class"] == "CommandNotFound"
    assert desc(reply) == f"Command guest-exec has been disabled: {FROZEN}"
    assert reeve.worker("exec") is None
    info = reeve.call("guest-info")["return"]["supported_commands"]
    assert {each["name"] for each in info if each["enabled"]} == {
        "guest-sync", "guest-sync-delimited", "guest-ping", "guest-info", "freezer-hold", "freezer-end",
        "freezer-wait", "freezer-status", "freezer-misbehave", "freezer-thaw"}
    thaw(reeve)
    assert "return" in reeve.call("guest-exec", path="/bin/true")


def test_while_frozen_a_host_finds_its_way_to_the_thaw_past_the_lists_of_the_command_line(stopped):
    stopped.start_freezer("-b", "guest-sync,guest-ping,freezer-thaw")
    assert "has been disabled" in desc(stopped.call("guest-sync", id=7))
    hold(stopped)
    assert stopped.call("guest-sync", id=7) == {"return": 7} and stopped.call("guest-ping") == {"return": {}}
    thaw(stopped)
    assert "has been disabled" in desc(stopped.call("guest-ping"))


def test_log_and_audit_wait_in_memory_for_the_thaw(reeve):
    hold(reeve)
    before = reeve.log()
    assert '"event": "freeze"' in before
    for _ in range(3):
        reeve.call("guest-exec", path="/bin/true")
    assert reeve.call("guest-ping") == {"return": {}}
    kill(reeve.worker("freezer"))
    wait_until(lambda: reeve.worker("freezer"), 5, "another worker")
    assert reeve.call("freezer-status") == {"return": 2}
    assert reeve.log() == before
    thaw(reeve)
    wait_until(lambda: '"event": "thaw"' in reeve.log(), 5, "the audit line of the thaw")
    wait_until(lambda: "worker freezer has ended" in reeve.log(), 5, "the warden's lines")
    held = reeve.log()[len(before):]
    assert held.count('"command": "guest-exec", "outcome": "refused"') == 3
    assert held.index('"command": "freezer-status"') < held.index('"event": "thaw", "why": "freezer-thaw"')


def test_status_says_how_long_it_is_frozen_how_long_yet_and_why_it_ended(reeve):
    assert freeze_of(reeve) == {"is-frozen": False}
    hold(reeve, time_left=90_000)
    freeze = freeze_of(reeve)
    assert freeze["is-frozen"] and freeze["seconds"] <= 5 and 80 <= freeze["seconds-left"] <= 90
    text = subprocess.run([f"{reeve.install}/bin/reevectl", "status", "--run-dir", f"{reeve.directory}/state"],
                          capture_output=True, text=True, timeout=20).stdout
    assert "thawed by itself in" in text
    hold(reeve, 0, why="the time is over")
    freeze = freeze_of(reeve)
    assert not freeze["is-frozen"] and freeze["last"]["why"] == "the time is over" and "seconds-left" not in freeze


def test_a_thaw_of_another_channel_reaches_the_worker_while_it_is_at_work(reeve):
    with reeve.connect() as busy:
        busy.send(b'{"execute":"freezer-wait"}\n')
        hold(reeve)
        sync(reeve)
        thaw(reeve)
        assert json.loads(busy.read_line()) == {"return": {}}


# ---- the worker dies


def test_freezer_is_started_again_at_once_however_often_it_crashes(reeve):
    hold(reeve)
    for _ in range(8):  # the budget is 3, and the delay a minute
        assert "ended while it served this request" in desc(reeve.call("freezer-end"))
        assert reeve.call("freezer-status") == {"return": 2}
        assert desc(reeve.call("guest-exec", path="/bin/true")).endswith(FROZEN)
    thaw(reeve)
    assert "return" in reeve.call("guest-exec", path="/bin/true")


def test_all_is_frozen_until_the_next_worker_has_spoken(reeve):
    hold(reeve)
    worker = reeve.worker("freezer")
    os.kill(worker, signal.SIGKILL)
    # Whatever is asked meanwhile finds the frozen state.
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert desc(reeve.call("guest-exec", path="/bin/true")).endswith(FROZEN)
        sync(reeve)
    assert reeve.worker("freezer") not in (None, worker)
    assert freeze_of(reeve)["is-frozen"]


def test_worker_that_holds_something_does_not_idle_out_and_one_that_holds_nothing_does(stopped):
    stopped.start_freezer(idle="1s")
    hold(stopped)
    worker = stopped.worker("freezer")
    time.sleep(1.5)
    assert stopped.worker("freezer") == worker
    thaw(stopped)
    wait_until(lambda: stopped.worker("freezer") is None, 5, "its end")


# ---- the core dies


def kill_core(reeve):
    core = reeve.core()
    kill(core)
    wait_until(lambda: reeve.core() not in (None, core), 5, "another core")
    wait_until(reeve.answers, 5, "an answer of the other core")


def test_worker_outlives_the_core_and_the_next_one_knows_that_it_is_frozen(reeve):
    hold(reeve, time_left=90_000)
    worker = reeve.worker("freezer")
    for _ in range(3):
        kill_core(reeve)
        assert desc(reeve.call("guest-exec", path="/bin/true")).endswith(FROZEN)
        assert reeve.worker("freezer") == worker
        assert reeve.call("freezer-status") == {"return": 2}
        freeze = freeze_of(reeve)
        assert freeze["is-frozen"] and 60 <= freeze["seconds-left"] <= 90
    thaw(reeve)
    assert reeve.worker("freezer") == worker
    assert "return" in reeve.call("guest-exec", path="/bin/true")


def test_worker_that_holds_nothing_outlives_the_core_as_well(reeve):
    assert reeve.call("freezer-status") == {"return": 0}
    worker = reeve.worker("freezer")
    kill_core(reeve)
    assert reeve.call("freezer-status") == {"return": 0}
    assert reeve.worker("freezer") == worker
    assert "return" in reeve.call("guest-exec", path="/bin/true")


def test_what_the_last_core_asked_is_carried_on_and_answered_to_nobody(reeve):
    with reeve.connect() as busy:
        busy.send(b'{"execute":"freezer-wait"}\n{"execute":"freezer-wait"}\n')
        hold(reeve)
        kill_core(reeve)
        with pytest.raises(ConnectionError):
            busy.read_line()
    assert reeve.call("freezer-status") == {"return": 2}
    with reeve.connect() as another:
        another.send(b'{"execute":"freezer-wait"}\n')
        thaw(reeve)
        assert json.loads(another.read_line()) == {"return": {}}
    for _ in range(20):
        assert reeve.call("freezer-status") == {"return": 0}


def test_core_and_worker_die_at_once(reeve):
    hold(reeve)
    core, worker = reeve.core(), reeve.worker("freezer")
    os.kill(worker, signal.SIGKILL)
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: reeve.core() not in (None, core), 5, "another core")
    wait_until(reeve.answers, 5, "an answer of the other core")
    assert desc(reeve.call("guest-exec", path="/bin/true")).endswith(FROZEN)
    wait_until(lambda: reeve.worker("freezer") not in (None, worker), 5, "another worker, for which nobody asked")
    assert reeve.call("freezer-status") == {"return": 2}
    thaw(reeve)


# ---- the end of all


def test_when_the_service_stops_the_plugin_is_deactivated_at_once(reeve):
    hold(reeve)
    with reeve.connect() as busy:
        busy.send(b'{"execute":"freezer-wait"}\n')
        sync(reeve)
        assert reeve.stop() == 0  # the request above is never answered: who waited for it would not end
    assert state(reeve) == "0d"
    assert '"event": "thaw", "why": "the service stopped"' in reeve.log()


def test_sigterm_to_the_worker_thaws(reeve):
    hold(reeve)
    worker = reeve.worker("freezer")
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: not lives(worker), 5, "its end")
    assert state(reeve)[0] == "0"
    wait_until(lambda: not freeze_of(reeve)["is-frozen"], 5, "the core to know")


def test_killed_warden_leaves_a_worker_that_thaws_and_ends(reeve):
    hold(reeve)
    worker = reeve.outlives = reeve.worker("freezer")
    core = reeve.core()
    reeve.stop(signal.SIGKILL)
    wait_until(lambda: not lives(worker), 5, "the worker's end")
    assert state(reeve) == "0d"
    wait_until(lambda: not lives(core), 5, "the core's end")


def test_killed_warden_and_core_and_a_start_that_follows_at_once(reeve, stopped):
    hold(reeve)
    reeve.outlives = reeve.worker("freezer")
    reeve.stop(signal.SIGKILL)
    stopped.start_freezer()
    assert stopped.call("freezer-status") == {"return": 0}
    assert not freeze_of(stopped)["is-frozen"]


def test_worker_has_no_parent_death_signal_and_survives_a_hangup_of_none(reeve):
    hold(reeve)
    worker = reeve.worker("freezer")
    assert int(status_of(worker)["SigCgt"], 16) & 1 << (signal.SIGTERM - 1)


# ---- reeved --thaw


def reeved_thaw(reeve, expected=0):
    done = subprocess.run([f"{reeve.install}/sbin/reeved", "--thaw", "-t", f"{reeve.directory}/state"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == expected, done
    return done.stderr


def test_thaw_without_a_list_says_nothing_and_succeeds(stopped):
    assert reeved_thaw(stopped) == ""
    (stopped.directory / "state/state").mkdir(mode=0o700)
    (stopped.directory / "state/state/fsfreeze").write_bytes(bytes(4096))
    assert reeved_thaw(stopped) == ""


def test_a_list_of_garbage_names_nothing_and_does_not_hold_a_start(stopped):
    (stopped.directory / "state/state").mkdir(mode=0o700)
    garbage = stopped.directory / "state/state/fsfreeze"
    garbage.touch(mode=0o600)
    garbage.write_bytes(b"RRRFREZ1" + os.urandom(4096))
    assert "is damaged" in reeved_thaw(stopped)
    stopped.start_freezer()
    assert stopped.call("guest-ping") == {"return": {}}


def test_the_units_thaw_when_the_service_has_stopped():
    unit = (pathlib.Path(__file__).resolve().parents[2] / "packaging/reeved.service").read_text()
    assert "\nExecStopPost=-/usr/sbin/reeved --thaw\n" in unit


def test_the_agent_answers_at_once_while_its_freezing_worker_dies_and_starts_again_and_again(reeve):
    hold(reeve)
    enabled = {each["name"] for each in reeve.call("guest-info")["return"]["supported_commands"] if each["enabled"]}
    killed = set()
    for _ in range(50):
        worker = reeve.worker("freezer")
        if worker and worker not in killed:
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        sync(reeve)
        assert reeve.call("guest-ping") == {"return": {}}
        info = reeve.call("guest-info")["return"]["supported_commands"]
        assert {each["name"] for each in info if each["enabled"]} == enabled
        assert desc(reeve.call("guest-exec", path="/bin/true")).endswith(FROZEN)
        wait_until(lambda: reeve.worker("freezer") not in {None, *killed}, 20, "another worker")
    assert len(killed) == 50
    assert reeve.call("freezer-status") == {"return": 2}
    thaw(reeve)
    assert "return" in reeve.call("guest-exec", path="/bin/true")


def upgrade(install):
    """Puts another build in the place of the programs that run, by rename as a package manager does."""
    source = next(BUILD.glob("**/build_id.cc")).read_text()
    build_id = bytes(int(word, 16) for word in re.findall(r"0x([0-9a-f]{2}), ", source))
    changed = 0
    for path in install.rglob("*"):
        if path.is_symlink() or not path.is_file() or build_id not in path.read_bytes():
            continue
        fresh = path.with_suffix(".new")
        shutil.copy2(path, fresh)
        fresh.write_bytes(fresh.read_bytes().replace(build_id, bytes(byte ^ 0xFF for byte in build_id)))
        fresh.rename(path)
        changed += 1
    assert changed >= 3, "warden, core and worker carry the build id"


@pytest.fixture
def upgradable(reeve_install, tmp_path):
    """A Reeve whose programs are a copy of the test's own."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    copy = tmp_path / "install"
    shutil.copytree(reeve_install, copy, symlinks=True)
    plugins = copy / "lib/reeve/plugins"
    for name in ("fsfreeze.so", "fsfreeze.plugin.yaml"):
        (plugins / name).unlink(missing_ok=True)
    for name in ("freezer.so", "freezer.plugin.yaml"):
        shutil.copy2(BUILD / "tests/plugins" / name, plugins)
    with reeve_in_directory(copy) as reeve:
        reeve.write_policy(POLICY.format(idle="100s"))
        reeve.start("--plugin-dir", str(plugins), "-v")
        yield reeve


def test_a_package_that_is_changed_while_frozen_restarts_nothing_until_the_thaw(upgradable):
    reeve = upgradable
    hold(reeve)
    before = (reeve.process.pid, reeve.core(), reeve.worker("freezer"))
    upgrade(reeve.install)
    for _ in range(20):
        sync(reeve)
        assert reeve.call("freezer-status") == {"return": 2}
        time.sleep(0.1)
    assert (reeve.process.pid, reeve.core(), reeve.worker("freezer")) == before
    assert state(reeve) == "2."
    thaw(reeve)
    assert "error" in reeve.call("guest-exec", path="/bin/true"), "its worker is of the other build"
    assert reeve.process.wait(20) is not None
    assert "the package was changed" in reeve.log()
    assert state(reeve).startswith("0")


def test_a_core_that_would_be_of_another_build_ends_the_service_which_thaws(upgradable):
    reeve = upgradable
    hold(reeve)
    upgrade(reeve.install)
    os.kill(reeve.core(), signal.SIGKILL)
    reeve.process.wait(20)
    assert state(reeve) == "0d"
    assert "the package was changed" in reeve.log()


def test_a_freezing_worker_that_would_be_of_another_build_ends_the_service(upgradable):
    """Nobody else could thaw: the list is left to whoever starts next."""
    reeve = upgradable
    hold(reeve)
    upgrade(reeve.install)
    kill(reeve.worker("freezer"))
    reeve.process.wait(20)
    assert "the package was changed" in reeve.log()
