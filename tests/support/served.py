"""Which commands the tree's plugins serve, by their manifests: tests of a command wait until there is one."""

import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
OF_THE_CORE = {"guest-sync", "guest-sync-delimited", "guest-ping", "guest-info"}


def served_commands():
    manifests = (ROOT / "plugins").glob("*/*.plugin.yaml")
    return OF_THE_CORE.union(*(yaml.safe_load(path.read_text())["commands"] for path in manifests))


def unserved(*commands):
    """Those of the commands that no plugin serves yet, as a reason to skip; empty when all are served."""
    missing = sorted(set(commands) - served_commands())
    return f"no plugin serves {', '.join(missing)} yet" if missing else ""
