"""What all integration tests stand on: Reeve installed into a prefix of this run.

REEVE_BUILD_DIR is the build tree (default build/release); REEVE_PREFIX, if set, an installation that is there already.
Needs root: Reeve changes to other users and confines itself."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REEVE_BUILD_DIR", ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tests/support"))

from sdk import Sdk  # noqa: E402


@pytest.fixture(scope="session")
def reeve_install():
    """Reeve starts nothing that somebody else than root could have written, so it runs from no checkout."""
    if os.geteuid() != 0:
        pytest.skip("Reeve's warden needs root")
    if "REEVE_PREFIX" in os.environ:
        yield pathlib.Path(os.environ["REEVE_PREFIX"])
        return
    if not (BUILD / "bin/reeved").exists():
        pytest.fail(f"no reeved under {BUILD}: cmake --build {BUILD} --target reeve_product")
    prefix = pathlib.Path(tempfile.mkdtemp(prefix="reeve-install-"))
    prefix.chmod(0o755)
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL, umask=0o022)
    yield prefix
    shutil.rmtree(prefix)


@pytest.fixture(scope="session")
def sdk(tmp_path_factory):
    """What the package reeve-dev unpacks to."""
    if not (BUILD / "bin/reeve-manifest").exists():
        pytest.fail(f"no reeve-manifest under {BUILD}: cmake --build {BUILD} --target reeve_product")
    return Sdk(BUILD, tmp_path_factory.mktemp("sdk"))


def pytest_configure(config):
    config.addinivalue_line("markers", "reeve_only: what qemu-ga does otherwise, or not at all; the test says why")


def pytest_collection_modifyitems(config, items):
    """What only Reeve does is not asked of qemu-ga: such a test takes the fixture `reeve`, or is marked reeve_only."""
    def is_for_nobody(item):
        asks = getattr(item, "callspec", None)
        only_reeve = "reeve" in item.fixturenames or item.get_closest_marker("reeve_only")
        return asks is not None and "qemu-ga" in asks.params.values() and only_reeve

    left_out = [item for item in items if is_for_nobody(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
