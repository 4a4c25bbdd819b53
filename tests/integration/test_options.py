"""The command line and qemu-ga.conf, beside Debian's qemu-ga 7.2 where it agrees with 11.1, whose contract holds.

7.2 has no -c, no -a and no allow-rpcs in what -D prints; a default that a distribution sets, the state directory, is each
one's own. qemu-ga is only ever run with words that end at once."""

import os
import pathlib
import shutil
import socket
import tempfile

import pytest

from qga_words import has_oracle, run_words, under_its_name
from running_agent import QEMU_GA

DEFAULTS = {"daemon": "false", "method": "virtio-serial", "path": "/dev/virtio-ports/org.qemu.guest_agent.0",
            "pidfile": "/var/run/qemu-ga.pid", "statedir": "/run/reeve", "verbose": "false", "retry-path": "false",
            "block-rpcs": "", "allow-rpcs": ""}


@pytest.fixture(scope="module")
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="reeve-options-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def reeved(reeve_install, directory):
    return under_its_name(reeve_install, directory)


@pytest.fixture(scope="module")
def oracle():
    if not has_oracle():
        pytest.skip("no qemu-ga here to compare with")
    return QEMU_GA


def dumped(ended):
    """The keys of a dump, in their order."""
    assert ended.returncode == 0 and ended.stdout.startswith("[general]\n"), ended
    return dict(line.partition("=")[::2] for line in ended.stdout.splitlines()[1:])


def same_as_oracle(ours, theirs):
    ours, theirs = list(dumped(ours).items()), list(dumped(theirs).items())
    assert ours[-1][0] == "allow-rpcs"
    default = ("statedir", "/run/reeve")
    assert [("statedir", "/var/run") if item == default else item for item in ours[:-1]] == theirs


WORDS = [
    [], ["-m", "isa-serial"], ["-m", "unix-listen", "-p", "/s"], ["-p", "/dev/x"], ["-m", "bogus", "-p", "x"],
    ["-vdr"], ["--verb", "--da", "--r"], ["-l", ""], ["-l/log", "-f", " x"], ["-p", " \tlead\\back"],
    ["-F"], ["-F", "/x"], ["-F/x"], ["--fsf=/z"], ["-F", "-F/y"], ["-t", "/state"], ["--sta=/state"],
    ["-b", "a,b", "-b", "c"], ["-b", ",a,,b,"], ["-b", ""], ["--block=a;b"], ["-s", "install"], ["stray", "", "-v"],
    ["-m", "vsock-listen", "-p", "-1:1234"], ["--blacklist=a,b"],
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_dump_is_qemu_gas(reeved, oracle, words):
    same_as_oracle(run_words(reeved, "-D", *words), run_words(oracle, "-D", *words))


def test_dump_of_nothing_is_the_built_in_values(reeved):
    ended = run_words(reeved, "-D")
    assert ended.stdout == "[general]\n" + "".join(f"{key}={value}\n" for key, value in DEFAULTS.items())
    assert ended.stderr == ""


def test_dump_is_read_again_as_the_same(reeved, directory):
    first = run_words(reeved, "-D", "-m", "unix-listen", "-p", " /s\\", "-b", "a,b", "-a", "c", "-F/h", "-l/l", "-d")
    (directory / "dump").write_text(first.stdout)
    again = run_words(reeved, "-D", "-c", f"{directory}/dump")
    # Each list is dumped in reverse, as by qemu-ga.
    assert again.stdout == first.stdout.replace("block-rpcs=b,a", "block-rpcs=a,b")


BAD_WORDS = [["-D", "-z"], ["-D", "--nonsense"], ["-D", "-m"], ["-D", "-s"], ["-D", "--service", "x"], ["-D", "--p", "x"]]


@pytest.mark.parametrize("words", BAD_WORDS, ids=" ".join)
def test_bad_option_is_refused_in_qemu_gas_words(reeved, oracle, words):
    ours, theirs = run_words(reeved, *words), run_words(oracle, *words)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert ours.returncode == 1
    # getopt(3) lists what an abbreviation may mean, and we have more that begins so.
    assert ours.stderr.partition(";")[0].rstrip("\n") == theirs.stderr.partition(";")[0].rstrip("\n")


@pytest.mark.parametrize("words", [["-D", "-m", "unix-listen"], ["-D", "-m", "vsock-listen"], ["-D", "-m", "bogus"]],
                         ids=" ".join)
def test_method_that_needs_a_path_is_refused_without_one(reeved, oracle, words):
    for ended in run_words(reeved, *words), run_words(oracle, *words):
        assert ended.returncode == 1 and ended.stdout == ""
        assert ended.stderr.endswith("must specify a path for this channel\n")


def test_unknown_method_is_refused_but_dumped(reeved):
    assert dumped(run_words(reeved, "-D", "-m", "bogus", "-p", "x"))["method"] == "bogus"
    ended = run_words(reeved, "-m", "bogus", "-p", "x")
    assert ended.returncode == 1 and "unsupported channel method/type: bogus" in ended.stderr


FILES = [
    "", "\n#c\n", "[general]\nverbose=1 \n", "[general]\r\npidfile=/a b  \r\n", "  [general]  \n  pidfile  =  /x \n;d=1\n",
    "[general]\npidfile=/a\\sb\\\\c\\td\n", "[general]\nblock-rpcs=a,b;c,,d\nlogfile=\nfsfreeze-hook=\n",
    "[gen]\n[general]\npidfile=1\n[general]\npidfile=2\nstatedir=/s\n[x]\npidfile=9\n", "[general]\npidfile[de]=/x\n",
    "[general]\nblock-rpcs=  a , b\n", "[general]\nretry-path=true\ndaemon=1\ndaemonize=0\nunknown=1\n",
    "[general]\nmethod=unix-listen\npath= /a\tb\n", "[general]\npidfile=a=b\nlogfile=/l\nfsfreeze-hook=/h\n",
    "[general]\nblacklist=a\n",
]
BAD_FILES = [
    "x=1\n", "[general]\nverbose=TRUE\n", "[general]\nverbose=yes\n", "[general]\nverbose=\n", "[general] x\n",
    "[general]\n;comment\n", "[general]\npidfile=/a\\q\n", "[general]\npidfile=/a\\\n", "[other]\nfoo\n", "[general]\n=3\n",
    "[ge]neral]\n", "[]\n", "[a[b]\n",
]


@pytest.mark.parametrize("text", FILES)
def test_file_means_what_it_means_to_qemu_ga(reeved, oracle, directory, text):
    (directory / "conf").write_text(text)
    environment = {"QGA_CONF": f"{directory}/conf"}
    for words in [], ["-b", "x", "-f", "/line", "-v"]:
        same_as_oracle(run_words(reeved, "-D", *words, environment=environment),
                       run_words(oracle, "-D", *words, environment=environment))


@pytest.mark.parametrize("text", BAD_FILES)
def test_bad_file_is_refused_as_by_qemu_ga(reeved, oracle, directory, text):
    (directory / "bad").write_text(text)
    for program in reeved, oracle:
        ended = run_words(program, "-D", environment={"QGA_CONF": f"{directory}/bad"})
        assert ended.returncode == 1 and ended.stdout == ""
        assert f"error loading configuration from path: {directory}/bad, " in ended.stderr


def test_what_is_no_file_is_refused_and_a_missing_one_is_not(reeved, oracle, directory):
    for program in reeved, oracle:
        ended = run_words(program, "-D", environment={"QGA_CONF": str(directory)})
        assert ended.returncode == 1 and f"from path: {directory}, " in ended.stderr
        assert run_words(program, "-D", environment={"QGA_CONF": f"{directory}/none"}).returncode == 0


def test_file_of_the_option_must_be_there_and_stands_before_the_variables(reeved, directory):
    """11.1; 7.2 has no -c."""
    (directory / "one").write_text("[general]\npidfile=/one\nblock-rpcs=a\nallow-rpcs=d\n")
    (directory / "two").write_text("[general]\npidfile=/two\n")
    environment = {"QGA_CONF": f"{directory}/two"}
    keys = dumped(run_words(reeved, "-D", "-b", "b,c", "-c", "/none", "-a", "e", "-c", f"{directory}/one", environment=environment))
    assert (keys["pidfile"], keys["block-rpcs"], keys["allow-rpcs"]) == ("/one", "a,c,b", "d,e")
    assert dumped(run_words(reeved, "-D", environment=environment))["pidfile"] == "/two"
    ended = run_words(reeved, "-D", "-c", f"{directory}/none")
    assert ended.returncode == 1 and f"error loading configuration from path: {directory}/none, " in ended.stderr


def test_file_that_others_may_write_is_refused(reeved, directory):
    """Reeve's own: it says what root opens."""
    (directory / "open").write_text("[general]\n")
    (directory / "open").chmod(0o666)
    ended = run_words(reeved, "-D", "-c", f"{directory}/open")
    assert ended.returncode == 1 and "may be written by others" in ended.stderr


@pytest.mark.parametrize("words", [["-b", "help"], ["-a", "help"], ["-b", "?"], ["--allow-rpcs=?", "-m", "unix-listen"]],
                         ids=" ".join)
def test_help_lists_the_commands(reeved, words):
    ended = run_words(reeved, *words)
    assert ended.returncode == 0, ended.stderr
    names = ended.stdout.splitlines()
    assert {"guest-sync", "guest-ping", "guest-exec", "guest-file-open"} <= set(names) and len(names) == len(set(names))


def test_core_commands_are_listed_in_qemu_gas_order(reeved, oracle):
    theirs = run_words(oracle, "-b", "help").stdout.splitlines()
    ours = [name for name in run_words(reeved, "-b", "help").stdout.splitlines() if name in theirs]
    core = ["guest-sync-delimited", "guest-sync", "guest-ping", "guest-info"]
    assert ours[:4] == [name for name in theirs if name in core]


def test_version_and_usage(reeved):
    ended = run_words(reeved, "-V")
    assert ended.returncode == 0 and ended.stdout.startswith("Reeve ") and ended.stderr == ""
    ended = run_words(reeved, "--help")
    assert ended.returncode == 0 and ended.stdout.startswith("Usage: qemu-ga [-m <method> -p <path>] [<options>]\n")


# ---- a socket from the service manager ----

def activated(program, words, sockets, count=None, pid=None):
    """`sockets` at 3 and up in the process, as sd_listen_fds(3) says."""
    numbers = [one.fileno() for one in sockets]

    def place():
        for number, fd in enumerate(numbers):
            os.dup2(fd, 100 + number)
        for number in range(len(numbers)):
            os.dup2(100 + number, 3 + number)
        os.environ["LISTEN_PID"] = str(os.getpid())

    shell = f"LISTEN_PID={pid or '$$'} LISTEN_FDS={count or len(sockets)} exec {program} \"$@\""
    return run_words("/bin/sh", "-c", shell, "qemu-ga", *words, preexec_fn=place, pass_fds=tuple(range(3, 3 + len(sockets))))


@pytest.fixture
def unix_socket(directory):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/listening")
        listening.listen()
        yield listening
    os.unlink(f"{directory}/listening")


@pytest.mark.parametrize("words", [["-D"], ["-D", "-m", "vsock-listen"], ["-D", "-p", "/x"]], ids=" ".join)
def test_activated_socket_stands_for_method_and_path(reeved, oracle, unix_socket, words):
    ours = activated(reeved, words, [unix_socket])
    same_as_oracle(ours, activated(oracle, words, [unix_socket]))
    assert dumped(ours)["method"] == "unix-listen" and "path" not in dumped(ours)


def test_activated_vsock_is_known(reeved, oracle):
    try:
        listening = socket.socket(socket.AF_VSOCK)
        listening.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
    except OSError as error:
        pytest.skip(f"no vsock here: {error}")
    with listening:
        listening.listen()
        ours = activated(reeved, ["-D"], [listening])
        same_as_oracle(ours, activated(oracle, ["-D"], [listening]))
        assert dumped(ours)["method"] == "vsock-listen"


def test_activation_of_another_kind_is_refused(reeved, oracle):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        for program in reeved, oracle:
            ended = activated(program, ["-D"], [listening])
            assert ended.returncode == 1 and ended.stderr.endswith("unsupported listen fd type\n")


def test_activation_of_two_sockets_is_refused(reeved, oracle, unix_socket):
    for program in reeved, oracle:
        ended = activated(program, ["-D"], [unix_socket, unix_socket])
        assert ended.returncode == 1 and ended.stderr.endswith("qemu-ga only supports listening on one socket\n")


def test_sockets_meant_for_another_process_are_not_taken(reeved, oracle, unix_socket):
    same_as_oracle(activated(reeved, ["-D"], [unix_socket], pid=1), activated(oracle, ["-D"], [unix_socket], pid=1))
