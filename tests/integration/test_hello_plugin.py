"""The example plugin in plain C, installed as a vendor would, answers a command through a sandboxed worker."""

import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import BUILD
from running_agent import Agent, connect

COMMAND = "__com.example_hello"


@pytest.fixture(scope="module")
def agent(reeve_install):
    if not (BUILD / "plugins/hello.so").exists():
        pytest.fail(f"no hello.so under {BUILD}: cmake --build {BUILD}")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-hello-"))
    directory.chmod(0o755)
    for name in ("state", "etc", "var"):
        (directory / name).mkdir()
    shutil.copytree(reeve_install / "lib/reeve/plugins", directory / "plugins")
    vendor = directory / "vendor"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", vendor, "--component", "examples"], check=True,
                   stdout=subprocess.DEVNULL, umask=0o022)
    for file in (vendor / "lib/reeve/plugins").iterdir():
        shutil.copy2(file, directory / "plugins")
    (directory / "etc/policy.yaml").write_text(f"schema: 1\ncommands: {{allow: [{COMMAND}]}}\n")
    agent = Agent("reeve", [
        f"{reeve_install}/sbin/reeved", "-m", "unix-listen", "-p", f"{directory}/socket", "-t", f"{directory}/state",
        "--etc-dir", f"{directory}/etc", "--var-dir", f"{directory}/var", "--plugin-dir", f"{directory}/plugins",
    ], f"{directory}/socket", f"{directory}/log")
    yield agent
    agent.stop()
    shutil.rmtree(directory)


def test_it_answers_through_a_worker_of_its_own(agent):
    with connect(agent) as client:
        assert client.call(COMMAND) == {"return": {"greeting": "hello"}}
    worker = agent.process("reeve-worker")
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{worker}/status").read_text().splitlines()
                  if ":\t" in line)
    assert status["Seccomp"] == "2" and status["CapEff"].strip("0") == "" and status["Uid"].split()[0] != "0"


def test_its_arguments_are_checked_from_its_manifest(agent):
    with connect(agent) as client:
        assert client.call(COMMAND, nobody=1)["error"]["desc"] == "Parameter 'nobody' is unexpected"


def test_guest_info_names_it(agent):
    with connect(agent) as client:
        commands = client.call("guest-info")["return"]["supported_commands"]
    assert {"name": COMMAND, "enabled": True, "success-response": True} in commands
