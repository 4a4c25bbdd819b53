"""`reevectl policy` as an administrator calls it."""

import json
import subprocess

import pytest


@pytest.fixture
def reevectl(reeve_install, tmp_path):
    """Calls it for the directory tmp_path/etc: (exit code, standard output, standard error)."""
    (tmp_path / "etc").mkdir(mode=0o755)

    def call(*words):
        ended = subprocess.run([f"{reeve_install}/bin/reevectl", *map(str, words)], capture_output=True, text=True, timeout=20)
        return ended.returncode, ended.stdout, ended.stderr

    return call


def test_wrong_usage_is_no_answer(reevectl):
    for words in ([], ["policy"], ["polisy"], ["policy", "check", "--no-such"]):
        code, out, err = reevectl(*words)
        assert code == 2 and not out and err, words


def test_help_and_version_are_answers(reevectl):
    assert reevectl("--version")[:2] == (0, "reevectl 0.1.0\n")
    code, out, _ = reevectl("policy", "check", "--help")
    assert code == 0 and "--etc-dir" in out


def test_check_of_a_good_policy(reevectl, tmp_path):
    code, out, _ = reevectl("policy", "check", "--etc-dir", tmp_path / "etc")
    assert (code, out) == (0, "The policy is good.\n")


def test_check_tells_where_each_mistake_stands(reevectl, tmp_path):
    policy = tmp_path / "etc/policy.yaml"
    policy.write_text("schema: 1\nprofil: open\n")
    policy.chmod(0o644)
    code, out, _ = reevectl("policy", "check", "--etc-dir", tmp_path / "etc")
    assert (code, out) == (1, f"{policy}:2:1: unknown key 'profil' in a policy; did you mean 'profile'?\n")
    code, out, _ = reevectl("policy", "check", "--json", "--etc-dir", tmp_path / "etc")
    assert code == 1 and json.loads(out)["errors"] == [f"{policy}:2:1: unknown key 'profil' in a policy; did you mean 'profile'?"]
