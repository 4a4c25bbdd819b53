"""Thousands of requests from a seed, to Reeve and to Debian's qemu-ga 7.2, whose replies must be equal.

What is left out of the comparison: the order of members, the text of JSON errors (7.2 has no positions), the text for an
unknown pid, which of several wrong members is named. REEVE_DIFFERENTIAL_SEED and _ROUNDS look further."""

import os
import pathlib
import random
import re
import shutil
import tempfile

import pytest

from request_generator import HANDLES, Generator, canonical
from side_by_side import QEMU_GA, connect, start_qemu_ga, start_reeve

SEED = int(os.environ.get("REEVE_DIFFERENTIAL_SEED", "1"))
ROUNDS = int(os.environ.get("REEVE_DIFFERENTIAL_ROUNDS", "500"))
# Fewer than wait on one connection, so that none is refused for that.
MOST_AT_ONCE = 6


class Side:
    """One agent, its client, and the directory that `@DIR@` stands for. The names are equally long, so that cuts are."""

    def __init__(self, start, place):
        self.files = place / "files"
        place.mkdir()
        place.chmod(0o755)
        self.files.mkdir()
        for name in Generator.FILES_THERE:
            (self.files / name).write_bytes(b"hello world\n" * 20)
        self.agent = start(place)
        self.client = connect(self.agent, timeout_s=30)
        # Both workers run from here on: a request that has to wait for a start could be overtaken by a sync.
        self.client.call("guest-file-close", handle=1)
        self.client.call("guest-exec-status", pid=1)

    def send(self, portions):
        for portion in portions:
            self.client.send(portion.replace(b"@DIR@", str(self.files).encode()))

    def read(self):
        return self.client.read_line().replace(str(self.files).encode(), b"@DIR@")

    def read_to_sync(self, number):
        lines = []
        while (line := self.read()) != b'\xff{"return": %d}' % number:
            lines.append(line)
        return lines


@pytest.fixture(scope="module")
def sides(reeve_install):
    if not os.access(QEMU_GA, os.X_OK):
        pytest.skip("no qemu-ga here to compare with")
    place = pathlib.Path(tempfile.mkdtemp(prefix="reeve-differential-"))
    place.chmod(0o755)
    both = [Side(lambda where: start_reeve(where, reeve_install), place / "reeve"), Side(start_qemu_ga, place / "other")]
    yield both
    for side in both:
        side.agent.stop()
    shutil.rmtree(place)


def comparable(line):
    if line.startswith(b"\xff"):
        line = line[1:]
    text = canonical(line)
    text = re.sub(r"(PID (ld|-?\d+) does not exist|Invalid parameter 'pid')", "UNKNOWN PID", text)
    text = re.sub(r"Parameter '.*?' is unexpected", "WRONG ARGUMENT", text)
    return re.sub(r"QMP input member '.*?' (is unexpected|must be an? \w+)", "WRONG MEMBER", text)


def without_parse_errors(lines):
    return [comparable(line) for line in lines if b"JSON parse error, " not in line]


def test_well_formed_requests_are_answered_alike(sides):
    generator = Generator(random.Random(SEED))
    for _ in range(ROUNDS):
        requests = [generator.well_formed() for _ in range(generator.count(MOST_AT_ONCE))]
        portions = generator.portions(generator.space().join(requests).encode())
        for side in sides:
            side.send(portions)
        opened = []
        for request in requests:
            reeve, other = (side.read() for side in sides)
            assert comparable(reeve) == comparable(other), request
            opened += [int(number) for number in re.findall(rb'"return": (\d{4})\b', reeve)]
        # The first handles are what the requests name; the others would fill Reeve's table. A sync's reply is no handle,
        # and closing it says so on both sides.
        close(sides, [handle for handle in opened if handle not in HANDLES])
    close(sides, HANDLES)


def close(sides, handles):
    for handle in handles:
        reeve, other = (side.client.call("guest-file-close", handle=handle) for side in sides)
        assert reeve == other


def test_files_are_the_same_after_all_this(sides):
    reeve, other = ({path.name: path.read_bytes() for path in side.files.iterdir()} for side in sides)
    assert reeve == other


# After a wrong value both go on at the next 0xFF. (Reeve already does at a line feed.)
def replies_around_ff(sides, wrong, number, right):
    """What both say to `wrong` and then, after an 0xFF, to `right`, but for JSON errors."""
    sync = b'{"execute":"guest-sync-delimited","arguments":{"id":%d}}\n' % number
    for side in sides:
        side.send([wrong + b"\xff" + right + sync])
    return [without_parse_errors(side.read_to_sync(number)) for side in sides]


@pytest.mark.parametrize("is_followed", [False, True])
def test_wrong_values_are_refused_alike_and_healed_by_ff(sides, is_followed):
    generator = Generator(random.Random(SEED + is_followed))
    for number in range(ROUNDS // 4):
        wrong, right = generator.nearly(), generator.harmless() if is_followed else b""
        reeve, other = replies_around_ff(sides, wrong, number, right)
        assert reeve == other, (wrong, right)


def test_spoiled_requests_are_healed_by_ff(sides):
    """What they make of the rest of a spoiled value differs: 7.2 takes it up at the next stray byte, 11.1 and Reeve skip."""
    generator = Generator(random.Random(SEED))
    for number in range(ROUNDS):
        wrong, right = generator.spoiled(), generator.harmless()
        reeve, other = replies_around_ff(sides, wrong, number, right)
        assert reeve[-1] == other[-1], (wrong, right)


def test_garbage_is_survived(sides):
    generator = random.Random(SEED)
    reeve = sides[0]
    for number in range(ROUNDS // 4):
        reeve.send([generator.randbytes(generator.randrange(2000)) + b'\xff{"execute":"guest-sync-delimited","arguments":{"id":%d}}\n'
                    % number])
        reeve.read_to_sync(number)
