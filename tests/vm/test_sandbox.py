"""The sandbox's own tests once more, on Debian's kernel inside the guest: Landlock level 2, a real cgroup v2, a full root."""

import os
import pathlib
import re
import xml.etree.ElementTree as xml

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REEVE_BUILD_DIR", ROOT / "build/release"))
PROGRAM = BUILD / "tests/sandbox_attack_test"
# The program looks for its attacker here, by the path that the build had.
ATTACKER = BUILD / "bin/sandbox_attacker"
RESULT = "/run/sandbox.xml"
# Each of the hundreds of attacks is a process under an emulated CPU, half a second and more. The filter that most of them
# meet is the same on every kernel, so each eighth is enough here; the rest of the program runs whole.
ATTACKS = "*/AttackTest.*"
ATTACK_SHARDS = 1 if "REEVE_VM_ALL" in os.environ else 8
# A lint of the sources, which the guest has not.
SOURCE_LINT = "BypassSourceTest.*"

LIBRARIES = "libseccomp2 libre2-9 libyaml-cpp0.7 libmodpbase64-0 libstdc++6 libboost-filesystem1.74.0"


def has_passed(case):
    return case.find("failure") is None and case.get("result") == "completed"


def run_program(guest, test_filter, shards=1):
    run = guest.run(f"export GTEST_TOTAL_SHARDS={shards} GTEST_SHARD_INDEX=0\n"
                    f"/payload/sandbox_attack_test --gtest_filter='{test_filter}' --gtest_output=xml:{RESULT}",
                    timeout_s=600)
    assert run.status in (0, 1), run.out[-2000:] + run.err
    return run.out, list(xml.fromstring(guest.check(f"cat {RESULT}")).iter("testcase"))


@pytest.fixture(scope="module")
def results(booted_guest):
    """What the program said in the guest, and the outcome of each of its tests."""
    booted_guest.check(f"apt-get install -y {LIBRARIES}", timeout_s=180)
    booted_guest.check(f"mkdir -p {ATTACKER.parent} && cp /payload/sandbox_attacker {ATTACKER}")
    said, cases = run_program(booted_guest, f"-{ATTACKS}:{SOURCE_LINT}")
    said_of_attacks, attacks = run_program(booted_guest, ATTACKS, ATTACK_SHARDS)
    return said + said_of_attacks, cases + attacks


def test_the_sandbox_holds_on_this_kernel(results):
    output, cases = results
    failed = [f"{case.get('classname')}.{case.get('name')}" for case in cases if case.find("failure") is not None]
    assert not failed, "\n".join(re.findall(r"^.*Failure\n(?:.*\n){1,6}", output, re.MULTILINE)[:20])
    assert len([case for case in cases if has_passed(case)]) > 50


def test_nothing_of_it_is_skipped_here(results):
    """What the machine that builds may lack, this guest has."""
    skipped = {case.find("skipped").get("message") for case in results[1] if case.find("skipped") is not None}
    assert not skipped
