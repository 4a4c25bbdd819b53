"""Passwords and ssh keys, asked for directly; what a host sees through virsh is in test_virsh.py."""

import base64
import json
import os

import agent
import libvirt
import pytest

IS_REEVE = os.environ.get("AGENT", "reeve") == "reeve"
USER = "clerkson"
FILE = f"/home/{USER}/.ssh/authorized_keys"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIone clerkson@host"
OTHER = 'no-pty,command="true" ssh-rsa AAAAB3two two words'
STANDARD_POLICY = "schema: 1\n"


@pytest.fixture(scope="module")
def users(guest):
    """A guest with a user whose password nobody knows, under the policy that every guest begins with."""
    if IS_REEVE:
        agent.set_policy(guest, STANDARD_POLICY)
    guest.check(f"id {USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/sh {USER}")
    return guest


@pytest.fixture
def no_keys(users):
    users.check(f"rm -rf /home/{USER}/.ssh /root/.ssh")
    return users


def error_of(guest, command, timeout_s=60, **arguments):
    with pytest.raises(libvirt.libvirtError) as failure:
        guest.agent_raw(json.dumps({"execute": command, "arguments": arguments}), timeout_s)
    return failure.value.get_error_message()


def set_password(guest, user, password, crypted=False):
    encoded = base64.encodebytes(password.encode()).decode()  # with line ends, as Proxmox sends it
    return guest.agent("guest-set-user-password", username=user, password=encoded, crypted=crypted)


def lets_in(guest, user, password):
    """su(1), asked by somebody without rights, as login(1) would."""
    guest.write("/run/password", password)
    done = guest.run(f"chmod 644 /run/password; setpriv --reuid 65534 --regid 65534 --clear-groups su {user} -c 'id -un' </run/password")
    guest.check("rm /run/password")
    return done.out.split()[-1:] == [user]


@pytest.mark.parametrize("user", [USER, "root"])
def test_password_that_was_set_is_the_users(users, user):
    assert set_password(users, user, f"of {user}: it's \"long\" enough to take more than one line of base64, ä") == {}
    assert lets_in(users, user, f"of {user}: it's \"long\" enough to take more than one line of base64, ä")
    assert not lets_in(users, user, "of somebody else")


def test_crypted_password_is_taken_as_it_is(users):
    crypted = users.check("perl -e 'print crypt(\"sesame\", \"\\$6\\$reeve\\$\")'")
    assert set_password(users, USER, crypted, crypted=True) == {}
    assert lets_in(users, USER, "sesame")


def test_password_of_nobody_is_chpasswds_error(users):
    text = error_of(users, "guest-set-user-password", username="no-such-user", password="eA==", crypted=False)
    assert "child process has failed to set user password" in text
    if IS_REEVE:  # 7.2 keeps to itself what chpasswd said
        assert "set user password: chpasswd: (user no-such-user)" in text


@pytest.mark.parametrize("arguments, text", [
    ({"username": "a:b", "password": "eA=="}, "forbidden characters in username"),
    ({"username": USER, "password": base64.b64encode(b"a\nroot:b").decode()}, "forbidden characters in raw password"),
])
def test_what_would_be_another_line_is_refused(users, arguments, text):
    assert text in error_of(users, "guest-set-user-password", crypted=False, **arguments)


@pytest.mark.reeve
def test_password_leaves_no_trace_but_its_hash(users):
    secret = "unforgettable-4711"
    set_password(users, USER, secret)
    encoded = base64.b64encode(secret.encode()).decode()
    # The shell's own script is where the needle is, and the guest's disk cache is nobody's log.
    found = users.run(f"journalctl --no-pager | grep -F -e {secret} -e {encoded}; grep -rlF -e {secret} -e {encoded} /var/log /etc /run/reeve 2>/dev/null")
    assert found.out == ""
    assert users.run("find /var/lib/systemd/coredump /core* -type f 2>/dev/null").out == ""


def test_keys_come_go_and_are_listed(no_keys):
    guest = no_keys
    missing = error_of(guest, "guest-ssh-get-authorized-keys", username=USER)
    assert f"failed to read '{FILE}': " in missing and "No such file or directory" in missing
    assert guest.agent("guest-ssh-remove-authorized-keys", username=USER, keys=[KEY]) == {}
    assert guest.agent("guest-ssh-add-authorized-keys", username=USER, keys=[KEY, OTHER]) == {}
    assert guest.agent("guest-ssh-add-authorized-keys", username=USER, keys=[OTHER]) == {}
    assert guest.agent("guest-ssh-get-authorized-keys", username=USER) == {"keys": [OTHER, KEY]}
    assert guest.check(f"stat -c '%a %U %G' /home/{USER}/.ssh {FILE}").splitlines() == [f"700 {USER} {USER}", f"600 {USER} {USER}"]
    assert guest.agent("guest-ssh-remove-authorized-keys", username=USER, keys=[KEY]) == {}
    assert guest.agent("guest-ssh-get-authorized-keys", username=USER) == {"keys": [OTHER]}
    assert guest.agent("guest-ssh-add-authorized-keys", username=USER, keys=[KEY], reset=True) == {}
    assert guest.check(f"cat {FILE}") == KEY


def test_unknown_user_and_bad_key_are_qemu_gas_errors(no_keys):
    assert "failed to lookup user 'no-such-user': " in error_of(no_keys, "guest-ssh-get-authorized-keys", username="no-such-user")
    assert "invalid OpenSSH public key: '# x'" in error_of(no_keys, "guest-ssh-add-authorized-keys", username=USER, keys=["# x"])


@pytest.mark.reeve
def test_link_of_a_user_leads_nowhere(no_keys):
    guest = no_keys
    guest.check(f"install -d -m 700 /root/.ssh && echo 'ssh-rsa ROOT' >/root/.ssh/authorized_keys && ln -s /root/.ssh /home/{USER}/.ssh")
    for command in ("add", "remove"):
        text = error_of(guest, f"guest-ssh-{command}-authorized-keys", username=USER, keys=["ssh-rsa ROOT"])
        assert f"failed to open directory '/home/{USER}/.ssh': it is a symbolic link" in text
    assert guest.check("cat /root/.ssh/authorized_keys") == "ssh-rsa ROOT"


@pytest.mark.reeve
def test_keys_of_root_are_not_the_hosts_until_policy_says_so(no_keys):
    guest = no_keys
    for command, arguments in (("get", {}), ("add", {"keys": [KEY]}), ("remove", {"keys": [KEY]})):
        assert "policy rule" in error_of(guest, f"guest-ssh-{command}-authorized-keys", username="root", **arguments)
    assert guest.run("ls -A /root/.ssh").out == ""
    agent.set_policy(guest, agent.OPEN_POLICY)
    try:
        assert guest.agent("guest-ssh-add-authorized-keys", username="root", keys=[KEY]) == {}
        assert guest.check("cat /root/.ssh/authorized_keys") == KEY
    finally:
        agent.set_policy(guest, STANDARD_POLICY)


@pytest.mark.reeve
def test_home_that_does_not_answer_holds_up_nobody(no_keys):
    """A file system of the user's own that never answers: the helper cannot even be killed."""
    guest = no_keys
    guest.check("useradd --create-home --shell /bin/sh stuck 2>/dev/null || true; truncate -s 16M /run/home.img && "
                "mkfs.ext4 -q /run/home.img && mount -o loop /run/home.img /home/stuck && chown stuck: /home/stuck && "
                "fsfreeze -f /home/stuck")
    try:
        text = error_of(guest, "guest-ssh-add-authorized-keys", username="stuck", keys=[KEY])
        # The worker itself goes on: it said in time that it gave the helper up.
        assert text.endswith("guest-ssh-add-authorized-keys did not finish within its deadline of 20000 ms"), text
        assert "has not ended" in error_of(guest, "guest-ssh-add-authorized-keys", username="stuck", keys=[KEY])
        assert guest.agent("guest-ssh-add-authorized-keys", username=USER, keys=[KEY]) == {}
    finally:
        guest.check("fsfreeze -u /home/stuck; sleep 1; umount /home/stuck")
