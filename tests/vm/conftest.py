"""One guest for all VM tests of a session.

AGENT=reeve (the default) takes REEVE_DEB or the package under REEVE_BUILD_DIR and installs it in place of qemu-ga.
AGENT=qemu-ga leaves Debian's agent in place: what fails then is the test's own mistake.
REEVE_VM_ACCEL=kvm uses KVM. REEVE_VM_KEEP=1 keeps the folder with the logs."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import agent
import guest as guests
import many_disks as guests_of_many_disks

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REEVE_BUILD_DIR", ROOT / "build/release"))
AGENT = os.environ.get("AGENT", "reeve")

sys.path.insert(0, str(ROOT / "tests/support"))
import sdk as sdks  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "reeve: asks for more than qemu-ga 7.2 can do")


# What the others would notice comes late: new hardware, sleep. What takes Reeve off the guest, and back, comes last.
LATE = ["test_hardware.py", "test_power.py", "test_package.py", "test_migration.py"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LATE.index(item.path.name) + 1 if item.path.name in LATE else 0)
    for item in items:
        if AGENT != "reeve" and item.get_closest_marker("reeve"):
            item.add_marker(pytest.mark.skip(reason=f"{AGENT} stands in for Reeve and cannot do this"))


def find_package():
    if "REEVE_DEB" in os.environ:
        return pathlib.Path(os.environ["REEVE_DEB"])
    found = sorted(BUILD.glob("reeve_*_amd64.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        pytest.exit(f"no package under {BUILD}: cmake --build {BUILD} --target package", returncode=2)
    return found[-1]


def change_build_id(build, tree):
    """Makes the programs of a package another build: they refuse to talk to those that run."""
    source = next(build.glob("**/build_id.cc")).read_text()
    build_id = bytes(int(word, 16) for word in re.findall(r"0x([0-9a-f]{2}), ", source))
    changed = 0
    for path in [*tree.glob("usr/sbin/*"), *tree.glob("usr/libexec/reeve/*")]:
        content = path.read_bytes()
        if not path.is_symlink() and build_id in content:
            path.write_bytes(content.replace(build_id, bytes(byte ^ 0xFF for byte in build_id)))
            changed += 1
    assert changed >= 3, "warden, core and worker carry the build id"


def make_next_version(package, folder):
    """A package of a higher version and another build, as an upgrade would bring it."""
    tree = folder / "next"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+next", control.read_text(), flags=re.MULTILINE))
    change_build_id(package.parent, tree)
    subprocess.run(["sh", "-c", "find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | xargs -0 md5sum >DEBIAN/md5sums"],
                   cwd=tree, check=True)
    path = folder / "reeve-next.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, path], check=True, stdout=subprocess.DEVNULL)
    return path


def build_vendors_plugins(folder):
    """{name: path} of the examples, as the package reeve-dev and nothing else of the tree makes them."""
    sdk = sdks.Sdk(BUILD, folder)
    made = {}
    for name in ("hello", "motd"):
        built = sdk.build(sdks.copy_of(ROOT / f"examples/{name}-plugin", folder))
        made.update({file: built / file for file in (f"{name}.so", f"{name}.plugin.yaml")})
    return made


def make_payload(folder):
    probe = folder / "reeve-probe"
    subprocess.run(["cc", "-O2", "-static", "-o", probe, guests.HERE / "guest/reeve_probe.c"], check=True)
    confinement_probe = folder / "confinement-probe"
    subprocess.run(["cc", "-O2", "-static", "-o", confinement_probe, ROOT / "tests/support/confinement_probe.c"], check=True)
    payload = {"reeve-probe": probe, "confinement-probe": confinement_probe}
    for program in (BUILD / "tests/sandbox_attack_test", BUILD / "bin/sandbox_attacker"):
        payload[program.name] = program
    if AGENT == "reeve":
        package = find_package()
        payload.update({"reeve.deb": package, "reeve-next.deb": make_next_version(package, folder)})
        payload.update(build_vendors_plugins(folder))
    return payload


@pytest.fixture(scope="session")
def booted_guest(tmp_path_factory):
    """A guest as Debian makes it, in which qemu-ga answers."""
    guest = guests.Guest(make_payload(tmp_path_factory.mktemp("payload")))
    try:
        guest.start()
        guest.wait_for_agent()
        yield guest
    finally:
        guest.stop()


@pytest.fixture(scope="session")
def installation(booted_guest):
    """What apt said while it put Reeve in qemu-ga's place; empty with AGENT=qemu-ga."""
    if AGENT != "reeve":
        return ""
    said = booted_guest.check("apt-get install -y /payload/reeve.deb 2>&1", timeout_s=180)
    booted_guest.wait_for_agent()
    return said


@pytest.fixture(scope="session")
def guest(booted_guest, installation):
    return booted_guest


def ask_of_disks(guest):
    told = {command: guest.agent(command) for command in ("guest-get-disks", "guest-get-fsinfo")}
    # Mount point, name, type, and the domain's disks where libvirt finds any.
    rows = [line.split() for line in guest.on_host("domfsinfo").splitlines() if line.strip()]
    return told | {"domfsinfo": {row[0]: set(row[3].split(",")) if len(row) > 3 else set() for row in rows}}


@pytest.fixture(scope="session")
def many_disks(tmp_path_factory):
    """A guest of many disks, in `told` what qemu-ga, Reeve and lsblk say of them: {who: {command: value}}."""
    payload = {}
    if AGENT == "reeve":
        package = find_package()
        payload = {"reeve.deb": package, "reeve-next.deb": make_next_version(package, tmp_path_factory.mktemp("disks"))}
    guest = guests_of_many_disks.GuestOfManyDisks(payload)
    try:
        guest.start()
        guest.wait_for_agent()
        guest.check(guests_of_many_disks.MAKE_VOLUMES, timeout_s=240)
        guest.told = {"qemu-ga": ask_of_disks(guest)}
        if AGENT == "reeve":
            guest.check("apt-get install -y /payload/reeve.deb 2>&1", timeout_s=180)
            guest.wait_for_agent()
            guest.told["reeve"] = ask_of_disks(guest)
        guest.told["lsblk"] = json.loads(guest.check(
            "lsblk --json --bytes --tree --output NAME,KNAME,TYPE,SERIAL,MOUNTPOINTS"))
        yield guest
    finally:
        guest.stop()


@pytest.fixture
def data(guest):
    """The mount point of the data disk's file system."""
    guest.check("mountpoint -q /data || { mkdir -p /data && mount LABEL=data /data; }")
    return "/data"


@pytest.fixture(autouse=True)
def show_guest_on_failure(request, booted_guest):
    """Leaves the agent's last words in the report of a test that failed."""
    yield
    if request.session.testsfailed > getattr(request.session, "shown_failures", 0):
        request.session.shown_failures = request.session.testsfailed
        print(booted_guest.run("journalctl -u reeved -u qemu-guest-agent -n 60 --no-pager").out)


@pytest.fixture(scope="module")
def open_guest(guest):
    """A guest whose agent may do everything, as qemu-ga always may."""
    if AGENT == "reeve":
        agent.set_policy(guest, agent.OPEN_POLICY)
    return guest
