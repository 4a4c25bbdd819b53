"""The manual pages name the same things as the programs and parsers do: each option, each key, each word, in both directions."""

import gzip
import os
import re
import subprocess

import pytest

from conftest import ROOT

PAGES = ["man1/reevectl.1", "man8/reeved.8", "man5/reeve.yaml.5", "man5/reeve-policy.5"]
SETTINGS = [ROOT / "agent/config/settings.cc"]
POLICY = sorted((ROOT / "policy").glob("parse*.cc"))
# Written in a test of parsing, or for qemu-ga's sake: no page lists them.
UNLISTED_OPTIONS = {"--blacklist"}

WORDS = r'(?:\s*"[a-z0-9-]+"\s*,?)'
SCHEMA = re.compile(r"\{\s*\{(%s+)\},?\s*\{(%s*)\}" % (WORDS, WORDS))


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def options_of_page(markdown):
    """The options that have an item of their own."""
    items = re.findall(r"^(\*\*-.*)\n:", markdown, re.MULTILINE)
    return set(re.findall(r"\*\*(--?[a-zA-Z-]+)\*\*", "\n".join(items)))


def keys_of(sources):
    """What SchemaReader is told to know, and what it is told to refuse as later."""
    known, later = set(), set()
    for source in sources:
        for match in SCHEMA.finditer(source.read_text()):
            known |= set(re.findall(r'"([^"]+)"', match[1]))
            later |= set(re.findall(r'"([^"]+)"', match[2]))
    return known, later


def words_of(markdown):
    """What stands as code, and the keys of examples."""
    blocks = re.findall(r"```yaml\n(.*?)```", markdown, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL))
    code = "\n".join(blocks + inline)
    return set(re.findall(r"[+]?[a-z][a-z0-9-]*", code))


def keys_of_tables(markdown):
    """First columns of the tables of keys."""
    keys = set()
    for table in re.findall(r"^\| key \|.*?\n(?=\n|\Z)", markdown, re.MULTILINE | re.DOTALL):
        for row in table.splitlines()[2:]:
            keys |= set(re.findall(r"`([^`]+)`", row.split("|")[1]))
    return keys


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole_and_fits_a_terminal(reeve_install, page):
    text = gzip.decompress((reeve_install / f"share/man/{page}.gz").read_bytes()).decode()
    for section in ("NAME", "SEE ALSO"):
        assert f".SH\n{section}\n" in text.upper()
    shown = subprocess.run(["man", "--warnings", "-l", "-"], input=text, capture_output=True, text=True, check=True,
                           env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
    # A narrow column whose words cannot be spread or broken is no mistake.
    harmless = ("cannot adjust line", "can't break line")
    assert [line for line in shown.stderr.splitlines() if not line.endswith(harmless)] == []
    # Examples are as long as they are.
    assert not [line for line in shown.stdout.splitlines() if len(line) > 100]


def test_reeved_and_its_page_have_the_same_options(reeve_install):
    usage = subprocess.run([reeve_install / "sbin/reeved", "--help"], capture_output=True, text=True, check=True).stdout
    page = options_of_page((ROOT / "agent/start/reeved.8.md").read_text())
    long = {option for option in page if option.startswith("--")}
    assert long == long_options(usage) - UNLISTED_OPTIONS
    letters = set(re.findall(r"(?<![\w-])-[a-zA-Z](?=, --)", usage))
    assert {option for option in page if not option.startswith("--")} == letters


def test_reevectl_and_its_page_have_the_same_options(reeve_install):
    usage = ""
    for subcommand in ([], ["status"], ["policy", "check"], ["policy", "explain"]):
        usage += subprocess.run([reeve_install / "bin/reevectl", *subcommand, "--help"], capture_output=True, text=True,
                                check=True).stdout
    page = options_of_page((ROOT / "tools/reevectl/reevectl.1.md").read_text())
    assert {option for option in page if option.startswith("--")} == long_options(usage)
    assert {option for option in page if not option.startswith("--")} == set(re.findall(r"(?<![\w-])-[a-zA-Z](?=,--)", usage))


@pytest.mark.parametrize("page, sources", [("agent/config/reeve.yaml.5.md", SETTINGS), ("policy/REFERENCE.md", POLICY)],
                         ids=["reeve.yaml", "policy"])
def test_a_language_and_its_page_have_the_same_keys(page, sources):
    markdown = (ROOT / page).read_text()
    known, later = keys_of(sources)
    assert len(known) > 5, "the parsers say their keys in another way now: teach this test"
    assert known - words_of(markdown) == set(), "keys that the page does not name"
    assert keys_of_tables(markdown) - known == set(), "keys of the page that no parser knows"
    # A word may be refused in one map and known in another.
    assert (later - known) & keys_of_tables(markdown) == set(), "keys of the page that the parser refuses"
