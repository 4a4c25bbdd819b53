"""What Reeve says that is installed and runs, beside what the guest's own programs say."""

import agent
import pytest

pytestmark = pytest.mark.reeve


@pytest.fixture(autouse=True, scope="module")
def standard_policy(guest):
    if guest.run("test -e /etc/reeve/policy.yaml").status == 0:
        agent.set_policy(guest, "schema: 1\nprofile: standard\n")


def test_services_are_those_that_systemd_has_loaded(guest):
    shown = guest.check("systemctl list-units --type=service --all --plain --no-legend --no-pager --full")
    services = guest.agent("inventory-services", timeout_s=60)["services"]
    assert [service["name"] for service in services] == sorted(line.split()[0] for line in shown.splitlines())
    by_name = {service["name"]: service for service in services}
    own = by_name["reeved.service"]
    assert (own["load"], own["active"], own["sub"]) == ("loaded", "active", "running")
    assert own["enabled"] == guest.run("systemctl is-enabled reeved.service").out.strip()


def test_packages_are_dpkgs(guest):
    packages = guest.agent("inventory-packages", timeout_s=60, limit=5000)
    shown = guest.check("dpkg-query -W -f '${db:Status-Status} ${Package}\\n'").splitlines()
    assert sorted(row["name"] for row in packages["packages"]) == sorted(line.split()[1] for line in shown if line.startswith("installed "))
