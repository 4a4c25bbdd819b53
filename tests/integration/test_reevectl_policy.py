"""`reevectl policy` as an administrator calls it."""

import json
import subprocess

import pytest


@pytest.fixture
def reevectl(reeve_install, tmp_path):
    """Calls it for the directory tmp_path/etc: (exit code, standard output, standard error)."""
    (tmp_path / "etc").mkdir(mode=0o755)

    def call(*words):
        ended = subprocess.run([f"{reeve_install}/bin/reevectl", *map(str, words)], capture_output=True, text=True, errors="replace",
                               timeout=20)
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
    assert (code, out) == (1, f"read: {policy}\n{policy}:2:1: unknown key 'profil' in a policy; did you mean 'profile'?\n")
    code, out, _ = reevectl("policy", "check", "--json", "--etc-dir", tmp_path / "etc")
    assert code == 1 and json.loads(out)["errors"] == [f"{policy}:2:1: unknown key 'profil' in a policy; did you mean 'profile'?"]


def test_names_of_files_cannot_command_the_terminal(reevectl, tmp_path):
    drop_ins = tmp_path / "dropped"
    drop_ins.mkdir()
    (drop_ins / "a\x1b[2J\u009b2J.yaml").write_text("schema: 1\nprofil: open\n")
    code, out, _ = reevectl("policy", "check", drop_ins)
    assert code == 1 and "\\x1b[2J" in out and "\\x9b2J" in out
    assert "\x1b" not in out and "\u009b" not in out, out
    code, _, err = reevectl("policy", "explain", "--policy", drop_ins / "\x1b[2J", "guest-ping")
    assert code == 2 and "\\x1b[2J" in err and "\x1b" not in err, err


POLICY = """\
schema: 1
commands:
  deny: ["guest-file-*"]
exec:
  rules:
    say:
      run: /usr/bin/echo
      args: [[{literal: hello}]]
      as: nobody
      timeout: 5s
channels:
  default:
    match: {unix-uid: 4711}
    commands: {deny: ["*"]}
"""


@pytest.fixture
def etc(tmp_path, reevectl):
    """With POLICY and one drop-in that allows guest-file-open."""
    directory = tmp_path / "etc"
    (directory / "policy.d").mkdir(mode=0o755)
    (directory / "policy.yaml").write_text(POLICY)
    (directory / "policy.d/10-open.yaml").write_text("schema: 1\ncommands:\n  +allow: [guest-file-open]\n")
    return directory


def test_check_names_the_layers_and_what_masks_them(reevectl, etc, tmp_path):
    vendor = tmp_path / "vendor"
    vendor.mkdir(mode=0o755)
    for name in ("10-open.yaml", "20-off.yaml"):
        (vendor / name).write_text("schema: 1\n")
    (etc / "policy.d/20-off.yaml").symlink_to("/dev/null")
    code, out, _ = reevectl("policy", "check", "--etc-dir", etc, "--vendor-dir", vendor)
    assert code == 0 and out.splitlines() == [
        f"masked by {etc}/policy.d/10-open.yaml: {vendor}/10-open.yaml",
        f"masked by {etc}/policy.d/20-off.yaml: {vendor}/20-off.yaml",
        f"read: {etc}/policy.yaml",
        f"read: {etc}/policy.d/10-open.yaml",
        f"off: {etc}/policy.d/20-off.yaml",
        "The policy is good."]
    files = json.loads(reevectl("policy", "check", "--json", "--etc-dir", etc, "--vendor-dir", vendor)[1])["files"]
    assert files[0] == {"path": f"{vendor}/10-open.yaml", "state": "masked", "masked-by": f"{etc}/policy.d/10-open.yaml"}


def test_check_warns_of_names_that_nothing_has(reevectl, etc):
    path = etc / "policy.d/10-open.yaml"
    path.write_text("schema: 1\ncommands: {+deny: [guest-exce, '__com.vendor_*'], -allow: [guest-x]}\nchannels: {host: {}}\n")
    code, out, _ = reevectl("policy", "check", "--etc-dir", etc)
    assert code == 0
    assert f"warning: {path}:2: no installed plugin has a command 'guest-exce'; did you mean 'guest-exec'?" in out
    assert f"warning: {path}:2: no installed plugin has a command '__com.vendor_*'" in out
    assert f"warning: {path}:3: no channel 'host' is served" in out
    assert "'-allow' takes nothing off" in out


def test_check_warns_of_a_denied_link(reevectl, etc, tmp_path):
    (tmp_path / "link").symlink_to("etc/policy.yaml")
    path = etc / "policy.d/10-open.yaml"
    path.write_text(f"schema: 1\ndeny:\n  files: [{tmp_path}/link, {etc}/policy.yaml, '/root/**']\n")
    _, out, _ = reevectl("policy", "check", "--etc-dir", etc)
    assert out.count("does not deny") == 1
    assert f"{path}:3: {tmp_path}/link is {etc}/policy.yaml here, which this entry does not deny; name it too" in out


def test_check_knows_users_and_owners(reevectl, etc):
    path = etc / "policy.d/10-open.yaml"
    path.write_text("schema: 1\nexec: {rules: {x: {run: /bin/true, as: nobody-of-this-name}}}\n")
    code, out, _ = reevectl("policy", "check", "--etc-dir", etc)
    assert code == 1 and f"{path}:2: there is no user 'nobody-of-this-name' here" in out
    path.chmod(0o666)
    code, out, _ = reevectl("policy", "check", "--etc-dir", etc)
    assert code == 1 and f"{path}: may be written by others than its owner" in out


def test_files_that_are_named_may_be_anybodys_and_for_another_machine(reevectl, etc, tmp_path):
    path = tmp_path / "for-elsewhere.yaml"
    path.write_text("schema: 1\nexec: {rules: {x: {run: /no/such, as: nobody-of-this-name}}}\n")
    path.chmod(0o666)
    code, out, _ = reevectl("policy", "check", path, etc / "policy.d")
    assert code == 0 and "there is no user nobody-of-this-name on this machine" in out, out
    assert f"read: {path}" in out and f"read: {etc}/policy.d/10-open.yaml" in out
    assert reevectl("policy", "check", tmp_path / "none.yaml")[0] == 1


def explain(reevectl, etc, *words):
    code, out, err = reevectl("policy", "explain", "--json", "--etc-dir", etc, *words)
    assert code in (0, 1), err
    told = json.loads(out)
    assert told["allowed"] == (code == 0)
    return told


def test_explain_names_the_rule_of_a_program_and_what_it_runs_under(reevectl, etc):
    told = explain(reevectl, etc, "guest-exec", "/usr/bin/echo", "hello")
    assert told["allowed"] and told["rule"] == "say" and (told["file"], told["line"]) == (f"{etc}/policy.yaml", 6)
    assert told["program"]["user"].startswith("nobody (uid ") and told["program"]["timeout"] == "5 s"
    assert told["program"]["confinement"] == "service" and told["worker"]["capabilities"] == "none"


def test_explain_names_no_user_for_a_program_that_gets_a_number_of_its_own(reevectl, etc):
    (etc / "policy.d/10-open.yaml").write_text("schema: 1\nexec: {rules: {boxed: {run: /usr/bin/id, confine: sandboxed}}}\n")
    program = explain(reevectl, etc, "guest-exec", "/usr/bin/id")["program"]
    assert (program["confinement"], program["user"], program["output kept"]) == ("sandboxed", "one of its own", "16 MiB")


def test_explain_says_which_argument_does_not_fit(reevectl, etc):
    told = explain(reevectl, etc, "guest-exec", "/usr/bin/echo", "-n", "hello")
    assert not told["allowed"] and told["rule"] == "say"
    assert "the first that does not fit is '-n'" in told["steps"][1]["considered"][0]["outcome"]


def test_explain_names_losers_with_their_place(reevectl, etc):
    told = explain(reevectl, etc, "guest-file-open", "/etc/hostname")
    deny, allow = told["steps"][0]["considered"]
    assert (deny["rule"], deny["line"], deny["decides"]) == ("commands.deny", 3, False)
    assert (allow["rule"], allow["file"], allow["decides"]) == ("commands.allow", f"{etc}/policy.d/10-open.yaml", True)
    assert told["rule"] == "default" and not told["allowed"]
    assert not explain(reevectl, etc, "guest-file-read")["allowed"]


def test_explain_takes_the_peer_into_account(reevectl, etc):
    assert explain(reevectl, etc, "guest-info")["allowed"]
    told = explain(reevectl, etc, "--unix-uid", "4711", "guest-info")
    assert told["rule"] == "channels.default.commands.deny" and told["line"] == 14
    assert explain(reevectl, etc, "--unix-uid", "4711", "guest-ping")["allowed"]
    assert explain(reevectl, etc, "--vsock-cid", "4711", "guest-info")["allowed"]
    assert explain(reevectl, etc, "--unix-uid", "4711", "--channel", "other", "guest-info")["allowed"]


def test_explain_of_nothing_or_under_a_bad_policy_is_no_answer(reevectl, etc):
    for words in ([], ["guest-exce"], ["--chanel", "x", "guest-info"], ["guest-info", "x"], ["guest-file-open", "/x", "z"]):
        code, out, err = reevectl("policy", "explain", "--etc-dir", etc, *words)
        assert code == (1 if words[:1] == ["guest-file-open"] and not err else 2) and bool(out) != bool(err), words
    (etc / "policy.yaml").write_text("schema: 1\nbad: 1\n")
    code, out, err = reevectl("policy", "explain", "--etc-dir", etc, "guest-info")
    assert code == 2 and not out and "policy.yaml:2:1: unknown key 'bad'" in err


def test_explanation_for_people_fits_a_terminal(reevectl, etc):
    code, out, _ = reevectl("policy", "explain", "--etc-dir", etc, "guest-exec", "/usr/bin/echo", "hello")
    assert code == 0 and out.startswith(f"ALLOWED by policy rule 'say' in {etc}/policy.yaml:6\n")
    assert all(len(line.replace(str(etc), "/etc/reeve")) <= 80 for line in out.splitlines())


def test_an_ordinary_user_may_ask(reevectl, reeve_install, etc, tmp_path):
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        if directory.name.startswith("pytest") or directory == tmp_path:
            directory.chmod(0o755)
    ended = subprocess.run([f"{reeve_install}/bin/reevectl", "policy", "explain", "--etc-dir", str(etc), "guest-info"],
                           user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=20)
    assert ended.returncode == 0 and ended.stdout.startswith("ALLOWED"), ended.stderr
