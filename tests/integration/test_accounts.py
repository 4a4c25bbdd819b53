"""Passwords and ssh keys all the way from the host, for users who are nobody's: Reeve and all that it runs stand in the namespace
of tests/support/throwaway_users.py. qemu-ga is only asked what changes nothing."""

import base64
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import throwaway_users
from qga import Client
from running_agent import NEVER, QEMU_GA
from running_reeve import Reeve, children_of, lives, wait_until, words_of
from throwaway_users import ALICE

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIone alice@host"
OTHER = "ssh-rsa AAAAB3two \"two\" wörds"
FILE = "/home/alice/.ssh/authorized_keys"
STILL_NEVER = ",".join(name for name in NEVER.split(",") if "password" not in name and "ssh" not in name)
SET, GET, ADD, REMOVE = "guest-set-user-password", "guest-ssh-get-authorized-keys", "guest-ssh-add-authorized-keys", "guest-ssh-remove-authorized-keys"


@pytest.fixture
def users():
    if os.geteuid() != 0:
        pytest.skip("needs root, to have users of its own")
    made = throwaway_users.ThrowawayUsers()
    yield made
    made.close()


@pytest.fixture
def directory():
    made = Path(tempfile.mkdtemp(prefix="reeve-accounts-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def agent_of(users, directory, reeve_install):
    """Reeve under a policy, among the throw-away users."""
    started = []

    def start(policy="schema: 1\n", *options):
        reeve = Reeve(reeve_install, directory)
        started.append(reeve)
        reeve.write_policy(policy)
        with open(reeve.log_path, "ab") as log:
            reeve.process = subprocess.Popen(users.enter(
                [f"{reeve_install}/sbin/reeved", "-m", "unix-listen", "-p", str(reeve.socket), "-t", f"{directory}/state", "--etc-dir",
                 str(reeve.etc), "--var-dir", f"{directory}/var", "--plugin-dir", f"{reeve_install}/lib/reeve/plugins", "-b", STILL_NEVER,
                 *options]), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", umask=0o022)
        wait_until(reeve.answers, 30, "an answer to guest-ping")
        return reeve
    yield start
    for reeve in started:
        reeve.process.terminate()
        reeve.process.wait(timeout=20)


def password_of(user, text, crypted=False):
    return {"username": user, "password": base64.b64encode(text.encode()).decode(), "crypted": crypted}


def error(reply):
    return reply["error"]["desc"]


def hash_of(users, user):
    return users.shell(f"grep '^{user}:' /etc/shadow").split(":")[1]


def test_password_of_anybody_root_too(users, agent_of):
    reeve = agent_of()
    for user in ("alice", "root"):
        assert reeve.call(SET, **password_of(user, f"secret of {user}")) == {"return": {}}, reeve.log()
        made = hash_of(users, user)
        assert users.run(["perl", "-e", "chomp(my $p = <STDIN>); print crypt($p, $ARGV[0])", made], f"secret of {user}\n").stdout == made
    assert reeve.call(SET, **password_of("alice", "$6$x$y", crypted=True)) == {"return": {}}
    assert hash_of(users, "alice") == "$6$x$y"


def test_password_that_cannot_be_set_is_an_error_with_the_reason(users, agent_of):
    reeve = agent_of()
    before = users.shell("cat /etc/shadow")
    said = error(reeve.call(SET, **password_of("nobody-here", "x")))
    assert said.startswith("child process has failed to set user password: chpasswd: ") and "nobody-here" in said
    assert error(reeve.call(SET, **password_of("a:b", "x"))) == "forbidden characters in username"
    assert error(reeve.call(SET, **password_of("alice", "x\ny"))) == "forbidden characters in raw password"
    assert error(reeve.call(SET, username="alice", password="====", crypted=False)) == "Base64 data contains invalid characters"
    assert "root by another name" in error(reeve.call(SET, **password_of("toor", "x")))
    assert users.shell("cat /etc/shadow") == before


def test_secret_is_in_no_log_and_no_audit(directory, agent_of):
    reeve = agent_of(f"schema: 1\naudit: {{sink: ['file:{directory}/audit'], decisions: all}}\n", "-v")
    arguments = password_of("alice", "unforgettable")
    assert reeve.call(SET, **arguments) == {"return": {}}
    error(reeve.call(SET, **password_of("nobody-here", "unforgettable")))
    time.sleep(0.3)
    audit = (directory / "audit").read_text()
    assert f'"command": "{SET}", "outcome": "returned"' in audit and '"object": "alice"' in audit and '"object": "nobody-here"' in audit
    for text in (reeve.log(), audit):
        assert "unforgettable" not in text and arguments["password"] not in text


def test_keys_come_go_and_are_listed(users, agent_of):
    reeve = agent_of()
    assert reeve.call(ADD, username="alice", keys=[KEY, OTHER, ""]) == {"return": {}}, reeve.log()
    assert reeve.call(ADD, username="alice", keys=[KEY]) == {"return": {}}
    assert reeve.call(GET, username="alice") == {"return": {"keys": [OTHER, KEY]}}
    assert users.shell(f"cat {FILE}; stat -c '%u %a' {FILE}") == f"{KEY}\n{OTHER}\n{ALICE} 600\n"
    assert reeve.call(REMOVE, username="alice", keys=[KEY]) == {"return": {}}
    assert reeve.call(GET, username="alice") == {"return": {"keys": [OTHER]}}
    assert reeve.call(ADD, username="alice", keys=[KEY], reset=True) == {"return": {}}
    assert users.shell(f"cat {FILE}") == KEY + "\n"
    assert reeve.call(ADD, username="alice", keys=[], reset=True) == {"return": {}}
    assert reeve.call(GET, username="alice") == {"return": {"keys": []}}


def test_bad_keys_and_users_are_errors_in_qemu_gas_words(agent_of):
    reeve = agent_of()
    assert error(reeve.call(ADD, username="alice", keys=["# x"])) == "invalid OpenSSH public key: '# x'"
    assert error(reeve.call(REMOVE, username="alice", keys=["a\nb"])) == "invalid OpenSSH public key: 'a\nb'"
    assert error(reeve.call(GET, username="nobody-here")) == "failed to lookup user 'nobody-here': no such user"
    assert error(reeve.call(GET, username="alice")).endswith("No such file or directory")


def test_keys_of_root_are_not_the_hosts_until_policy_says_so(users, agent_of):
    reeve = agent_of()
    for command, more in ((GET, {}), (ADD, {"keys": [KEY]}), (REMOVE, {"keys": [KEY]})):
        assert "policy rule" in error(reeve.call(command, username="root", **more))
        assert "root by another name" in error(reeve.call(command, username="toor", **more))
    assert users.shell("ls -A /home/alice") == ""


def test_administrator_names_whom_the_host_may_touch(agent_of):
    reeve = agent_of("""schema: 1
plugins:
  accounts:
    programs:
      reeve-keys: {args: [[{literal: get}, {username: any}], [{literal: add}, {one-of: [alice]}]]}
      reeve-passwd: {enable: false}
""")
    assert reeve.call(ADD, username="alice", keys=[KEY]) == {"return": {}}
    assert reeve.call(GET, username="alice") == {"return": {"keys": [KEY]}}
    assert "refused" in error(reeve.call(REMOVE, username="alice", keys=[KEY]))
    assert "refused" in error(reeve.call(ADD, username="bob", keys=[KEY]))
    assert "refused" in error(reeve.call(SET, **password_of("alice", "x")))


def test_helper_is_nobody_elses_to_run(agent_of):
    reeve = agent_of("schema: 1\nexec: {rules: {any: {run: /bin/true}}}\n")
    assert "error" in reeve.call("guest-exec", path="reeve-keys", arg=["get", "alice"])
    assert "error" in reeve.call("guest-exec", path=f"{reeve.install}/libexec/reeve/reeve-keys", arg=["get", "alice"])


def test_more_keys_than_fit_cost_the_worker_nothing(agent_of):
    reeve = agent_of()
    reeve.call(ADD, username="alice", keys=[KEY])
    worker = reeve.worker("accounts")
    for count, text in ((2, "the keys are larger than 1048576 bytes"), (60, "the keys are too large")):
        assert error(reeve.call(ADD, username="alice", keys=["k" * 1_000_000] * count)) == text
    assert reeve.call(GET, username="alice") == {"return": {"keys": [KEY]}}
    assert reeve.worker("accounts") == worker


def wait_for_helper(reeve, *words):
    """The pid of the helper that was asked to do that."""
    return wait_until(lambda: next((pid for pid in children_of(reeve.pid) if words_of(pid)[-2:] == list(words)), None), 10, "the helper")


def test_keys_that_many_hosts_change_at_once_are_all_there(users, agent_of):
    reeve = agent_of()
    users_of = {number: ("alice", "bob")[number % 2] for number in range(40)}
    keys = [f"ssh-rsa {number}" for number in users_of]
    with concurrent.futures.ThreadPoolExecutor(20) as hosts:
        added = list(hosts.map(lambda number: reeve.call(ADD, username=users_of[number], keys=[keys[number]]), users_of))
        assert added == [{"return": {}}] * len(users_of)
        removed = list(hosts.map(lambda number: reeve.call(REMOVE, username=users_of[number], keys=[keys[number]]), range(30)))
    assert removed == [{"return": {}}] * 30
    for user, rest in (("alice", keys[30::2]), ("bob", keys[31::2])):
        assert sorted(reeve.call(GET, username=user)["return"]["keys"]) == rest


def let_keys_wait(users, install):
    """From then on reeve-keys begins when there is a file /home/go."""
    helper = f"{install}/libexec/reeve/reeve-keys"
    users.shell(f"cp {helper} /home/keys; printf '#!/bin/sh\nuntil [ -e /home/go ]; do sleep 0.05; done\nexec /home/keys \"$@\"\n' >/home/waits; "
                f"chmod 755 /home/waits; mount --bind /home/waits {helper}")


@pytest.mark.parametrize("who", ["accounts", "core"])
def test_whoever_dies_while_keys_are_handed_over_nothing_changes(users, agent_of, reeve_install, who):
    users.shell(f"install -d -o {ALICE} -m 700 /home/alice/.ssh; echo '{KEY}' >{FILE}; chown {ALICE} {FILE}")
    let_keys_wait(users, reeve_install)
    reeve = agent_of()
    many = [f"ssh-rsa {number:0100}" for number in range(5000)]  # more than a pipe holds
    with reeve.connect() as client:
        client.send(json.dumps({"execute": ADD, "arguments": {"username": "alice", "keys": many, "reset": True}}).encode() + b"\n")
        helper = wait_for_helper(reeve, "reset", "alice")
        os.kill(reeve.worker("accounts") if who == "accounts" else reeve.core(), signal.SIGKILL)
        wait_until(reeve.answers, 10, "another core or worker")
    users.shell("touch /home/go")
    wait_until(lambda: not lives(helper), 10, "the end of reeve-keys")
    assert users.shell(f"cat {FILE}; ls -A /home/alice/.ssh") == f"{KEY}\nauthorized_keys\n"


def test_user_whose_helper_hangs_delays_nobody_else(users, agent_of):
    """A user may stop it, and a home directory may be dead; here it is the name service."""
    reeve = agent_of("schema: 1\nplugins: {accounts: {programs: {reeve-keys: {timeout: 5s}}}}\n")
    users.shell("mkfifo /home/fifo; mount --bind /home/fifo /etc/passwd")
    with reeve.connect() as client:
        client.send(json.dumps({"execute": GET, "arguments": {"username": "alice"}}).encode() + b"\n")
        wait_for_helper(reeve, "get", "alice")
        users.shell("umount --lazy /etc/passwd")
        assert reeve.call(ADD, username="bob", keys=[KEY]) == {"return": {}}
        assert reeve.call(SET, **password_of("alice", "x")) == {"return": {}}
        assert not client.has_input()
        assert error(json.loads(client.read_line())) == "it did not end in time and was killed"


def test_rules_timeout_ends_a_helper_that_hangs(users, agent_of):
    """A name service that does not answer: libnss finds a fifo where /etc/passwd was."""
    reeve = agent_of("schema: 1\nplugins: {accounts: {programs: {reeve-keys: {timeout: 1s}}}}\n")
    users.shell("mkfifo /home/fifo && mount --bind /home/fifo /etc/passwd")
    assert error(reeve.call(GET, username="alice")) == "it did not end in time and was killed"
    users.shell("umount --lazy /etc/passwd")
    assert reeve.call(ADD, username="alice", keys=[KEY]) == {"return": {}}


def test_profile_open_keeps_to_qemu_ga_for_root_too(users, agent_of):
    reeve = agent_of("schema: 1\nprofile: open\n")
    users.shell("chmod 700 /root-home 2>/dev/null || true")
    assert error(reeve.call(GET, username="root")).startswith("failed to read '/root-home/.ssh/authorized_keys': ")


def test_qemu_ga_lists_and_fails_in_the_same_words(users, directory, agent_of):
    reeve = agent_of()
    users.shell(f"install -d -o {ALICE} -m 700 /home/alice/.ssh; printf '# c\\n{KEY}\\n\\n  no-pty ssh-rsa B  \\n' >{FILE}; chown {ALICE} {FILE}")
    socket = directory / "oracle"
    with subprocess.Popen(users.enter([QEMU_GA, "-m", "unix-listen", "-p", str(socket), "-t", str(directory), "-b", NEVER]),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as oracle:
        try:
            wait_until(socket.exists, 20, "qemu-ga's socket")
            with Client(socket, timeout_s=20) as client:
                assert client.call(GET, username="alice") == reeve.call(GET, username="alice")
                theirs, ours = (error(one.call(GET, username="bob")) for one in (client, reeve))
                assert theirs == ours
                theirs, ours = (error(one.call(GET, username="nobody-here")) for one in (client, reeve))
                assert theirs.rpartition(": ")[0] == ours.rpartition(": ")[0]
        finally:
            oracle.kill()
