"""`reeved --unprivileged`: an ordinary user serves with what takes no root, and is told what is missing."""

import base64
import os
import subprocess

import pytest

from running_reeve import ENVIRONMENT, children_of, reeve_in_directory, status_of

USER = 54321  # nobody's on any machine that this runs on
NOBODY = 65534
GUEST_EXEC = {"path": "/bin/sh", "arg": ["-c", "id -u; id -g; echo $HOME"], "capture-output": True}


def output_of(client, **arguments):
    """What the program wrote, in words."""
    pid = client.call("guest-exec", **arguments)["return"]["pid"]
    while True:
        status = client.call("guest-exec-status", pid=pid)["return"]
        if status["exited"]:
            return base64.b64decode(status.get("out-data", "")).decode().split()


@pytest.fixture
def reeve(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        for name in ("state", "var"):
            os.chown(reeve.directory / name, USER, USER)
        reeve.socket = reeve.directory / "state/socket"
        yield reeve


def start(reeve, policy="profile: open\n", user=USER, **arguments):
    reeve.write_policy(f"schema: 1\n{policy}")
    return reeve.start("--unprivileged", user=user, group=user, extra_groups=[],
                       environment={"HOME": str(reeve.directory / "var")}, **arguments)


def run_reeved(reeve, *words, **popen):
    return subprocess.run([f"{reeve.install}/sbin/reeved", *words], env=ENVIRONMENT, cwd="/", text=True, timeout=20,
                          capture_output=True, check=False, **popen)


def test_every_process_is_the_users_and_all_but_the_warden_are_confined(reeve):
    start(reeve)
    assert "return" in reeve.call("guest-file-open", path="/etc/hostname")
    assert "return" in reeve.call("guest-exec", path="/bin/true")
    processes = {reeve.core(), reeve.worker("exec"), reeve.worker("file")}
    assert None not in processes
    for pid in processes:
        status = status_of(pid)
        assert status["Uid"].split() == [str(USER)] * 4
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert int(status["CapEff"], 16) == 0
    assert status_of(reeve.pid)["Uid"].split() == [str(USER)] * 4


def test_programs_and_files_are_the_users_own(reeve):
    start(reeve)
    with reeve.connect() as client:
        assert output_of(client, **GUEST_EXEC) == [str(USER), str(USER), str(reeve.directory / "var")]
        refused = client.call("guest-file-open", path="/etc/shadow")
        assert "Permission denied" in refused["error"]["desc"]


def test_a_rule_for_root_is_for_the_user_and_one_for_somebody_else_fails(reeve):
    start(reeve, "exec: {rules: {"
                 "mine: {run: /usr/bin/id, args: [[{literal: -u}]], as: root, confine: unconfined, reason: a test}, "
                 "others: {run: /usr/bin/id, args: [[{literal: -g}]], as: nobody, confine: unconfined, reason: a test}}}\n")
    with reeve.connect() as client:
        assert output_of(client, **{"path": "/usr/bin/id", "arg": ["-u"], "capture-output": True}) == [str(USER)]
        refused = client.call("guest-exec", path="/usr/bin/id", arg=["-g"])
        assert "not permitted" in refused["error"]["desc"]
    assert "to act as user 'nobody' takes root" in reeve.log()


def test_a_confinement_that_takes_root_is_refused_and_warned_of(reeve):
    words = {"admin": "as: root, confine: admin", "hook": "confine: hook", "sandboxed": "confine: sandboxed",
             "readonly": "as: root, confine: readonly"}
    rules = ", ".join(f"{name}: {{run: /usr/bin/id, args: [[{{literal: {name}}}]], {more}, reason: a test}}"
                      for name, more in words.items())
    start(reeve, f"exec: {{rules: {{{rules}}}}}\n")
    for name in words:
        refused = reeve.call("guest-exec", path="/usr/bin/id", arg=[name])
        assert f"to confine a program as rule '{name}' says takes root" in refused["error"]["desc"], refused
    assert reeve.log().count("to confine a program so takes root") == len(words)


SERVICE = """id -u; grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr '\\n\\t' '  '
echo x 2>/dev/null >{mine} || echo read-only; cat {mine}; echo y >/dev/null && echo null; unshare -U true 2>/dev/null || echo no namespace"""


def test_a_service_is_confined_by_filter_and_landlock(reeve):
    mine = reeve.directory / "mine"
    mine.write_text("as before\n")
    for path in (mine, reeve.directory / "state", reeve.directory / "var"):
        os.chown(path, NOBODY, NOBODY)
    start(reeve, "exec: {rules: {s: {run: /usr/bin/dash, args: any, as: nobody, confine: service, reason: a test}}}\n", user=NOBODY)
    with reeve.connect() as client:
        words = output_of(client, **{"path": "/usr/bin/dash", "arg": ["-c", SERVICE.format(mine=mine)], "capture-output": True})
    assert words == (f"{NOBODY} CapEff: {'0' * 16} NoNewPrivs: 1 Seccomp: 2 read-only as before null no namespace").split()


def test_the_log_says_what_is_missing(reeve):
    start(reeve)
    assert f"unprivileged: all of Reeve runs as uid {USER}" in reeve.log()
    assert "missing are a uid for each process, mount, network and other namespaces" in reeve.log()


def test_a_plugin_without_its_capabilities_answers_what_takes_none(reeve):
    start(reeve)
    assert reeve.call("guest-fsfreeze-status") == {"return": "thawed"}
    assert reeve.call("fsfreeze-report")["return"]["state"] == "thawed"
    assert status_of(reeve.worker("fsfreeze"))["CapEff"] == "0" * 16
    assert "plugin fsfreeze is without its capabilities" in reeve.log()


def test_its_end_leaves_nothing(reeve):
    start(reeve)
    reeve.call("guest-exec", path="/bin/sh", arg=["-c", "sleep 1000"])
    children = children_of(reeve.pid)
    assert len(children) >= 3
    assert reeve.stop() == 0
    assert not [pid for pid in children if status_of(pid)]


def test_a_user_without_the_option_is_told_of_it(reeve):
    ended = run_reeved(reeve, "-t", f"{reeve.directory}/state", user=USER, group=USER, extra_groups=[])
    assert ended.returncode == 1
    assert "--unprivileged" in ended.stderr


def test_root_is_refused_the_option(reeve):
    ended = run_reeved(reeve, "--unprivileged", "-t", f"{reeve.directory}/state")
    assert ended.returncode == 1
    assert "is for an ordinary user" in ended.stderr


def test_a_user_without_a_place_for_state_is_told_so(reeve):
    ended = run_reeved(reeve, "--unprivileged", user=USER, group=USER, extra_groups=[])
    assert ended.returncode == 1
    assert "--statedir is needed" in ended.stderr
