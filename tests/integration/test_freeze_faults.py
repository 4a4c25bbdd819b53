"""What dies, hangs or fails at a random moment of a freeze: some dozens of cycles of bench/freeze_faults.py, which says more."""

import json
import pathlib
import random
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "bench/freeze_faults.py"
FAULTS = ["none", "worker killed", "core killed", "core and worker killed", "warden killed, under systemd",
          "warden killed, restarted only", "warden killed, not restarted", "warden and worker killed", "service stopped",
          "hook hangs", "hook hangs at thaw", "hook fails", "hook leaves daemons", "host never thaws", "client gone"]
CYCLES_OF_EACH = 2
# Beside what else a machine of two cores has to do: that it ends in thaw is the contract, and the timeout is its measure.
SYNC_LIMIT_S, SLACK_S = 5, 5


@pytest.fixture(scope="module")
def rows(reeve_install):
    """{fault: what came of its cycles}. In a process of its own: it adopts what Reeve leaves behind."""
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}: {PROGRAM} --cycles {CYCLES_OF_EACH * len(FAULTS)} --seed {seed}")
    done = subprocess.run([sys.executable, "-B", PROGRAM, "--prefix", reeve_install, "--json", "--seed", str(seed),
                           "--cycles", str(CYCLES_OF_EACH * len(FAULTS)), "--sync-limit", str(SYNC_LIMIT_S),
                           "--slack", str(SLACK_S), *(word for fault in FAULTS for word in ("--fault", fault))],
                          capture_output=True, text=True, timeout=400, check=False)
    print(done.stderr)
    assert done.stdout, f"it ended with {done.returncode}:\n{done.stderr}"
    return json.loads(done.stdout)


@pytest.mark.parametrize("fault", FAULTS)
def test_file_systems_are_writable_again_and_nothing_is_left_over(rows, fault):
    assert rows[fault]["cycles"] == CYCLES_OF_EACH
    assert rows[fault]["problems"] == []
