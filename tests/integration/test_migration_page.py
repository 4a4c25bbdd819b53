"""docs/migration.md is true: its policies are good, and decide as the page says below each."""

import re
import shlex
import subprocess

import pytest

from conftest import ROOT

PAGE = (ROOT / "docs/migration.md").read_text()
# A policy, and the commands that follow it before the next one.
BLOCKS = re.findall(r"^```(yaml|console)\n(.*?)^```$", PAGE, re.S | re.M)


def claims():
    """(policy, the command's words, what it says) for each question of the page."""
    policy = None
    for language, text in BLOCKS:
        if language == "yaml":
            policy = text
            continue
        lines = text.splitlines()
        for asked, said in zip(lines[::2], lines[1::2], strict=True):
            assert asked.startswith("$ reevectl policy explain ")
            yield policy, tuple(shlex.split(asked)[4:]), said


CLAIMS = list(claims())
FILE = object()  # stands for the policy's path among the words of a command


def test_each_policy_is_followed_by_questions():
    languages = [language for language, _ in BLOCKS]
    assert languages == ["yaml", "console"] * (len(languages) // 2) and len(languages) >= 16


@pytest.fixture
def reevectl(reeve_install, tmp_path):
    def call(policy, *words):
        path = tmp_path / "policy.yaml"
        path.write_text(policy)
        command = [f"{reeve_install}/bin/reevectl", "policy", *(str(path) if word is FILE else word for word in words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return call


@pytest.mark.parametrize("policy", [text for language, text in BLOCKS if language == "yaml"])
def test_its_policies_are_good(reevectl, policy):
    done = reevectl(policy, "check", FILE)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "The policy is good."), done.stdout + done.stderr


@pytest.mark.parametrize("policy, words, said", CLAIMS, ids=[f"{number}-{words[0]}" for number, (_, words, _) in enumerate(CLAIMS)])
def test_its_questions_are_answered_so(reevectl, policy, words, said):
    done = reevectl(policy, "explain", "--policy", FILE, *words)
    assert done.stdout.split(maxsplit=1)[:1] == [said], done.stdout + done.stderr
    assert done.returncode == {"ALLOWED": 0, "DENIED": 1}[said]
