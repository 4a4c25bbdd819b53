"""reeve-passwd and reeve-keys, run as the warden runs them, against users who are nobody's.

None of this sees the users of the machine: tests/support/throwaway_users.py."""

import hashlib
import os
import pathlib
import subprocess

import pytest
import throwaway_users
from running_reeve import status_of, wait_until
from throwaway_users import ALICE, BOB

FAILED = 120
AS_ALICE = ["setpriv", "--reuid", str(ALICE), "--regid", str(ALICE), "--clear-groups"]
END = "\0"  # of the input: helpers/contract.h
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIone alice@host"
OTHER = 'no-pty,command="echo \\"#\\"" ssh-rsa AAAAB3two two words'
FILE = "/home/alice/.ssh/authorized_keys"
CRYPTED = "$6$abcdefgh$KVPg3bmxDxMSXoBZ0ktmuCF3hmDRPyWqkGXf3zLdkr0DWHWvOy8m2S1eXDzPAzdLZz4m1FhIpO6zZ1u1O2t1i1"


def machines_own():
    files = ("/etc/passwd", "/etc/shadow", "/etc/group")
    return [hashlib.md5(pathlib.Path(path).read_bytes()).hexdigest() for path in files] + sorted(os.listdir("/home"))


@pytest.fixture(scope="module", autouse=True)
def nothing_of_the_machine_changes():
    if os.geteuid() != 0:
        pytest.skip("the helpers begin as root")
    before = machines_own()
    yield
    assert machines_own() == before


@pytest.fixture
def users():
    made = throwaway_users.ThrowawayUsers()
    yield made
    made.close()


@pytest.fixture
def keys(users, reeve_install):
    def run(verb, user, *lines):
        done = users.run([reeve_install / "libexec/reeve/reeve-keys", verb, user], "".join(f"{line}\n" for line in lines) + END)
        return done.returncode, done.stdout
    return run


@pytest.fixture
def passwd(users, reeve_install):
    def run(user, password, form="plain"):
        done = users.run([reeve_install / "libexec/reeve/reeve-passwd", user, form], password + END)
        return done.returncode, done.stdout
    return run


def facts(users, *paths):
    return users.shell("stat -c '%n %a %u:%g %F' " + " ".join(paths)).splitlines()


def tree_of(users, *paths):
    """What stands below them and when it was changed last."""
    return users.shell("find " + " ".join(paths) + " -printf '%p %i %m %U %s %l %C@\\n' | sort")


def shadow_of(users, name):
    return users.shell(f"grep '^{name}:' /etc/shadow").strip().split(":")[1]


# ---- reeve-passwd


def test_password_is_set_and_nobody_elses(users, passwd):
    before = users.shell("grep -v '^alice:' /etc/shadow")
    assert passwd("alice", "correct: horse $1") == (0, "")
    salted = shadow_of(users, "alice")
    crypt = users.run(["perl", "-e", "chomp(my $p = <STDIN>); print crypt($p, $ARGV[0])", salted], "correct: horse $1\n")
    assert (crypt.stdout, salted[0]) == (salted, "$")
    assert users.shell("grep -v '^alice:' /etc/shadow") == before


def test_crypted_password_is_set_as_it_is(users, passwd):
    assert passwd("root", CRYPTED, "crypted") == (0, "")
    assert shadow_of(users, "root") == CRYPTED


def test_unknown_user_is_refused_in_chpasswds_words(users, passwd):
    before = users.shell("cat /etc/shadow")
    code, said = passwd("nobody-here", "x")
    assert code not in (0, FAILED) and "nobody-here" in said
    assert users.shell("cat /etc/shadow") == before


@pytest.mark.parametrize("user, password, form, text", [
    ("alice", "a\nroot:b", "plain", "forbidden characters in raw password"),
    ("alice", "a\0b", "plain", "forbidden characters in raw password"),
    ("alice", "x:0:0", "crypted", "forbidden characters in raw password"),
    ("alice", "a" * 4096, "plain", "the password is longer than 4095 bytes"),
    ("root:x\nalice", "a", "plain", "forbidden characters in username"),
    ("toor", "a", "plain", "failed to lookup user 'toor': that is root by another name"),
])
def test_what_would_say_something_else_is_refused(users, passwd, user, password, form, text):
    before = users.shell("cat /etc/shadow")
    assert passwd(user, password, form) == (FAILED, text)
    assert users.shell("cat /etc/shadow") == before


def test_secret_is_in_no_argument_and_no_environment_and_no_core_is_left(users, passwd):
    users.run(["sh", "-c", "cat >/home/probe; chmod 755 /home/probe; mount --bind /home/probe /usr/sbin/chpasswd"], """#!/bin/sh
tr '\\0' ' ' </proc/$$/cmdline; env; cat /proc/$$/limits | grep -i core; ls /proc/$$/fd; echo then; cat
""")
    code, said = passwd("alice", "hunter2")
    around, line = said.split("then\n")
    assert (code, line) == (0, "alice:hunter2\n")
    assert "hunter2" not in around and "alice" not in around
    assert "Max core file size        1                    1" in around


@pytest.mark.parametrize("form", ["plain", "crypted"])
@pytest.mark.parametrize("part", ["", "sec"])
def test_part_of_a_password_is_none(users, reeve_install, part, form):
    """Who asks may die while it writes. An empty field of /etc/shadow lets everybody in."""
    before = users.shell("cat /etc/shadow")
    done = users.run([reeve_install / "libexec/reeve/reeve-passwd", "alice", form], part)
    assert (done.returncode, done.stdout) == (FAILED, "the input did not arrive whole")
    assert users.shell("cat /etc/shadow") == before


def test_password_is_set_though_nobody_tells_the_groups(users, passwd):
    """A guest that lost its directory server is what root's password is set for."""
    users.shell("mkfifo /home/fifo; mount --bind /home/fifo /etc/group")
    assert passwd("root", "x") == (0, "")


def test_missing_chpasswd_has_the_text_of_a_failed_exec(users, passwd):
    users.shell("mount --bind /dev/null /usr/sbin/chpasswd")
    assert passwd("alice", "x") == (1, "failed to exec 'chpasswd': Permission denied\n")


# ---- reeve-keys


def test_first_key_makes_what_sshd_wants_to_see(users, keys):
    assert keys("add", "alice", KEY) == (0, "")
    assert facts(users, "/home/alice/.ssh", FILE) == [f"/home/alice/.ssh 700 {ALICE}:{ALICE} directory",
                                                      f"{FILE} 600 {ALICE}:{ALICE} regular file"]
    assert users.shell(f"cat {FILE}") == KEY + "\n"
    assert users.shell("ls -A /home/alice/.ssh") == "authorized_keys\n"


def test_keys_are_listed_last_first(users, keys):
    keys("add", "alice", KEY, OTHER)
    users.shell(f"printf '# a comment\\n\\n' >>{FILE}")
    assert keys("get", "alice") == (0, f"{OTHER}\n{KEY}\n")


def test_adding_again_and_removing_what_is_not_there_leave_the_very_file(users, keys):
    keys("add", "alice", KEY)
    before = tree_of(users, "/home/alice")
    assert keys("add", "alice", KEY) == (0, "")
    assert keys("remove", "alice", OTHER) == (0, "")
    assert keys("add", "alice", "") == (0, "")
    assert tree_of(users, "/home/alice") == before


def test_comments_options_and_a_missing_last_line_end(users, keys):
    users.shell(f"install -d -o {ALICE} -m 755 /home/alice/.ssh; printf '# mine\\n\\n{KEY}' >{FILE}; chown {ALICE} {FILE}; chmod 644 {FILE}")
    assert keys("add", "alice", OTHER) == (0, "")
    assert users.shell(f"cat {FILE}") == f"# mine\n\n{KEY}\n{OTHER}\n"
    assert keys("remove", "alice", KEY) == (0, "")
    assert users.shell(f"cat {FILE}") == f"# mine\n\n{OTHER}\n"
    assert facts(users, "/home/alice/.ssh", FILE)[0].split()[1] == "755", "what is the user's stays as he has it"


def test_reset_leaves_the_new_keys_alone(users, keys):
    keys("add", "alice", KEY)
    assert keys("reset", "alice", OTHER, OTHER) == (0, "")
    assert users.shell(f"cat {FILE}") == OTHER + "\n"
    assert keys("reset", "alice") == (0, "")
    assert users.shell(f"stat -c %s {FILE}") == "0\n"
    assert keys("get", "alice") == (0, "")


def test_missing_file_is_an_error_to_get_and_none_to_remove(users, keys):
    missing = f"failed to read '{FILE}': Failed to open file “{FILE}”: No such file or directory"
    assert keys("get", "alice") == (FAILED, missing)
    assert keys("remove", "alice", KEY) == (0, "")
    assert users.shell("ls -A /home/alice") == ""


@pytest.mark.parametrize("user, text", [
    ("nobody-here", "failed to lookup user 'nobody-here': no such user"),
    ("toor", "failed to lookup user 'toor': that is root by another name"),
    ("unchanged", "failed to lookup user 'unchanged': his number is nobody's"),
])
def test_nobody_has_no_keys(users, keys, user, text):
    for verb in ("get", "add", "reset", "remove"):
        assert keys(verb, user, KEY) == (FAILED, text)


def test_user_whose_group_is_roots_has_keys_like_any_other(users, keys):
    assert keys("add", "grouped", KEY) == (0, "")
    assert facts(users, FILE) == [f"{FILE} 600 {ALICE}:0 regular file"]


def test_home_written_with_a_slash_at_its_end(users, keys):
    assert keys("get", "slash")[1].startswith(f"failed to read '{FILE}': ")
    assert keys("add", "slash", KEY) == (0, "")
    assert users.shell(f"cat {FILE}") == KEY + "\n"
    assert keys("add", "nowhere", KEY) == (FAILED, "failed to create directory '/.ssh': Permission denied")


def test_file_that_its_user_may_not_read_can_be_reset(users, keys):
    keys("add", "alice", KEY)
    users.shell(f"chmod 0 {FILE}")
    assert keys("add", "alice", OTHER) == (FAILED, f"failed to read '{FILE}': Permission denied")
    assert keys("reset", "alice", OTHER) == (0, "")
    assert keys("get", "alice") == (0, OTHER + "\n")


def test_what_a_killed_helper_left_is_removed(users, keys):
    stray, young, other = (f"/home/alice/.ssh/.authorized_keys.reeve-{number:016x}" for number in (1, 2, 3))
    keys("add", "alice", KEY)
    users.shell(f"for i in $(seq 3000); do : >/home/alice/.ssh/filler-$i; done; for file in {stray} {young} {stray}0; do echo part >$file; done; mkdir {other}; "
                f"touch -d '2 minutes ago' {stray} {stray}0 {other}; chown -R {ALICE} /home/alice")
    assert keys("add", "alice", KEY) == (0, "")
    assert users.shell(f"ls -d {stray}") == stray + "\n", "nothing was written"
    assert keys("add", "alice", OTHER) == (0, "")
    assert users.shell("ls -Ad /home/alice/.ssh/.a*").split() == sorted([young, other, stray + "0"])


def test_limit_that_the_user_sets_on_the_helper_is_an_error_and_leaves_nothing(users, keys, reeve_install):
    keys("add", "alice", KEY)
    helper = subprocess.Popen(users.enter([reeve_install / "libexec/reeve/reeve-keys", "add", "alice"]), stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    wait_until(lambda: status_of(helper.pid)["Seccomp"] == "2", 10, "its filter")
    users.run([*AS_ALICE, "prlimit", "--pid", str(helper.pid), "--fsize=200"])
    _, said = helper.communicate(f"ssh-rsa {'A' * 10_000}\n{END}", timeout=10)
    assert (helper.returncode, said) == (FAILED, f"failed to write to '{FILE}': File too large")
    assert users.shell(f"cat {FILE}; ls -A /home/alice/.ssh") == f"{KEY}\nauthorized_keys\n"


def test_root_s_own_link_on_the_way_is_followed(users, keys):
    users.shell("mount -t tmpfs -o mode=755 tmpfs /mnt && mkdir /mnt/real && ln -s /mnt/real /mnt/homes && "
                f"install -d -o {ALICE} /mnt/real/alice")
    assert keys("add", "rootlinked", KEY) == (0, "")
    assert users.shell("cat /mnt/real/alice/.ssh/authorized_keys") == KEY + "\n"


def test_home_may_be_roots_when_what_is_in_it_is_the_users(users, keys):
    assert keys("add", "jailed", KEY) == (FAILED, "failed to create directory '/home/jail/.ssh': Permission denied")
    users.shell(f"install -d -o {ALICE} -m 700 /home/jail/.ssh")
    assert keys("add", "jailed", KEY) == (0, "")


# What alice, or somebody worse, put there; and what the host is told.
TRAPS = {
    "home is a link": ("linked", f"ln -s /home/bob /home/alice/elsewhere; chown -h {ALICE} /home/alice/elsewhere",
                       "'elsewhere' is a symbolic link that is not root's alone"),
    "home is another's": ("foreign", "true", f"'/home/bob' belongs to user {BOB}"),
    "directory is a link": ("alice", "ln -s /home/bob/.ssh /home/alice/.ssh", "it is a symbolic link"),
    "directory is root's": ("alice", "mkdir -m 777 /home/alice/.ssh", "it belongs to user 0"),
    "directory is a file": ("alice", f"install -o {ALICE} /dev/null /home/alice/.ssh", "Not a directory"),
    "directory is a mount": ("alice", f"install -d -o {ALICE} /home/alice/.ssh; mount -t tmpfs -o uid={ALICE} tmpfs /home/alice/.ssh",
                             "it stands on another file system"),
    "file is a link to another's": ("alice", f"install -d -o {ALICE} /home/alice/.ssh; ln -s /home/bob/.ssh/authorized_keys {FILE}",
                                    "it is a symbolic link"),
    "file is a link to root's": ("alice", f"install -d -o {ALICE} /home/alice/.ssh; ln -s /etc/passwd {FILE}",
                                 "it is a symbolic link"),
    "file is another's by a second name": ("alice", f"install -d -o {ALICE} /home/alice/.ssh; ln /home/bob/.ssh/authorized_keys {FILE}",
                                           f"it belongs to user {BOB}"),
    "file is a fifo": ("alice", f"install -d -o {ALICE} /home/alice/.ssh; mkfifo {FILE}; chown {ALICE} {FILE}",
                       "it is not a regular file"),
    "file is a directory": ("alice", f"install -d -o {ALICE} /home/alice/.ssh {FILE}", "it is not a regular file"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_trap_is_refused_and_nothing_is_touched(users, keys, trap):
    user, script, text = TRAPS[trap]
    users.shell(f"install -d -o {BOB} -m 777 /home/bob/.ssh; echo 'ssh-rsa BOB' >/home/bob/.ssh/authorized_keys; "
                f"chown {BOB} /home/bob/.ssh/authorized_keys; chmod 666 /home/bob/.ssh/authorized_keys; " + script)
    before = tree_of(users, "/home", "/etc/passwd")
    for verb in ("get", "add", "reset", "remove"):
        code, said = keys(verb, user, KEY)
        assert code == FAILED and said.startswith("failed to ") and said.endswith(text), (verb, said)
    assert tree_of(users, "/home", "/etc/passwd") == before


def test_file_that_is_too_large_is_refused_but_may_be_reset(users, keys):
    keys("add", "alice", KEY)
    users.shell(f"truncate -s 1048577 {FILE}")
    for verb in ("get", "add", "remove"):
        assert keys(verb, "alice", OTHER) == (FAILED, f"failed to read '{FILE}': it is larger than 1048576 bytes")
    assert keys("reset", "alice", OTHER) == (0, "")
    assert keys("get", "alice") == (0, OTHER + "\n")


def test_full_disk_changes_nothing(users, keys):
    keys("add", "alice", KEY)
    users.shell("dd if=/dev/zero of=/home/fill bs=64k status=none 2>/dev/null || true")
    before = tree_of(users, "/home/alice")
    assert keys("add", "alice", "ssh-rsa " + "A" * 500_000) == (FAILED, f"failed to write to '{FILE}': No space left on device")
    assert [line.split()[:6] for line in tree_of(users, "/home/alice").splitlines() if "authorized" in line] == \
        [line.split()[:6] for line in before.splitlines() if "authorized" in line]
    assert users.shell("ls -A /home/alice/.ssh") == "authorized_keys\n"


def test_homeless_users(users, keys):
    missing = "/home/nowhere/.ssh"
    assert keys("add", "homeless", KEY) == (FAILED, f"failed to create directory '{missing}': No such file or directory")
    assert keys("get", "homeless")[0] == FAILED
    assert keys("add", "nohome", KEY)[0] == FAILED


def test_lease_of_the_user_makes_nobody_wait(users, keys):
    keys("add", "alice", KEY)
    script = ("import fcntl, os, signal, time; signal.signal(signal.SIGIO, signal.SIG_IGN); "
              f"fd = os.open('{FILE}', os.O_RDWR); fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK); print('held', flush=True); time.sleep(60)")
    holder = subprocess.Popen(users.enter([*AS_ALICE, "/usr/bin/python3", "-c", script]), stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert keys("get", "alice") == (FAILED, f"failed to read '{FILE}': somebody holds a lease on it")
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_by_the_time_it_reads_keys_it_is_the_user_and_can_do_nothing_else(users, reeve_install):
    helper = subprocess.Popen(users.enter([reeve_install / "libexec/reeve/reeve-keys", "add", "alice"]), stdin=subprocess.PIPE)
    try:
        wait_until(lambda: status_of(helper.pid)["Seccomp"] == "2", 10, "its filter")
        now = {key: value.split() for key, value in status_of(helper.pid).items()}
        assert (now["Uid"], now["Gid"]) == ([str(ALICE)] * 4, [str(ALICE)] * 4)
        assert sorted(map(int, now["Groups"])) == [ALICE, 78243]
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(now[name][0], 16) == 0, name
        assert (now["NoNewPrivs"], now["Seccomp"]) == (["1"], ["2"])
        # Not even the user himself looks into it.
        looked = users.run([*AS_ALICE, "ls", f"/proc/{helper.pid}/fd"])
        assert "Permission denied" in looked.stdout
        helper.communicate(f"{KEY}\n{END}".encode(), timeout=10)
        assert helper.returncode == 0
    finally:
        helper.kill()
        helper.wait()


@pytest.mark.parametrize("verb", ["add", "reset", "remove"])
@pytest.mark.parametrize("part", ["", KEY[:30], KEY + "\n"])
def test_part_of_the_keys_changes_nothing(users, keys, reeve_install, verb, part):
    keys("add", "alice", KEY, OTHER)
    before = tree_of(users, "/home/alice")
    done = users.run([reeve_install / "libexec/reeve/reeve-keys", verb, "alice"], part)
    assert (done.returncode, done.stdout) == (FAILED, "the input did not arrive whole")
    assert tree_of(users, "/home/alice") == before


def test_helper_that_is_asked_otherwise_does_nothing(users, reeve_install):
    for words in (["reeve-keys"], ["reeve-keys", "steal", "alice"], ["reeve-keys", "get", "alice", "bob"], ["reeve-passwd", "alice"],
                  ["reeve-passwd", "alice", "rot13"]):
        done = users.run([reeve_install / "libexec/reeve" / words[0], *words[1:]])
        assert (done.returncode, done.stdout) == (121, ""), words
