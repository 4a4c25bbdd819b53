"""virtnbdbackup, from Debian's package, takes a backup of the running guest, with its freeze and thaw."""

import os
import subprocess

import pytest
from guest import NAME
from test_snapshots import Writer, features_of

BACKUP_LIMIT_S = 300


def run(guest, *words):
    done = subprocess.run(words, cwd=guest.folder, env=os.environ | {"HOME": str(guest.folder)}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BACKUP_LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def writer(guest, data):
    writer = Writer(guest, data)
    yield writer
    guest.virsh("domfsthaw", NAME)
    writer.stop()


def test_a_backup_under_a_writer_is_whole(guest, writer):
    said = run(guest, "virtnbdbackup", "--uri", guest.uri, "--domain", NAME, "--level", "copy", "--include", "vdc",
               "--socketfile", guest.folder / "nbd.sock", "--scratchdir", guest.folder, "--output", guest.folder / "backup",
               "--raw")
    assert "Freezed [2] filesystems" in said and "Thawed [2] filesystems" in said
    writer.wait_until_it_writes()
    assert guest.agent("guest-fsfreeze-status") == "thawed"
    run(guest, "virtnbdrestore", "--uri", guest.uri, "--raw", "--input", guest.folder / "backup",
        "--output", guest.folder / "restored")
    # Under its old name, beside the configuration.
    image = guest.folder / "restored/data.img"
    assert "needs_recovery" not in features_of(image)
    run(guest, "e2fsck", "-fn", image)
