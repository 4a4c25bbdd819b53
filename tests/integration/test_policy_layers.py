"""Drop-ins, masks and `+`/`-` lists as a running agent takes them, and what one bad drop-in does."""

import os
import socket as sockets

import pytest

from running_reeve import reeve_in_directory
from test_policy import BAD, EXEC, FILE, OWN, on, open_to, refusal, start_with_channels

SHUT = "schema: 1\ncommands: {deny: [guest-info]}\n"


@pytest.fixture
def reeve(reeve_install):
    """Not started. `drop_in(layer, name, text)` writes one; the vendor's go when the test ends."""
    with reeve_in_directory(reeve_install) as reeve:
        reeve.layers = {"vendor": reeve_install / "lib/reeve/policy.d", "etc": reeve.etc / "policy.d",
                        "run": reeve.directory / "state/policy.d"}
        written = []

        def drop_in(layer, name, text):
            reeve.layers[layer].mkdir(mode=0o755, exist_ok=True)
            path = reeve.layers[layer] / name
            path.write_text(text)
            written.append(path)
            return path

        reeve.drop_in = drop_in
        yield reeve
        for path in written:
            path.unlink(missing_ok=True)


def profile(name):
    return f"schema: 1\nprofile: {name}\n"


def test_layers_go_from_vendor_to_run(reeve):
    reeve.drop_in("vendor", "a.yaml", profile("open"))
    reeve.start()
    assert open_to(reeve) == OWN | EXEC | FILE
    for layer, name, expected in [("etc", "", OWN), ("etc", "b.yaml", OWN | EXEC | FILE), ("run", "a-run.yaml", OWN)]:
        reeve.stop()
        text = profile("open" if expected != OWN else "minimal")
        reeve.drop_in(layer, name, text) if name else reeve.write_policy(text)
        reeve.start()
        assert open_to(reeve) == expected, (layer, name)


def test_same_name_masks_and_a_link_to_null_switches_off(reeve):
    reeve.drop_in("vendor", "site.yaml", profile("open"))
    reeve.drop_in("etc", "site.yaml", "schema: 1\nname: nothing\n")
    reeve.start()
    assert open_to(reeve) == OWN
    reeve.stop()
    (reeve.layers["etc"] / "site.yaml").unlink()
    (reeve.layers["etc"] / "site.yaml").symlink_to("/dev/null")
    reeve.start()
    assert open_to(reeve) == OWN
    reeve.stop()
    (reeve.layers["etc"] / "site.yaml").unlink()
    reeve.start()
    assert open_to(reeve) == OWN | EXEC | FILE


def test_lists_are_added_to_and_taken_from_and_refusals_name_the_drop_in(reeve):
    reeve.write_policy("schema: 1\nprofile: open\ncommands:\n  deny: [guest-exec, guest-file-seek]\n")
    added = reeve.drop_in("etc", "10-more.yaml", "schema: 1\n\ncommands:\n  +deny: [guest-file-open]\n")
    reeve.drop_in("etc", "20-less.yaml", "schema: 1\ncommands:\n  -deny: [guest-file-seek]\n")
    reeve.start()
    assert open_to(reeve) == (OWN | EXEC | FILE) - {"guest-exec", "exec-run", "exec-kill", "guest-file-open"}
    text = refusal(reeve.call("guest-file-open", path="/etc/hostname"), "CommandNotFound")
    assert text == f"Command guest-file-open has been disabled: policy rule 'commands.deny' in {added}:4"
    text = refusal(reeve.call("guest-exec", path="/bin/true"), "CommandNotFound")
    assert text == f"Command guest-exec has been disabled: policy rule 'commands.deny' in {reeve.etc}/policy.yaml:4"


def test_link_to_a_file_elsewhere_is_followed(reeve):
    kept = reeve.directory / "kept.yaml"
    kept.write_text(profile("open"))
    (reeve.etc / "policy.d").mkdir(mode=0o755)
    (reeve.etc / "policy.d/link.yaml").symlink_to(kept)
    reeve.start()
    assert open_to(reeve) == OWN | EXEC | FILE, reeve.log()


@pytest.mark.parametrize("spoil, complaint", [
    (lambda path: path.write_text(BAD), ":3:1: unknown key 'comands'"),
    (lambda path: path.chmod(0o666), "may be written by others"),
    (lambda path: path.parent.chmod(0o777), "may be written by others"),
    (lambda path: path.parent.chmod(0o1777), "may be written by others"),
    (lambda path: os.chown(path, 65534, 0), "belongs to user 65534"),
    (lambda path: (path.unlink(), os.mkfifo(path)), "is not a regular file"),
    (lambda path: (path.unlink(), path.symlink_to("nowhere")), "No such file"),
    (lambda path: path.write_text("schema: 1\n" + "#" * (256 << 10)), ""),
    (lambda path: path.write_bytes(b""), "a policy must be a map"),
])
def test_one_bad_drop_in_keeps_the_last_good_policy(reeve, spoil, complaint):
    reeve.write_policy(profile("open"))
    bad = reeve.drop_in("etc", "bad.yaml", SHUT)
    reeve.start()
    with reeve.connect() as client:
        assert "error" in client.call("guest-info")
    reeve.stop()
    spoil(bad)
    reeve.start()
    with reeve.connect() as client:
        assert "error" in client.call("guest-info"), "the last good policy is in force"
        assert "return" in client.call("guest-exec", path="/bin/true")
    line = next(line for line in reeve.log().splitlines() if "the last good configuration stays in force" in line)
    assert complaint in line and str(bad.parent) in line


def test_bad_drop_in_that_is_new_keeps_the_last_good_policy_too(reeve):
    reeve.write_policy("schema: 1\nprofile: minimal\n")
    reeve.start()
    reeve.stop()
    reeve.drop_in("run", "new.yaml", "schema: 1\nprofile: open\nbad: 1\n")
    reeve.start()
    assert open_to(reeve) == OWN
    assert "the last good configuration stays in force" in reeve.log()


def test_bad_drop_in_without_a_last_good_policy_is_minimal(reeve):
    reeve.write_policy(profile("open"))
    bad = reeve.drop_in("run", "bad.yaml", BAD)
    reeve.start()
    assert open_to(reeve) == OWN
    assert f"only what profile 'minimal' allows is allowed: {bad}:3:1: unknown key 'comands'" in reeve.log()


def test_policy_of_the_command_line_replaces_all_layers(reeve):
    for layer in ("vendor", "etc", "run"):
        reeve.drop_in(layer, f"{layer}.yaml", profile("open"))
    reeve.write_policy(BAD)
    reeve.start("--policy", "minimal")
    assert open_to(reeve) == OWN
    reeve.stop()
    named = reeve.directory / "named.yaml"
    named.write_text(profile("standard"))
    reeve.start("--policy", str(named))
    assert open_to(reeve) == OWN


def ask_as(uid, path, command):
    """The answer to `command` that a process of this user gets."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with sockets.socket(sockets.AF_UNIX) as asker:
                asker.settimeout(20)
                asker.connect(str(path))
                asker.sendall(b'{"execute": "%s"}' % command.encode())
                os.write(writing, asker.recv(65536))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


def test_channel_of_two_drop_ins_narrows_one_user_only(reeve):
    reeve.drop_in("etc", "1.yaml", "schema: 1\nchannels:\n  host:\n    match: {unix-uid: 12345}\n")
    denial = reeve.drop_in("run", "2.yaml", "schema: 1\nchannels:\n  host:\n    commands:\n      +deny: [guest-info]\n")
    paths = start_with_channels(reeve, profile("open"), "host", "other")
    for path in paths.values():
        path.chmod(0o777)
    refused = f"policy rule 'channels.host.commands.deny' in {denial}:5"
    assert refused in ask_as(12345, paths["host"], "guest-info")
    assert refused in ask_as(12345, paths["host"], "guest-info")
    assert '"return"' in ask_as(54321, paths["host"], "guest-info")
    assert '"return"' in ask_as(12345, paths["other"], "guest-info")
    assert open_to(on(reeve, paths["host"])) == OWN | EXEC | FILE
