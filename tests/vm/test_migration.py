"""docs/migration.md, what it has for a guest, as it is printed: from one whose administrator had set up qemu-ga, there and back."""

import re
import shlex

import libvirt
import pytest
from conftest import ROOT, find_package

pytestmark = pytest.mark.reeve

PAGE = (ROOT / "docs/migration.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M))
DEBIAN = SECTIONS["Debian"]
INTRODUCTION = PAGE[:PAGE.index("## Debian")]

PORT = "/dev/virtio-ports/org.qemu.guest_agent.0"
LOG = "/var/log/my-agent.log"
# What the page's table says keeps working, all at once: channel, lists on the command line and in the file, hook, log.
DROP_IN = f"""[Service]
ExecStart=
ExecStart=/usr/sbin/qemu-ga -m virtio-serial -p {PORT} -b guest-get-users -F -l {LOG} -v -t /run
"""
CONFIGURATION = "[general]\nblock-rpcs=guest-get-timezone\n"
HOOK = "#!/bin/sh\necho \"$1\" >>/tmp/my-hook\n"
FOLDER = "/etc/systemd/system/qemu-guest-agent.service.d"


def commands(text):
    """Blocks of lines that the page shows indented: [[line, ...], ...], without the remarks behind them."""
    text = re.sub(r"^```\w+\n.*?^```$", "", text, flags=re.S | re.M)
    blocks = re.findall(r"(?:^    \S.*\n)+", text, re.M)
    return [[line.split("  #")[0].strip() for line in block.splitlines()] for block in blocks]


THERE, BACK = commands(DEBIAN)
ASKING, RESTARTING = commands(INTRODUCTION)


def as_printed(guest, lines, timeout_s=240):
    """A person at a terminal in the package's folder, who says yes to what apt asks."""
    said = ""
    for line in lines:
        said += guest.check(f"cd /root && yes | {line} 2>&1", timeout_s=timeout_s) + "\n"
    return said


@pytest.fixture(scope="module")
def debians(guest):
    """Debian's agent, as an administrator had set it up."""
    if guest.run("dpkg-query -W -f '${db:Status-Status}' qemu-guest-agent").out != "installed":
        as_printed(guest, BACK)
    guest.check(f"dpkg --purge reeve 2>&1; mkdir -p {FOLDER} /etc/qemu/fsfreeze-hook.d; rm -f /tmp/my-hook {LOG}")
    guest.write(f"{FOLDER}/mine.conf", DROP_IN)
    guest.write("/etc/qemu/qemu-ga.conf", CONFIGURATION)
    guest.write("/etc/qemu/fsfreeze-hook.d/mine", HOOK)
    guest.check("chmod 755 /etc/qemu/fsfreeze-hook.d/mine; systemctl daemon-reload; systemctl restart qemu-guest-agent.service")
    guest.wait_for_agent()
    yield guest
    guest.check(f"rm -r {FOLDER} /etc/qemu/qemu-ga.conf /etc/qemu/fsfreeze-hook.d/mine; systemctl daemon-reload; "
                "systemctl restart qemu-guest-agent.service")
    guest.wait_for_agent()


def refusal_of(guest, command, **arguments):
    """What the host is told, empty when it is served."""
    try:
        guest.agent(command, **arguments)
        return ""
    except libvirt.libvirtError as error:
        return str(error)


def assert_settings_hold(guest):
    for command in ("guest-get-users", "guest-get-timezone"):
        assert "has been disabled" in refusal_of(guest, command)
    guest.check(f"rm -f /tmp/my-hook; : >{LOG}")
    assert guest.agent("guest-fsfreeze-freeze", timeout_s=60) >= 1
    assert guest.agent("guest-fsfreeze-thaw", timeout_s=60) >= 1
    assert guest.check("cat /tmp/my-hook").split() == ["freeze", "thaw"]
    assert guest.agent("guest-get-host-name") == {"host-name": "reeve-guest"}
    assert guest.run(f"test -s {LOG}").status == 0


@pytest.fixture(scope="module")
def migrated(debians):
    """What apt said is in `said`."""
    assert_settings_hold(debians)  # of qemu-ga itself: the tests below ask the same
    name = re.fullmatch(r"apt install \./(\S+)", THERE[0])[1]
    assert name == find_package().name, "the page names another package than the one that is built"
    debians.check(f"cp /payload/reeve.deb /root/{name}")
    debians.said = as_printed(debians, THERE)
    debians.wait_for_agent()
    return debians


def test_the_page_has_the_lines_that_this_file_runs():
    assert [len(block) for block in (THERE, BACK, ASKING, RESTARTING)] == [1, 2, 2, 1]
    assert all(line.startswith("reevectl policy ") for line in ASKING)


def test_installing_takes_the_place_of_the_agent(migrated):
    assert migrated.run("dpkg-query -W -f '${db:Status-Status}' qemu-guest-agent").out != "installed", migrated.said
    assert migrated.check("systemctl is-active reeved.service qemu-guest-agent.service").split() == ["active", "active"]
    assert migrated.check("systemctl show --property=Id --value qemu-guest-agent.service") == "reeved.service"
    assert migrated.check("cat /etc/qemu/qemu-ga.conf") == CONFIGURATION.strip()
    assert migrated.run("test -x /etc/qemu/fsfreeze-hook").status == 0


def test_what_was_set_up_for_qemu_ga_keeps_working(migrated):
    command_line = migrated.check("tr '\\0' ' ' </proc/$(systemctl show --property=MainPID --value reeved.service)/cmdline")
    assert command_line.startswith(f"/usr/sbin/qemu-ga -m virtio-serial -p {PORT} ")
    assert_settings_hold(migrated)


def test_the_questions_before_a_restart_are_answered(migrated):
    for line in ASKING:
        done = migrated.run(line)
        assert done.status in (0, 1) and done.out, (line, done)
    assert "The policy is good." in migrated.check(ASKING[0])


def policies(text):
    """(policy, [(the printed question, what it says)])"""
    for policy, questions in re.findall(r"^```yaml\n(.*?)^```\n+```console\n(.*?)^```$", text, re.S | re.M):
        lines = questions.splitlines()
        yield policy, [(asked.removeprefix("$ "), said) for asked, said in zip(lines[::2], lines[1::2], strict=True)]


STANDARD, *OTHERS = policies(DEBIAN)
KUBEVIRT, = policies(SECTIONS["KubeVirt"])
POLICIES = {"standard": STANDARD, "open": OTHERS[0], "named": OTHERS[1], "kubevirt": KUBEVIRT}
# Whose ssh keys these are the page says too.
GIVE_KEYS_OF_ROOT = {"open", "kubevirt"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIone root@host"


def ask_as_host(guest, words):
    """The same question as a request of the host's: what it is told, empty when it is served. None where nobody may try."""
    command, *words = words
    if command == "guest-exec":
        return refusal_of(guest, command, path=words[0], arg=words[1:])
    if command == "guest-file-open":
        return refusal_of(guest, command, path=words[0], mode=words[1])
    return None


def put_in_force(guest, policy):
    guest.write("/etc/reeve/policy.yaml", policy)
    as_printed(guest, RESTARTING)
    guest.wait_for_agent()


@pytest.mark.parametrize("name", POLICIES)
def test_its_policies_decide_as_printed(migrated, name):
    policy, questions = POLICIES[name]
    migrated.check("rm -rf /root/.ssh; mkdir -p /srv/drop && printf '#!/bin/sh\\n' >/usr/local/bin/is-ready && chmod 755 /usr/local/bin/is-ready")
    put_in_force(migrated, policy)
    tried = 0
    for line, said in questions:
        assert migrated.run(line).out.split(maxsplit=1)[0] == said, line
        told = ask_as_host(migrated, shlex.split(line)[3:])
        if told is not None:
            tried += 1
            assert (told == "") == (said == "ALLOWED"), (line, told)
            assert said == "ALLOWED" or "polic" in told
    assert tried >= 2

    told = refusal_of(migrated, "guest-ssh-add-authorized-keys", username="root", keys=[KEY])
    if name in GIVE_KEYS_OF_ROOT:
        assert told == "" and migrated.check("cat /root/.ssh/authorized_keys") == KEY
    else:
        assert "policy rule" in told and migrated.run("ls -A /root/.ssh").out == ""


def test_the_way_back_leads_to_debians_agent_as_it_was_set_up(migrated):
    as_printed(migrated, BACK)
    migrated.wait_for_agent()
    assert migrated.agent("guest-info")["version"].startswith("7.2")
    assert_settings_hold(migrated)
