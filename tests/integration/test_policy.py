"""Policy as an administrator and a host see it: what is open, what a refusal says, and what a bad file does."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT
from running_agent import NEVER
from running_reeve import START_LIMIT_S, reeve_in_directory, wait_until

OWN = {"guest-sync", "guest-sync-delimited", "guest-ping", "guest-info"}
EXEC = {"guest-exec", "guest-exec-status", "exec-run", "exec-kill"}
EXEC_DENIED = EXEC - {"guest-exec-status"}  # what a denial of guest-exec closes
FILE = {"guest-file-open", "guest-file-close", "guest-file-read", "guest-file-write", "guest-file-seek", "guest-file-flush"}
# The other plugins' commands are opened by the same rules; what each profile lists of them is tested once.
KNOWN = OWN | EXEC | FILE
NEVER_DENIABLE = {"guest-sync", "guest-sync-delimited", "guest-ping"}

# Of every manifest in the tree.
ALL = OWN.union(*(yaml.safe_load(path.read_text())["commands"] for path in ROOT.glob("plugins/*/*.plugin.yaml")))

EXEC_RULE = """\
exec:
  rules:
    say:
      run: /usr/bin/echo
      args: [[{literal: hello}]]
      as: nobody
"""


@pytest.fixture
def reeve(reeve_install):
    """Not started."""
    with reeve_in_directory(reeve_install) as reeve:
        yield reeve


def enabled(client):
    return {command["name"] for command in client.call("guest-info")["return"]["supported_commands"] if command["enabled"]}


def open_to(reeve):
    """Of the known commands those that are enabled."""
    with reeve.connect() as client:
        return enabled(client) & KNOWN


def refusal(reply, error_class):
    assert reply.get("error", {}).get("class") == error_class, reply
    return reply["error"]["desc"]


def status_of_run(reeve, path, *arguments, **more):
    with reeve.connect() as client:
        reply = client.call("guest-exec", path=path, arg=list(arguments), capture_output=True, **more)
        assert "return" in reply, reply
        pid = reply["return"]["pid"]
        return wait_until(lambda: (now := client.call("guest-exec-status", pid=pid)["return"])["exited"] and now, 20, "end")


def output_of(reeve, path, *arguments, **more):
    return base64.b64decode(status_of_run(reeve, path, *arguments, **more).get("out-data", "")).decode()


# ---- profiles


@pytest.mark.parametrize("profile, expected", [("minimal", OWN), ("standard", OWN), ("open", OWN | EXEC | FILE)])
@pytest.mark.parametrize("way", ["option", "file", "etc"])
def test_profile_opens_what_it_says(reeve, profile, expected, way):
    text = f"schema: 1\nprofile: {profile}\n"
    words = []
    if way == "option":
        words = ["--policy", profile]
        reeve.write_policy("schema: 1\nprofile: " + ("open" if profile != "open" else "minimal") + "\n")  # not read
    elif way == "file":
        path = reeve.directory / "named.yaml"
        path.write_text(text)
        words = ["--policy", str(path)]
    else:
        reeve.write_policy(text)
    reeve.start(*words)
    assert open_to(reeve) == expected


@pytest.mark.parametrize("profile", ["minimal", "standard"])
def test_profile_opens_the_commands_that_it_lists(reeve, profile):
    allowed = yaml.safe_load((ROOT / f"policy/profiles/{profile}.yaml").read_text())["commands"]["allow"]
    reeve.start("--policy", profile)
    with reeve.connect() as client:
        # The harness itself refuses what would switch this machine.
        assert enabled(client) == OWN | {"guest-fsfreeze-thaw"} | (set(allowed) & ALL) - set(NEVER.split(","))


def test_without_a_policy_the_profile_is_standard(reeve):
    reeve.start()
    assert open_to(reeve) == OWN
    text = refusal(reeve.call("guest-exec", path="/bin/true"), "CommandNotFound")
    assert re.fullmatch(r"Command guest-exec has been disabled: policy rule 'default' in /\S+/profiles/standard\.yaml:\d+", text)


def test_every_command_is_listed_whatever_policy_says(reeve):
    reeve.start("--policy", "minimal")
    listed = {command["name"] for command in reeve.call("guest-info")["return"]["supported_commands"]}
    assert listed == ALL


def test_first_refusal_names_the_line_that_opens_once(reeve):
    reeve.start()
    for _ in range(3):
        refusal(reeve.call("guest-exec", path="/bin/true"), "CommandNotFound")
    assert reeve.log().count("'profile: open' in /etc/reeve/policy.yaml") == 1


def test_open_is_said_loudly(reeve):
    reeve.write_policy("schema: 1\nprofile: open\n").chmod(0o600)
    reeve.start()
    assert f"the host may run any program and read and write any file as root ({reeve.etc}/policy.yaml:2)" in reeve.log()


def test_refusal_of_a_whole_command_names_rule_file_and_line(reeve):
    path = reeve.write_policy("schema: 1\nprofile: standard\n" + EXEC_RULE)
    reeve.start()
    assert open_to(reeve) == OWN | EXEC
    text = refusal(reeve.call("guest-file-open", path="/etc/hostname"), "CommandNotFound")
    assert text == f"Command guest-file-open has been disabled: policy rule 'default' in {path}:2"


def test_rule_of_exec_opens_the_two_commands_and_a_denial_closes_them(reeve):
    path = reeve.write_policy("schema: 1\n" + EXEC_RULE + "commands:\n  deny: [guest-exec]\n")
    reeve.start()
    assert open_to(reeve) == OWN | {"guest-exec-status"}
    line = path.read_text().splitlines().index("  deny: [guest-exec]") + 1
    text = refusal(reeve.call("guest-exec", path="/usr/bin/echo", arg=["hello"]), "CommandNotFound")
    assert text == f"Command guest-exec has been disabled: policy rule 'commands.deny' in {path}:{line}"


def test_a_rules_output_is_the_most_that_is_kept_of_a_stream(reeve):
    reeve.write_policy("schema: 1\n" + EXEC_RULE.replace("as: nobody", "as: nobody\n      output: 4 B"))
    reeve.start()
    status = status_of_run(reeve, "/usr/bin/echo", "hello")
    assert (base64.b64decode(status["out-data"]), status["out-truncated"]) == (b"hell", True)


def test_deny_beats_allow_unless_the_allow_is_more_specific(reeve):
    reeve.write_policy("schema: 1\nprofile: open\ncommands:\n  allow: [guest-file-open, \"guest-*\"]\n  deny: [\"guest-file-*\"]\n")
    reeve.start()
    assert open_to(reeve) == OWN | EXEC | {"guest-file-open"}


def test_denial_of_the_same_name_beats_the_allow(reeve):
    reeve.write_policy("schema: 1\nprofile: open\ncommands:\n  allow: [guest-exec]\n  deny: [guest-exec]\n")
    reeve.start()
    assert open_to(reeve) == (OWN | EXEC | FILE) - EXEC_DENIED


def test_sync_and_ping_cannot_be_denied(reeve):
    reeve.write_policy("schema: 1\ncommands:\n  deny: [\"*\"]\n")
    reeve.start()
    assert reeve.call("guest-sync", id=4) == {"return": 4}
    assert reeve.call("guest-ping") == {"return": {}}
    text = refusal(reeve.call("guest-info"), "CommandNotFound")
    assert text == f"Command guest-info has been disabled: policy rule 'commands.deny' in {reeve.etc}/policy.yaml:3"


def test_policy_that_denies_sync_by_name_is_a_mistake(reeve):
    path = reeve.write_policy("schema: 1\nprofile: open\ncommands:\n  deny: [guest-sync]\n")
    reeve.start()
    assert f"{path}:4:10: 'guest-sync' can never be denied" in reeve.log()
    assert open_to(reeve) == OWN


def test_unknown_command_is_no_policy_matter(reeve):
    reeve.start("--policy", "minimal")
    assert refusal(reeve.call("guest-nonsense"), "CommandNotFound") == "The command guest-nonsense has not been found"


def test_plugin_that_is_switched_off_says_where(reeve):
    path = reeve.write_policy("schema: 1\nprofile: open\ndeny:\n  plugins: [exec]\n")
    reeve.start()
    assert open_to(reeve) == OWN | FILE
    text = refusal(reeve.call("guest-exec", path="/bin/true"), "CommandNotFound")
    assert text.startswith("Command guest-exec has been disabled: plugin 'exec' is switched off") and f"{path}:4" in text


# ---- a bad file


BAD = "schema: 1\nprofile: open\ncomands: {allow: [guest-exec]}\n"


def test_bad_policy_without_a_good_one_is_minimal_and_said_with_its_place(reeve):
    path = reeve.write_policy(BAD)
    reeve.start()
    assert open_to(reeve) == OWN
    assert "guest-exec has been disabled" in refusal(reeve.call("guest-exec", path="/bin/true"), "CommandNotFound")
    where = f"{path}:3:1: unknown key 'comands' in a policy; did you mean 'commands'?"
    assert f"only what profile 'minimal' allows is allowed: {where}" in reeve.log()


def test_bad_policy_keeps_the_last_good_one(reeve):
    path = reeve.write_policy("schema: 1\n" + EXEC_RULE)
    reeve.start()
    reeve.stop()
    path.write_text(BAD)
    reeve.start()
    assert open_to(reeve) == OWN | EXEC
    assert output_of(reeve, "/usr/bin/echo", "hello") == "hello\n"
    assert f"the last good configuration stays in force: {path}:3:1: unknown key 'comands'" in reeve.log()
    reeve.stop()
    path.write_text("schema: 1\nprofile: minimal\n")
    reeve.start()
    assert open_to(reeve) == OWN


def test_last_good_one_that_others_could_have_written_is_not_believed(reeve):
    path = reeve.write_policy("schema: 1\nprofile: open\n")
    reeve.start()
    reeve.stop()
    path.write_text(BAD)
    for kept in (reeve.directory / "var").iterdir():
        kept.chmod(0o666)
    reeve.start()
    assert open_to(reeve) == OWN
    assert "may be written by others" in reeve.log()


def test_bad_file_that_is_named_has_no_last_good_one(reeve):
    path = reeve.directory / "named.yaml"
    path.write_text("schema: 1\nprofile: open\n")
    reeve.start("--policy", str(path))
    reeve.stop()
    path.write_text(BAD)
    reeve.start("--policy", str(path))
    assert open_to(reeve) == OWN
    assert f"{path}:3:1:" in reeve.log()


def test_policy_that_others_may_write_is_refused(reeve):
    reeve.write_policy("schema: 1\nprofile: open\n").chmod(0o666)
    reeve.start()
    assert open_to(reeve) == OWN
    assert "may be written by others" in reeve.log()


def test_named_policy_that_is_not_there_is_minimal(reeve):
    reeve.start("--policy", "/no/such/policy.yaml")
    assert open_to(reeve) == OWN
    assert "policy /no/such/policy.yaml: look at /no: No such file or directory" in reeve.log()


@pytest.mark.parametrize("line, complaint", [
    ("profile: opne", "3:10: "), ("profile: open\nprofile: open", "4:1: "), ("exec: {rules: {x: {run: /bin/true, rate: 1}}}", "3:"),
    ("name: &a x", "3:7: "), ("mode: complain", "3:7: "), ("exec: {rules: {x: {run: '*', as: nobody}}}", "3:16: ")])
def test_each_mistake_is_told_with_line_and_column(reeve, line, complaint):
    path = reeve.write_policy(f"schema: 1\n\n{line}\n")
    reeve.start()
    assert f"{path}:{complaint}" in reeve.log()
    assert open_to(reeve) == OWN


# ---- channels


def start_with_channels(reeve, policy, *names):
    sockets = {name: reeve.directory / f"socket-{name}" for name in names}
    reeve.settings("channels:\n" + "".join(
        f"  - {{name: {name}, protocol: qga, transport: unix, path: {path}}}\n" for name, path in sockets.items()))
    reeve.write_policy(policy)
    reeve.socket = sockets[names[0]]
    reeve.start(channel=[])
    return sockets


def on(reeve, path):
    reeve.socket = path
    return reeve


CHANNELS = """\
schema: 1
profile: open
channels:
  backup:
    commands: {allow: ["guest-file-*"], deny: ["*"]}
  nosy:
    match: {unix-uid: 65534}
    commands: {deny: ["guest-exec*"]}
"""


def test_channel_has_rules_of_its_own(reeve):
    sockets = start_with_channels(reeve, CHANNELS, "main", "backup", "nosy")
    assert open_to(on(reeve, sockets["main"])) == OWN | EXEC | FILE
    assert "guest-exec" not in json.dumps(reeve.call("guest-ping"))
    backup = on(reeve, sockets["backup"])
    text = refusal(backup.call("guest-exec", path="/bin/true"), "CommandNotFound")
    assert text == f"Command guest-exec has been disabled: policy rule 'channels.backup.commands.deny' in {reeve.etc}/policy.yaml:5"
    assert "return" in backup.call("guest-file-open", path="/etc/hostname")
    assert backup.call("guest-ping") == {"return": {}}
    assert "error" in backup.call("guest-info")


def test_channels_rules_may_be_for_one_peer(reeve):
    sockets = start_with_channels(reeve, CHANNELS, "main", "nosy")
    assert open_to(on(reeve, sockets["nosy"])) == OWN | EXEC | FILE  # root is another peer
    sockets["nosy"].chmod(0o777)
    ask = ("import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
           "s.sendall(b'{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/true\"}}'); print(s.recv(4096).decode())")
    said = subprocess.run([sys.executable if os.access(sys.executable, os.X_OK) and not sys.executable.startswith("/root")
                           else "/usr/bin/python3", "-c", ask, sockets["nosy"]], user=65534, group=65534, extra_groups=[],
                          capture_output=True, text=True, timeout=20, check=True).stdout
    assert "policy rule 'channels.nosy.commands.deny'" in said


def test_handles_belong_to_their_channel(reeve):
    sockets = start_with_channels(reeve, "schema: 1\nprofile: open\n", "one", "two")
    handle = on(reeve, sockets["one"]).call("guest-file-open", path="/etc/hostname")["return"]
    assert "return" in reeve.call("guest-file-read", handle=handle)
    text = refusal(on(reeve, sockets["two"]).call("guest-file-read", handle=handle), "GenericError")
    assert text == f"handle '{handle}' has not been found"


def test_rules_for_a_channel_that_is_not_served_are_warned_of(reeve):
    reeve.write_policy("schema: 1\nchannels:\n  bakcup:\n    commands: {deny: [guest-info]}\n")
    reeve.start()
    assert f"{reeve.etc}/policy.yaml:3: no channel 'bakcup' is served" in reeve.log()
    assert open_to(reeve) == OWN


def test_command_lines_channel_replaces_those_of_the_file(reeve):
    reeve.settings(f"channels:\n  - {{name: x, protocol: qga, transport: unix, path: {reeve.directory}/x}}\n")
    reeve.start()
    assert not (reeve.directory / "x").exists()
    assert "channels of reeve.yaml are not served" in reeve.log()


# ---- the command line narrows


def test_blocked_commands_are_refused_by_the_command_line(reeve):
    reeve.start("--policy", "open", "-b", "guest-exec,guest-file-write", "-b", "guest-ping")
    assert open_to(reeve) == (OWN | EXEC | FILE) - EXEC_DENIED - {"guest-file-write", "guest-ping"}
    text = refusal(reeve.call("guest-exec", path="/bin/true"), "CommandNotFound")
    assert text == "Command guest-exec has been disabled: policy rule 'commands.deny' in the command line:1"
    text = refusal(reeve.call("guest-ping"), "CommandNotFound")
    assert text == "Command guest-ping has been disabled: policy rule 'commands.deny' in the command line:1"


def test_allowed_commands_narrow_to_the_list(reeve):
    reeve.start("--policy", "open", "-a", "guest-info,guest-exec")
    assert open_to(reeve) == {"guest-info", "guest-exec"} | NEVER_DENIABLE


def test_allowed_commands_grant_nothing_and_that_is_said(reeve):
    reeve.start("--policy", "standard", "-a", "guest-exec,guest-info,guest-ping,guest-nonsense")
    assert open_to(reeve) == {"guest-info"} | NEVER_DENIABLE
    lines = [line for line in reeve.log().splitlines() if "--allow-rpcs" in line]
    assert len(lines) == 2
    assert re.search(r"lists guest-exec, which policy rule 'default' in /\S+/standard.yaml:\d+ refuses; it is not opened$", lines[0])
    assert lines[1].endswith("lists guest-nonsense, which is no command here")


def test_list_of_commands_is_printed(reeve):
    reeve.start("-b", "help", waits=False)
    assert reeve.process.wait(timeout=START_LIMIT_S) == 0
    assert set(reeve.log().split()) == ALL


# ---- files


FILES = """\
schema: 1
files:
  directories:
    - id: work
      path: {root}/work
      access: [read, write, create]
      match: ["**/*.conf", "*.txt", "!secret/**"]
      max-file: 10 B
    - {{id: look, path: {root}/look, access: [read], symlinks: within}}
    - {{id: keep, path: {root}/keep, access: [read, write]}}
    - {{id: owned, path: {root}/owned, access: [read, write, create], as: nobody}}
deny:
  files: ["**/shadow.conf"]
"""


@pytest.fixture(scope="module")
def files(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        reeve.root = reeve.directory / "files"
        for name in ("work/sub/deep", "work/secret", "look/in", "keep", "owned"):
            (reeve.root / name).mkdir(parents=True)
        for name in ("work/a.conf", "work/a.txt", "work/b.bin", "work/sub/deep/c.conf", "work/sub/d.txt", "work/secret/e.conf",
                     "work/shadow.conf", "look/f", "look/in/g", "keep/h", "owned/root-only", "outside"):
            (reeve.root / name).write_text(name)
        (reeve.root / "owned").chmod(0o777)
        (reeve.root / "owned/root-only").chmod(0o600)
        (reeve.root / "work/link.conf").symlink_to("a.conf")
        (reeve.root / "look/link").symlink_to("in/g")
        (reeve.root / "look/far").symlink_to("../outside")
        (reeve.root / "look/absolute").symlink_to("/etc/hostname")
        os.mkfifo(reeve.root / "look/fifo")
        reeve.policy = reeve.directory / "files.yaml"
        reeve.policy.write_text(FILES.format(root=reeve.root).replace('"**/shadow.conf"', f'"{reeve.root}/**/shadow.conf"'))
        reeve.start("--policy", str(reeve.policy))
        assert open_to(reeve) == OWN | FILE, reeve.log()
        yield reeve


def open_file(reeve, name, mode="r"):
    path = name if name.startswith("/") else f"{reeve.root}/{name}"
    return reeve.call("guest-file-open", path=path, mode=mode)


def content(reeve, reply):
    assert "return" in reply, reply
    return base64.b64decode(reeve.call("guest-file-read", handle=reply["return"])["return"]["buf-b64"]).decode()


@pytest.mark.parametrize("name", ["work/a.conf", "work/a.txt", "work/sub/deep/c.conf", "look/f", "look/in/g", "keep/h"])
def test_file_of_a_granted_directory_is_read(files, name):
    assert content(files, open_file(files, name)) == name


@pytest.mark.parametrize("name, mode, rule", [
    ("work/b.bin", "r", "work"), ("work/sub/d.txt", "r", "work"), ("work/secret/e.conf", "r", "work"),
    ("work/new.bin", "w", "work"), ("look/f", "w", "look"), ("look/f", "r+", "look"), ("look/new", "w", "look"),
    ("keep/h", "w", "keep"), ("keep/h", "a", "keep"), ("outside", "r", "default"), ("work", "r", "default"),
    ("work/../outside", "r", "default"), ("work/sub/../a.conf", "r", "default"), ("/etc/passwd", "r", "default"),
    ("work/shadow.conf", "r", "deny.files"), ("look/../work/shadow.conf", "r", "deny.files"), ("workx/a.conf", "r", "default")])
def test_other_file_is_refused_with_rule_and_place(files, name, mode, rule):
    path = name if name.startswith("/") else f"{files.root}/{name}"
    text = refusal(open_file(files, name, mode), "GenericError")
    start = re.escape(f"failed to open file '{path}' (mode: '{mode}'): Permission denied (policy rule '{rule}' in {files.policy}:")
    assert re.fullmatch(start + r"\d+\)", text), text


def test_relative_path_is_refused(files):
    assert "policy rule 'default'" in refusal(files.call("guest-file-open", path="etc/passwd"), "GenericError")


def test_symbolic_link_is_refused_by_default(files):
    assert "Too many levels of symbolic links" in refusal(open_file(files, "work/link.conf"), "GenericError")


def test_symbolic_link_within_is_followed_and_not_out_of_it(files):
    assert content(files, open_file(files, "look/link")) == "look/in/g"
    for name in ("look/far", "look/absolute"):
        assert "error" in open_file(files, name), name


def test_link_to_a_denied_file_is_refused(files):
    link = files.root / "look/in/shadow.conf"
    link.write_text("x")
    (files.root / "look/innocent").symlink_to("in/shadow.conf")
    assert "error" in open_file(files, "look/innocent")


@pytest.mark.parametrize("name", ["look/fifo", "look/in"])
def test_only_regular_files_are_opened(files, name):
    assert "error" in open_file(files, name)


def test_new_file_is_made_for_its_user_and_not_writable_by_others(files):
    assert "return" in open_file(files, "owned/new", "w")
    status = os.stat(files.root / "owned/new")
    assert (status.st_uid, status.st_mode & 0o777) == (65534, 0o644)
    assert "Permission denied" in refusal(open_file(files, "owned/root-only"), "GenericError")


def test_file_may_not_grow_beyond_max_file(files):
    handle = open_file(files, "work/new.txt", "w")["return"]
    assert files.call("guest-file-write", handle=handle, buf_b64=base64.b64encode(b"0123456789").decode())["return"]["count"] == 10
    text = refusal(files.call("guest-file-write", handle=handle, buf_b64="eA=="), "GenericError")
    assert "too large" in text.lower(), text
    assert (files.root / "work/new.txt").read_text() == "0123456789"
    (files.root / "work/large.txt").write_text("x" * 11)
    assert "error" in open_file(files, "work/large.txt", "r+")


def test_exec_is_closed_where_only_files_are_granted(files):
    assert "CommandNotFound" in json.dumps(files.call("guest-exec", path="/bin/true"))


# ---- matchers of arguments


MATCHERS = {
    "literal": "{literal: 'a b'}", "one-of": "{one-of: [start, -x]}", "int": "{int: 1..50}",
    "under": "{path: {under: /var/log}}", "equals": "{path: {equals: /etc/hosts}}", "regex": "{regex: '[a-z]+', max: 5}",
    "prefix": "{prefix: web-}", "option-prefix": "{prefix: --to=}", "username": "{username: any}",
    "any": "{any: {max: 6}}", "repeat": "{repeat: {of: {int: 1..9}, min: 1, max: 3}}"}


@pytest.fixture(scope="module")
def matchers(reeve_install):
    with reeve_in_directory(reeve_install) as reeve:
        rules = "".join(f"    {name}: {{run: /usr/bin/echo, args: [[{{literal: {name}}}, {matcher}]], as: nobody, reason: test}}\n"
                        for name, matcher in MATCHERS.items())
        reeve.policy = reeve.directory / "matchers.yaml"
        reeve.policy.write_text(
            "schema: 1\nexec:\n  rules:\n" + rules +
            "    input: {run: /usr/bin/cat, as: nobody, stdin: {max: 4 B}}\n"
            "    noinput: {run: /usr/bin/tac, as: nobody}\n"
            "    variables: {run: /usr/bin/env, as: nobody, reason: test, env: {keep: [LANG, TZ], set: {KEY: v}}}\n"
            "    everything: {run: /usr/bin/printf, as: nobody, args: any, reason: test}\n"
            "deny:\n  exec:\n    - {run: /usr/bin/printf, arg-any: {prefix: --to-command}}\n"
            "    - {run: /usr/bin/printf, arg-any: {path: {under: /etc}}}\n")
        reeve.start("--policy", str(reeve.policy))
        assert open_to(reeve) == OWN | EXEC, reeve.log()
        yield reeve


@pytest.mark.parametrize("name, arguments", [
    ("literal", ["a b"]), ("one-of", ["start"]), ("one-of", ["-x"]), ("int", ["1"]), ("int", ["50"]), ("under", ["/var/log/x"]),
    ("equals", ["/etc/hosts"]), ("regex", ["abcde"]), ("prefix", ["web-1"]), ("option-prefix", ["--to=x"]),
    ("username", ["www-data"]), ("any", ["a b*c"]), ("repeat", ["1"]), ("repeat", ["1", "2", "9"])])
def test_argument_that_matches_is_run(matchers, name, arguments):
    assert output_of(matchers, "/usr/bin/echo", name, *arguments) == " ".join([name, *arguments]) + "\n"


@pytest.mark.parametrize("name, arguments", [
    ("literal", ["a b "]), ("literal", ["a", "b"]), ("literal", []), ("one-of", ["star"]), ("int", ["0"]), ("int", ["51"]),
    ("int", ["+1"]), ("int", ["01"]), ("int", [" 1"]), ("int", ["1\n"]), ("under", ["/var/log"]), ("under", ["/var/log/../x"]),
    ("under", ["/var/log//x"]), ("under", ["/var/logs/x"]), ("equals", ["/etc/hosts/"]), ("regex", ["abcdef"]), ("regex", ["ab1"]),
    ("regex", ["ab\n"]), ("regex", [""]), ("prefix", ["xweb-1"]), ("prefix", ["web-\x01"]), ("username", ["-x"]), ("username", ["a b"]),
    ("any", ["1234567"]), ("any", ["a\nb"]), ("any", ["-n"]), ("repeat", []), ("repeat", ["1"] * 4), ("repeat", ["1", "x"]),
    ("any", ["a\0b"]), ("regex", ["\x7f"]), ("nothing", ["x"])])
def test_argument_that_does_not_match_is_refused(matchers, name, arguments):
    text = refusal(matchers.call("guest-exec", path="/usr/bin/echo", arg=[name, *arguments]), "GenericError")
    assert text.startswith("guest-exec refused: /usr/bin/echo is not allowed by policy rule '"), text
    assert re.search(rf" in {matchers.policy}:\d+$", text), text


@pytest.mark.parametrize("path", ["echo", "/bin/../usr/bin/echo", "/usr/bin/true", ""])
def test_program_must_be_named_just_so(matchers, path):
    text = refusal(matchers.call("guest-exec", path=path, arg=["literal", "a b"]), "GenericError")
    assert "policy rule 'default'" in text


def test_input_is_bounded_by_the_rule(matchers):
    assert output_of(matchers, "/usr/bin/cat", **{"input-data": "YWJjZA=="}) == "abcd"
    for path, data in (("/usr/bin/cat", "YWJjZGU="), ("/usr/bin/tac", "YQ==")):
        assert "not allowed by policy rule" in refusal(matchers.call("guest-exec", path=path, input_data=data), "GenericError")


def test_host_sets_only_the_variables_that_the_rule_keeps(matchers):
    lines = set(output_of(matchers, "/usr/bin/env", env=["TZ=UTC"]).splitlines())
    assert lines == {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                     "HOME=/nonexistent", "TZ=UTC", "KEY=v"}
    for bad in (["LD_PRELOAD=/x"], ["KEY=w"], ["TZ"], ["TZ=UTC", "PATH=/x"]):
        assert "policy rule 'variables'" in refusal(matchers.call("guest-exec", path="/usr/bin/env", env=bad), "GenericError")


@pytest.mark.parametrize("argument", ["--to-command=x", "--to-command\n", "/etc/shadow", "/etc//shadow", "/etc/../etc/shadow"])
def test_denied_argument_beats_a_rule_that_takes_any(matchers, argument):
    assert output_of(matchers, "/usr/bin/printf", "%s", "--from") == "--from"
    text = refusal(matchers.call("guest-exec", path="/usr/bin/printf", arg=["%s", argument]), "GenericError")
    assert "policy rule 'deny.exec'" in text


def test_denial_holds_under_open_however_the_program_is_named(reeve):
    reeve.write_policy("schema: 1\nprofile: open\ndeny:\n  exec: [{run: /usr/bin/echo}]\n  files: [/etc/hostname]\n")
    reeve.start()
    link = reeve.directory / "link"
    link.symlink_to("/usr/bin/echo")
    for path in ("/usr/bin/echo", "echo", "/usr/bin/../bin/echo", "//usr/bin/./echo", "/bin/echo", str(link)):
        assert "error" in reeve.call("guest-exec", path=path), path
    other = reeve.directory / "other"
    other.symlink_to("/etc/hostname")
    for path in ("/etc/hostname", "/etc/./hostname", "/etc/../etc/hostname", str(other), "/proc/self/root/etc/hostname"):
        assert "error" in reeve.call("guest-file-open", path=path), path
    assert "return" in reeve.call("guest-exec", path="/bin/true")
