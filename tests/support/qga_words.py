"""Command lines of qemu-ga and of reeved under that name, run to their end."""

import os
import pathlib
import subprocess

from running_agent import QEMU_GA

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "QGA_CONF": "/nonexistent"}


def under_its_name(install, directory):
    """A path that ends in qemu-ga and is reeved."""
    path = pathlib.Path(directory) / "qemu-ga"
    path.symlink_to(f"{install}/sbin/reeved")
    return str(path)


def run_words(program, *words, environment=None, **popen):
    """What ended: returncode, stdout, stderr. `words` must end by themselves: -D, -h, -V, help, or a mistake."""
    return subprocess.run(["qemu-ga", *words], executable=program, capture_output=True, text=True, timeout=60, cwd="/",
                          env={**ENVIRONMENT, **(environment or {})}, **popen)


def has_oracle():
    return os.access(QEMU_GA, os.X_OK)
