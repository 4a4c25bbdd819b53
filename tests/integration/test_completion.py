"""The completions of bash, zsh and fish offer what --help names, all of it and nothing else."""

import os
import re
import shutil
import subprocess

import pytest

SHARE = {"bash": "share/bash-completion/completions/reevectl", "zsh": "share/zsh/vendor-completions/_reevectl",
         "fish": "share/fish/vendor_completions.d/reevectl.fish"}


def help_of(install, path):
    return subprocess.run([f"{install}/bin/reevectl", *path, "--help"], capture_output=True, text=True, timeout=10).stdout


def section(text, title):
    found = re.search(rf"^{title}:\n((?:  .*\n)*)", text, re.M)
    return found.group(1) if found else ""


def options(install, path):
    """`  -h,--help   Print ...` names two."""
    lines = section(help_of(install, path), "Options").splitlines()
    return {name for line in lines if line.startswith("  -") for name in line.split()[0].split(",")}


def commands(install, path):
    return set(re.findall(r"^  ([a-z][a-z-]*)", section(help_of(install, path), "Subcommands"), re.M))


def paths(install, path=()):
    yield path
    for command in sorted(commands(install, path)):
        yield from paths(install, (*path, command))


def in_bash(install, words):
    script = (f'source {install}/{SHARE["bash"]}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _reevectl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return ["bash", "--norc", "-c", script, "bash", *words]


def in_zsh(install, words):
    # compadd is what a completion ends in; `words` and CURRENT are what it is given.
    script = (f'compadd() {{ [[ $1 == -- ]] && shift; local w; for w in "$@"; do [[ $w == ${{words[CURRENT]}}* ]] && '
              f'print -r -- $w; done }}; _files() {{ print -l -- * }}; words=("$@"); CURRENT=$#; '
              f'source {install}/{SHARE["zsh"]}')
    return ["zsh", "-f", "-c", script, "zsh", *words]


def in_fish(install, words):
    line = " ".join(words)
    return ["fish", "--no-config", "-c", f"source {install}/{SHARE['fish']}; complete -C '{line}'"]


ASKED_IN = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.fixture(params=sorted(ASKED_IN))
def offered(request, reeve_install, tmp_path):
    """offered(*words): what this shell offers for the last of the words."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    (tmp_path / "some-file").touch()
    environment = {**os.environ, "PATH": f"{reeve_install}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def ask(*words):
        done = subprocess.run(ASKED_IN[request.param](reeve_install, ["reevectl", *words]), capture_output=True, text=True,
                              cwd=tmp_path, env=environment, timeout=30)
        assert done.stderr == ""
        return {line.split("\t")[0] for line in done.stdout.splitlines() if line}

    return ask


def test_offers_every_subcommand_and_option_of_the_help(reeve_install, offered):
    known = list(paths(reeve_install))
    assert ("status",) in known and ("policy", "check") in known
    for path in known:
        assert offered(*path, "") == commands(reeve_install, path), path
        assert offered(*path, "-") == options(reeve_install, path) | options(reeve_install, ()), path


def test_offers_what_begins_as_what_stands_there(offered):
    assert offered("st") == {"status"}
    assert "--socket" in offered("status", "--so") and "--run-dir" not in offered("status", "--so")


def test_offers_files_where_an_option_takes_one(offered):
    assert offered("status", "--socket", "some") == {"some-file"}
    assert offered("--json", "policy", "check", "--policy", "some") == {"some-file"}


@pytest.mark.parametrize("name", ["reeved", "qemu-ga"])
def test_bash_offers_the_options_of_reeved_under_both_names(reeve_install, tmp_path, name):
    (tmp_path / name).symlink_to(f"{reeve_install}/sbin/reeved")  # as the package has it; the machine may have QEMU's own
    script = (f'source {reeve_install}/share/bash-completion/completions/{name}; COMP_WORDS=({name} -); COMP_CWORD=1; '
              '_reeved; printf "%s\\n" "${COMPREPLY[@]}"')
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    told = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment, timeout=10)
    help_text = subprocess.run([f"{reeve_install}/sbin/reeved", "--help"], capture_output=True, text=True, timeout=10).stdout
    named = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_text, re.M)) | set(re.findall(r"^ +(-\w)\b", help_text, re.M))
    assert len(named) > 20
    assert set(told.stdout.split()) == named
