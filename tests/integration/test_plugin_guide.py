"""docs/plugin-guide.md is true: its files are built by its commands, its requests get its replies, its snippets compile."""

import json
import os
import re
import shutil

import pytest

from conftest import ROOT
from running_reeve import reeve_in_directory
from sdk import COMPILERS

GUIDE = (ROOT / "docs/plugin-guide.md").read_text()
# What stands around a snippet that is part of a class.
AROUND = """#include <unistd.h>
#include <map>
#include <thread>
#include "reeve/plugin.hpp"
class Snippet : public reeve::plugin::Plugin {{
 public:
  using Plugin::Plugin;
{}
}};
"""


def blocks(language):
    """[(name of the file or None, text)] of the blocks in that language."""
    pattern = rf"(?:^`([\w.]+)`:\n\n)?^```{language}\n(.*?)^```$"
    return [(found[1], found[2]) for found in re.finditer(pattern, GUIDE, re.S | re.M)]


@pytest.fixture(scope="module")
def folder(sdk, tmp_path_factory):
    """Where somebody has done what the page says, as far as the build."""
    folder = tmp_path_factory.mktemp("clock")
    for language in ("yaml", "cpp", "cmake"):
        for name, text in blocks(language):
            if name:
                (folder / name).write_text(text)
    for _, script in blocks("sh"):
        sdk.run("sh", "-euxc", script, cwd=folder)
    return folder


def test_its_files_are_the_plugin(folder):
    assert {"clock.plugin.yaml", "clock.cc", "CMakeLists.txt", "policy.yaml"} <= set(os.listdir(folder))
    assert (folder / "build/clock.so").exists()


def test_its_requests_get_its_replies(folder, reeve_install):
    ((_, conversation),) = blocks("json")
    lines = [json.loads(line) for line in conversation.splitlines()]
    with reeve_in_directory(reeve_install) as reeve:
        plugins = reeve.directory / "plugins"
        shutil.copytree(reeve_install / "lib/reeve/plugins", plugins)
        for name in ("clock.so", "clock.plugin.yaml"):
            shutil.copy2(folder / "build" / name, plugins)
        reeve.write_policy((folder / "policy.yaml").read_text())
        reeve.start("--plugin-dir", str(plugins))
        for request, reply in zip(lines[::2], lines[1::2], strict=True):
            assert reeve.call(request["execute"], **request["arguments"]) == reply


@pytest.mark.parametrize("compiler", sorted(COMPILERS))
def test_its_snippets_compile(sdk, tmp_path, compiler):
    snippets = [text for name, text in blocks("cpp") if name is None]
    assert len(snippets) >= 6
    for number, text in enumerate(snippets):
        source = tmp_path / f"{number}.cc"
        source.write_text(AROUND.format(text))
        sdk.run(COMPILERS[compiler]["CXX"], "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                f"-I{sdk.include}", source)
