"""The example plugins, built against the package reeve-dev alone, installed into a real guest as a vendor's would be."""

import pathlib
import re

import agent
import pytest

pytestmark = pytest.mark.reeve

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = "/usr/lib/reeve/plugins"
HELLO, GET, UPTIME = "__com.example_hello", "__com.example_motd-get", "__com.example_motd-uptime"


@pytest.fixture(scope="module")
def vendors_guest(guest):
    """Under the policy that the example's README gives, with a line for the other example."""
    guest.check(f"install -m 0644 /payload/hello.* /payload/motd.* {PLUGINS}")
    text = (ROOT / "examples/motd-plugin/README.md").read_text()
    policy = re.search(r"```yaml\n(.*?)```", text, re.S).group(1)
    agent.set_policy(guest, policy.replace(GET + ",", f"{GET}, {HELLO},"))
    yield guest
    guest.check(f"rm {PLUGINS}/hello.* {PLUGINS}/motd.*")
    agent.set_policy(guest, agent.OPEN_POLICY)


def test_the_plugin_in_c_answers(vendors_guest):
    assert vendors_guest.agent(HELLO) == {"greeting": "hello"}


def test_the_plugin_in_cpp_is_given_a_file(vendors_guest):
    vendors_guest.write("/etc/motd", "a fine day")
    assert vendors_guest.agent(GET) == {"text": "a fine day\n", "is-whole": True}


def test_the_plugin_in_cpp_runs_a_program(vendors_guest):
    answer = vendors_guest.agent(UPTIME, is_pretty=True)
    assert answer["exit-code"] == 0 and answer["output"].startswith("up ")


def test_each_has_a_confined_process_of_its_own(vendors_guest):
    for name in ("hello", "motd"):
        vendors_guest.agent(HELLO if name == "hello" else GET)
        status = vendors_guest.check(f"grep -E '^(Uid|CapEff|Seccomp):' /proc/$(pgrep -f '^reeve-worker {name}')/status")
        assert "Seccomp:\t2" in status and "CapEff:\t0000000000000000" in status and "Uid:\t0\t" not in status
