"""Programs and directories that a plugin's own commands may have, by a plugin that asks for what it is told."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
import yaml

from conftest import BUILD, ROOT
from running_reeve import reeve_in_directory, wait_until

POLICY = """\
schema: 1
name: asking
commands: {allow: ["asking-*", guest-exec, guest-file-open]}
exec:
  rules:
    date: {run: /bin/date, args: any, as: nobody, reason: for the host}
files:
  directories:
    - {id: host, path: HOST, access: [read]}
plugins:
  asking:
    sandbox: {open-files: 256}
    programs:
      echo: {run: /bin/echo, args: [[{repeat: {of: {regex: "[a-z0-9]+", max: 8}, max: 3}}]], as: nobody}
      tell: {run: /bin/echo, args: [[{literal: told}, {username: {except: [root]}}]], as: nobody}
    directories:
      - {id: notes, path: NOTES, access: [read], match: ["*.txt"]}
"""
ABSENT = "plugin asking asks for program absent, which policy does not grant"


@pytest.fixture
def stopped(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        plugins = reeve.directory / "plugins"
        shutil.copytree(reeve_install / "lib/reeve/plugins", plugins)
        for name in ("asking.so", "asking.plugin.yaml"):
            shutil.copy2(BUILD / "tests/plugins" / name, plugins)
        reeve.plugins = plugins
        reeve.notes, reeve.host = reeve.directory / "notes", reeve.directory / "host"
        for number, directory in enumerate((reeve.notes, reeve.host)):
            directory.mkdir()
            (directory / "a.txt").write_text(f"text {number}")
        reeve.policy = POLICY.replace("NOTES", str(reeve.notes)).replace("HOST", str(reeve.host))
        reeve.start_asking = lambda policy=None, *words: (
            reeve.write_policy(policy or reeve.policy), reeve.start("--plugin-dir", str(plugins), *words))
        yield reeve


@pytest.fixture
def reeve(stopped):
    stopped.start_asking()
    yield stopped


def line_of(reeve, text):
    lines = (reeve.etc / "policy.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def refusal(command, what, rule, reeve, text=None):
    line = line_of(reeve, text or f"{rule}: {{")
    return {"refusal": f"{command} refused: {what} is not allowed by policy rule '{rule}' in {reeve.etc}/policy.yaml:{line}"}


def test_a_granted_program_runs_several_times_for_one_request(reeve):
    words = [["echo", f"n{i}"] for i in range(20)]
    answer = reeve.call("asking-run", programs=words)["return"]
    assert answer == [{"exit-code": 0, "output": f"n{i}\n"} for i in range(20)]
    answer = reeve.call("asking-run-one-by-one", programs=[["/bin/echo", "a"], ["echo"], ["echo", "b", "c"]])["return"]
    assert answer == [{"exit-code": 0, "output": text} for text in ("a\n", "\n", "b c\n")]


def test_a_request_asks_no_more_often_than_its_command_says(reeve):
    answer = reeve.call("asking-run-one-by-one", programs=[["echo", "a"]] * 4)["return"]
    assert [one.get("exit-code") for one in answer] == [0, 0, 0, None]
    assert "has asked as often as it may" in answer[3]["refusal"]
    assert reeve.call("asking-once", program=["echo", "a"])["return"] == [{"exit-code": 0, "output": "a\n"}]


def test_what_is_not_granted_is_refused_by_rule_file_and_line(reeve):
    answer = reeve.call("asking-run", programs=[["/bin/true"], ["echo", "--help"], ["echo", "a", "b", "c", "d"], ["absent"]])
    default = "schema: 1"
    assert answer["return"] == [
        refusal("asking-run", "/bin/true", "default", reeve, default), refusal("asking-run", "echo", "echo", reeve),
        refusal("asking-run", "echo", "echo", reeve), refusal("asking-run", "absent", "default", reeve, default)]
    assert ABSENT in reeve.log()


def test_at_most_32_programs_of_a_plugin_run_at_one_time(stopped):
    policy = stopped.policy.replace("echo: {run: /bin/echo, args: [[{repeat: {of: {regex: \"[a-z0-9]+\", max: 8}, max: 3}}]]",
                                    "echo: {run: /bin/sleep, args: [[{literal: '1'}]]")
    stopped.start_asking(policy)
    answer = stopped.call("asking-run", programs=[["echo", "1"]] * 40)["return"]
    assert [one.get("exit-code") for one in answer].count(0) == 32
    assert {one["refusal"] for one in answer if "refusal" in one} == {"32 earlier ones have not ended"}


def test_the_hosts_rules_are_not_the_plugins_nor_the_other_way_round(reeve):
    assert reeve.call("asking-once", program=["/bin/date"])["return"] == [
        refusal("asking-once", "/bin/date", "default", reeve, "schema: 1")]
    assert reeve.call("guest-exec", path="/bin/date")["return"]["pid"] > 0
    refused = reeve.call("guest-exec", path="/bin/echo", arg=["a"])["error"]
    assert refused["class"] == "GenericError" and "/bin/echo is not allowed by policy rule 'default'" in refused["desc"]
    answer = reeve.call("asking-open", paths=[f"{reeve.host}/a.txt", f"{reeve.notes}/a.txt"])["return"]
    assert "is not allowed by policy rule 'default'" in answer[0]["refusal"] and answer[1] == {"output": "text 0"}
    refused = reeve.call("guest-file-open", path=f"{reeve.notes}/a.txt")["error"]
    assert refused["class"] == "GenericError" and "policy rule 'default'" in refused["desc"]


def test_files_are_opened_by_the_hundred_for_one_request(reeve):
    names = [f"{i}.txt" for i in range(150)]
    for name in names:
        (reeve.notes / name).write_text(name)
    paths = [f"{reeve.notes}/{name}" for name in names]
    assert reeve.call("asking-open", paths=paths)["return"] == [{"output": name} for name in names]
    (reeve.notes / "other").write_text("")
    (refused,) = reeve.call("asking-open", paths=[f"{reeve.notes}/other"])["return"]
    assert refused == refusal("asking-open", f"{reeve.notes}/other", "notes", reeve, "id: notes")


def test_deny_beats_a_plugins_rule(stopped):
    stopped.start_asking(stopped.policy + f"deny: {{exec: [{{run: /bin/echo}}], files: ['{stopped.notes}/a.txt']}}\n")
    (refused,) = stopped.call("asking-once", program=["echo", "a"])["return"]
    assert "is not allowed by policy rule 'deny.exec'" in refused["refusal"]
    (refused,) = stopped.call("asking-open", paths=[f"{stopped.notes}/a.txt"])["return"]
    assert "is not allowed by policy rule 'deny.files'" in refused["refusal"]


def test_a_standing_program_runs_without_a_request_and_another_does_not(reeve):
    assert reeve.call("asking-standing", program=["tell", "told", "alice"])["return"] == [
        {"exit-code": 0, "output": "told alice\n"}]
    line = line_of(reeve, "tell: {")
    told = f"plugin asking runs /bin/echo without a request, by its policy rule 'tell' in {reeve.etc}/policy.yaml:{line}"
    wait_until(lambda: told in reeve.log(), 5, "the log tells of it")
    assert reeve.call("asking-standing", program=["tell", "told", "root"])["return"] == [
        refusal("plugin asking", "tell", "tell", reeve)]
    assert reeve.call("asking-standing", program=["echo", "a"])["return"] == [refusal("plugin asking", "echo", "echo", reeve)]
    wait_until(lambda: "the plugin's manifest does not ask to run it without a request" in reeve.log(), 5, "and why")


def test_standing_runs_are_in_the_audit_trail_under_the_plugins_name(stopped):
    trail = stopped.directory / "audit.jsonl"
    stopped.start_asking(stopped.policy + f'audit: {{sink: ["file:{trail}"], decisions: denied+privileged}}\n')
    assert stopped.call("asking-standing", program=["tell", "told", "alice"])["return"][0]["exit-code"] == 0
    assert "refusal" in stopped.call("asking-standing", program=["/bin/sh", "-c", "secret"])["return"][0]

    def records():
        lines = trail.read_text().splitlines() if trail.exists() else []
        return [record for record in map(json.loads, lines) if record["event"] == "program"]
    started, exited, refused = wait_until(lambda: len(records()) == 3 and records(), 5, "the records")
    assert started.pop("time") <= exited.pop("time") <= refused.pop("time")
    number = started.pop("number")
    line = line_of(stopped, "tell: {")
    run = {"event": "program", "plugin": "asking", "program": "/bin/echo", "arguments": ["told", "alice"], "user": "nobody",
           "rule": "tell", "origin": f"{stopped.etc}/policy.yaml:{line}"}
    assert started == {**run, "outcome": "started"}
    assert exited == {**run, "outcome": "exited", "number": number, "exit-code": 0}
    assert refused == {"event": "program", "plugin": "asking", "program": "/bin/sh", "outcome": "refused"}


def test_what_no_manifest_asks_for_is_a_mistake_of_the_policy(stopped):
    stopped.start_asking(stopped.policy.replace("      echo: {", "      ehco: {"))
    assert f"policy.yaml:{line_of(stopped, 'ehco')}: plugin asking asks for no program 'ehco'; did you mean 'echo'?" in stopped.log()


def test_a_helper_stands_where_reeve_stands(stopped):
    helper = stopped.install / "libexec/reeve/reeve-compile"
    assert helper.exists()
    policy = stopped.policy.replace("      tell: {", "      helper: {run: reeve-compile, args: [[{literal: --nonsense}]], confine: admin, "
                                    "reason: is there}\n      tell: {")
    stopped.start_asking(policy)
    (answer,) = stopped.call("asking-once", program=["helper", "--nonsense"])["return"]
    assert answer["exit-code"] == 1 and str(helper) in answer["output"]


def test_the_hook_of_the_command_line_is_no_business_of_another_plugin(stopped):
    hook = stopped.directory / "hook"
    hook.write_text("#!/bin/sh\necho hooked $1\n")
    hook.chmod(0o755)
    stopped.start_asking(None, f"-F{hook}")
    (refused,) = stopped.call("asking-once", program=["fsfreeze-hook", "thaw"])["return"]
    assert "is not allowed by policy rule 'default'" in refused["refusal"]


def explain(reeve, *words):
    ended = subprocess.run([f"{reeve.install}/bin/reevectl", "policy", "explain", "--json", "--etc-dir", str(reeve.etc), "--plugin-dir",
                            str(reeve.plugins), "--plugin", *words], capture_output=True, text=True, timeout=20)
    return ended.returncode, json.loads(ended.stdout) if ended.stdout else ended.stderr


def test_reevectl_explains_what_a_plugin_may(stopped):
    stopped.write_policy(stopped.policy)
    code, told = explain(stopped, "asking", "run", "tell", "told", "alice")
    assert code == 0 and told["rule"] == "tell" and told["line"] == line_of(stopped, "tell: {")
    assert told["program"]["program here"] == "/usr/bin/echo" and told["program"]["without request"] == "also"
    assert told["worker"]["programs"] == "echo, tell (also without a request)"
    assert told["worker"]["directories"] == f"notes {stopped.notes}"
    code, told = explain(stopped, "asking", "run", "/bin/echo", "--help")
    assert code == 1 and [one["rule"] for one in told["steps"][0]["considered"]] == ["echo", "tell"]
    assert explain(stopped, "asking", "run", "/bin/date")[0] == 1
    assert explain(stopped, "asking", "open", f"{stopped.notes}/a.txt")[1]["rule"] == "notes"
    assert explain(stopped, "asking", "open", f"{stopped.notes}/a.txt", "w")[0] == 1
    assert explain(stopped, "asking", "open", f"{stopped.host}/a.txt")[0] == 1
    for words, complaint in ((["askng", "run", "x"], "no plugin 'askng' is installed; did you mean 'asking'?"),
                             (["asking", "walk", "x"], "'run PROGRAM [ARG...]' or 'open PATH [MODE]'"), (["asking", "run"], "'run PROGRAM")):
        code, told = explain(stopped, *words)
        assert code == 2 and complaint in told


def test_state_outlives_the_worker_and_mounts_are_the_machines(stopped):
    granted = ("sandbox: {open-files: 256, promises: [rpath], paths: [{read-directory: /}], inherit: [mountinfo, 'state:asking'], "
               "namespaces: [host-mounts]}")
    stopped.start_asking(stopped.policy.replace("sandbox: {open-files: 256}", granted))
    seen = dict(text.split(": ", 1) for text in stopped.call("asking-descriptors")["return"])
    here = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    assert [line.split()[4] for line in seen["mounts"].splitlines()] == here
    assert seen["state"] == "" and seen["directory"] == "opened" and seen["file"] == "Permission denied"
    os.kill(stopped.worker("asking"), signal.SIGKILL)
    wait_until(lambda: stopped.worker("asking") is None, 5, "the worker is gone")
    seen = dict(text.split(": ", 1) for text in stopped.call("asking-descriptors")["return"])
    assert seen["state"] == "kept"


@pytest.mark.parametrize("profile", ["minimal", "standard", "open"])
def test_the_profiles_grant_what_reeves_own_plugins_ask_for_and_nothing_else(profile):
    granted = yaml.safe_load((ROOT / f"policy/profiles/{profile}.yaml").read_text())["plugins"]
    for manifest in ROOT.glob("plugins/*/*.plugin.yaml"):
        name = manifest.name.removesuffix(".plugin.yaml")
        asked = yaml.safe_load(manifest.read_text()).get("sandbox", {})
        for kind, key, names in (("programs", "program", list(granted.get(name, {}).get("programs", {}))),
                                 ("directories", "directory", [one["id"] for one in granted.get(name, {}).get("directories", [])])):
            wishes = {one[key] for one in asked.get(kind, [])}
            assert "*" in wishes or set(names) <= wishes, f"{name}: {kind} of {profile} that nobody asks for"
