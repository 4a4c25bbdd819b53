"""guest-file-* on a running agent: what hosts see, beside qemu-ga."""

import os
import stat

import pytest

from side_by_side import agents, client, connect, decoded, encoded, reeve, text_of, value_of

MAX_COUNT = 48 << 20

agent = agents(["reeve", "qemu-ga"])


@pytest.fixture
def directory(tmp_path):
    tmp_path.chmod(0o777)
    return tmp_path


def opened(client, path, mode="r"):
    return value_of(client.call("guest-file-open", path=str(path), mode=mode))


def read(client, handle, **more):
    return value_of(client.call("guest-file-read", handle=handle, **more))


def write(client, handle, data, **more):
    return value_of(client.call("guest-file-write", handle=handle, buf_b64=encoded(data), **more))


def read_reply(data, is_at_end):
    return {"count": len(data), "buf-b64": encoded(data), "eof": is_at_end}


# ---- alike on both


@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "a", "ab", "r+", "rb+", "r+b", "w+", "wb+", "w+b", "a+", "ab+", "a+b"])
def test_fopens_modes_are_known(client, directory, mode):
    (directory / "f").write_bytes(b"old")
    client.call("guest-file-close", handle=opened(client, directory / "f", mode))
    assert (directory / "f").read_bytes() == (b"" if mode.startswith("w") else b"old")


@pytest.mark.parametrize("mode", ["", "b", "rw", "br", "r++", "rx", "R", "r "])
def test_other_modes_are_refused(client, mode):
    assert text_of(client.call("guest-file-open", path="/dev/null", mode=mode)) == f"invalid file open mode '{mode}'"


def test_open_errors_have_their_frame(client, directory):
    missing, folder = directory / "none", directory
    assert text_of(client.call("guest-file-open", path=str(missing))) == (
        f"failed to open file '{missing}' (mode: 'r'): No such file or directory")
    assert text_of(client.call("guest-file-open", path=str(folder), mode="w")) == (
        f"failed to open file '{folder}' (mode: 'w'): Is a directory")


def test_handles_go_up_by_one(client):
    first = opened(client, "/dev/null")
    second = opened(client, "/dev/null")
    client.call("guest-file-close", handle=second)
    assert (second, opened(client, "/dev/null")) == (first + 1, first + 2)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4095, 4096, 4097, 1 << 20, (3 << 20) + 1])
def test_what_was_written_is_read_back(client, directory, size):
    data = os.urandom(size)
    handle = opened(client, directory / "f", "w+")
    assert write(client, handle, data) == {"count": size, "eof": False}
    assert value_of(client.call("guest-file-flush", handle=handle)) == {}
    assert (directory / "f").read_bytes() == data
    assert value_of(client.call("guest-file-seek", handle=handle, offset=0, whence="set")) == {"position": 0, "eof": False}
    assert read(client, handle, count=size + 1) == read_reply(data, True)
    assert value_of(client.call("guest-file-close", handle=handle)) == {}


def test_eof_only_when_the_read_met_the_end(client, directory):
    (directory / "f").write_bytes(b"hello")
    handle = opened(client, directory / "f")
    assert read(client, handle, count=0) == read_reply(b"", False)
    assert read(client, handle, count=3) == read_reply(b"hel", False)
    assert read(client, handle, count=2) == read_reply(b"lo", False)
    assert read(client, handle, count=1) == read_reply(b"", True)


def test_members_come_in_one_order(client, directory):
    (directory / "f").write_bytes(b"hello")
    handle = opened(client, directory / "f", "r+")
    ask = '{"execute": "guest-file-%s", "arguments": {"handle": ' + str(handle) + "%s}}"
    assert client.exchange(ask % ("read", "")) == '{"return": {"count": 5, "buf-b64": "aGVsbG8=", "eof": true}}'
    assert client.exchange(ask % ("write", ', "buf-b64": "eA=="')) == '{"return": {"count": 1, "eof": false}}'
    assert client.exchange(ask % ("seek", ', "offset": 2, "whence": 0')) == '{"return": {"eof": false, "position": 2}}'


def test_count_is_4096_when_absent(client, directory):
    data = os.urandom(5000)
    (directory / "f").write_bytes(data)
    assert read(client, opened(client, directory / "f")) == read_reply(data[:4096], False)


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1, 1 << 62])
def test_counts_outside_the_limits_are_refused(client, count):
    handle = opened(client, "/dev/null")
    assert text_of(client.call("guest-file-read", handle=handle, count=count)) == (
        f"value '{count}' is invalid for argument count")


def test_the_largest_read_is_whole(client, directory):
    with open(directory / "f", "wb") as file:
        file.truncate(MAX_COUNT)
        file.seek(MAX_COUNT - 5)
        file.write(b"theend")
    handle = opened(client, directory / "f")
    reply = read(client, handle, count=MAX_COUNT)
    assert (reply["count"], reply["eof"]) == (MAX_COUNT, False)
    assert decoded(reply["buf-b64"])[-8:] == b"\0\0\0theen"
    assert read(client, handle, count=MAX_COUNT) == read_reply(b"d", True)


def test_count_cuts_what_is_written(client, directory):
    handle = opened(client, directory / "f", "w")
    assert write(client, handle, b"hello", count=2) == {"count": 2, "eof": False}
    assert write(client, handle, b"hello", count=0) == {"count": 0, "eof": False}
    for count in (-1, 6):
        assert text_of(client.call("guest-file-write", handle=handle, buf_b64=encoded(b"hello"), count=count)) == (
            f"value '{count}' is invalid for argument count")
    client.call("guest-file-close", handle=handle)
    assert (directory / "f").read_bytes() == b"he"


@pytest.mark.parametrize("data", ["a b", "aG-_", "*", "aGVs\t"])
def test_characters_outside_the_alphabet_are_refused(client, directory, data):
    handle = opened(client, directory / "f", "w")
    assert text_of(client.call("guest-file-write", handle=handle, buf_b64=data)) == "Base64 data contains invalid characters"


def test_line_feeds_in_base64_are_skipped(client, directory):
    handle = opened(client, directory / "f", "w")
    assert value_of(client.call("guest-file-write", handle=handle, buf_b64="aGVs\nbG8=\n")) == {"count": 5, "eof": False}


@pytest.mark.parametrize("offset, whence, position", [(4, 0, 4), (-1, 1, 2), (-6, 2, 0), (2, "set", 2), (1, "cur", 4),
                                                      (10, "end", 16)])
def test_whence_is_a_number_or_a_name(client, directory, offset, whence, position):
    (directory / "f").write_bytes(b"abcdef")
    handle = opened(client, directory / "f")
    read(client, handle, count=3)
    assert value_of(client.call("guest-file-seek", handle=handle, offset=offset, whence=whence)) == {
        "position": position, "eof": False}


def test_bad_seeks_are_refused(client, directory):
    (directory / "f").write_bytes(b"abcdef")
    handle = opened(client, directory / "f")
    assert text_of(client.call("guest-file-seek", handle=handle, offset=0, whence=3)) == "invalid whence code 3"
    assert text_of(client.call("guest-file-seek", handle=handle, offset=-1, whence=0)) == (
        "failed to seek file: Invalid argument")
    assert text_of(client.call("guest-file-seek", handle=handle, offset=0, whence="SEEK_SET")) == (
        "Parameter 'whence' does not accept value 'SEEK_SET'")


def test_append_writes_at_the_end(client, directory):
    (directory / "f").write_bytes(b"one")
    handle = opened(client, directory / "f", "a+")
    assert read(client, handle, count=3) == read_reply(b"one", False)
    client.call("guest-file-seek", handle=handle, offset=0, whence=0)
    write(client, handle, b"two")
    client.call("guest-file-flush", handle=handle)
    assert (directory / "f").read_bytes() == b"onetwo"


def test_reads_and_writes_share_one_position(client, directory):
    (directory / "f").write_bytes(b"abcdef")
    handle = opened(client, directory / "f", "r+")
    write(client, handle, b"XY")
    assert read(client, handle, count=2) == read_reply(b"cd", False)
    write(client, handle, b"Z")
    assert read(client, handle, count=9) == read_reply(b"f", True)
    client.call("guest-file-close", handle=handle)
    assert (directory / "f").read_bytes() == b"XYcdZf"


def test_handle_is_for_what_it_was_opened_for(client, directory):
    (directory / "f").write_bytes(b"x")
    assert text_of(client.call("guest-file-write", handle=opened(client, directory / "f"), buf_b64="eA==")) == (
        "failed to write to file: Bad file descriptor")
    assert text_of(client.call("guest-file-read", handle=opened(client, directory / "f", "a"))) == (
        "failed to read file: Bad file descriptor")


@pytest.mark.parametrize("command, more", [("close", {}), ("read", {"count": -1}), ("write", {"buf_b64": "a b"}),
                                           ("flush", {}), ("seek", {"offset": 0, "whence": 9})])
def test_unknown_handle_is_the_first_thing_refused(client, command, more):
    assert text_of(client.call(f"guest-file-{command}", handle=77, **more)) == "handle '77' has not been found"


def test_closed_handle_is_unknown(client):
    handle = opened(client, "/dev/null")
    client.call("guest-file-close", handle=handle)
    assert text_of(client.call("guest-file-close", handle=handle)) == f"handle '{handle}' has not been found"


def test_files_of_proc_are_read_though_they_have_no_size(client):
    reply = read(client, opened(client, "/proc/version"))
    assert decoded(reply["buf-b64"]).startswith(b"Linux version")
    assert reply["eof"]


def test_empty_pipe_is_an_error_and_a_closed_one_an_end(client, directory):
    os.mkfifo(directory / "p")
    handle = opened(client, directory / "p")
    assert read(client, handle) == read_reply(b"", True)
    writer = os.open(directory / "p", os.O_WRONLY)
    assert text_of(client.call("guest-file-read", handle=handle)) == "failed to read file: Resource temporarily unavailable"
    os.close(writer)


def test_handle_survives_the_connection(agent, directory):
    (directory / "f").write_bytes(b"x")
    with connect(agent) as first:
        handle = opened(first, directory / "f")
    with connect(agent) as second:
        assert read(second, handle) == read_reply(b"x", True)


# ---- different on purpose


def test_new_files_are_not_writable_by_the_world(reeve, directory):
    """qemu-ga gives 0666 whatever the umask."""
    opened(reeve, directory / "new", "w")
    assert stat.S_IMODE((directory / "new").stat().st_mode) == 0o644


def test_empty_path_is_refused_by_policy(reeve):
    """qemu-ga says that there is no such file; what names nothing is no path that policy could allow."""
    assert text_of(reeve.call("guest-file-open", path="")).startswith(
        "failed to open file '' (mode: 'r'): Permission denied (policy rule ")


def test_directory_is_refused_at_open(reeve, directory):
    """qemu-ga opens it and fails at the first read: no directory descriptor ever enters a worker."""
    assert text_of(reeve.call("guest-file-open", path=str(directory))) == (
        f"failed to open file '{directory}' (mode: 'r'): Is a directory")


def test_written_data_is_in_the_file_before_the_answer(reeve, directory):
    """qemu-ga keeps it until flush, seek or close."""
    write(reeve, opened(reeve, directory / "f", "w"), b"x")
    assert (directory / "f").read_bytes() == b"x"


def test_full_disk_is_the_error_of_the_write(reeve):
    """qemu-ga answers success and loses the data at flush or close."""
    handle = opened(reeve, "/dev/full", "w")
    assert text_of(reeve.call("guest-file-write", handle=handle, buf_b64="eA==")) == (
        "failed to write to file: No space left on device")


def test_pipe_gives_what_it_has(reeve, directory):
    """qemu-ga loses what it read before the pipe ran dry."""
    os.mkfifo(directory / "p")
    handle = opened(reeve, directory / "p")
    writer = os.open(directory / "p", os.O_WRONLY)
    os.write(writer, b"abc")
    assert read(reeve, handle, count=100) == read_reply(b"abc", False)
    os.close(writer)


@pytest.mark.parametrize("data", ["aGVs\r\nbG8=\r\n", "aG\rVsbG8="])
def test_carriage_returns_in_base64_are_skipped_too(reeve, directory, data):
    """qemu-ga takes LF only; Proxmox sends lines."""
    handle = opened(reeve, directory / "f", "w")
    assert value_of(reeve.call("guest-file-write", handle=handle, buf_b64=data)) == {"count": 5, "eof": False}


@pytest.mark.parametrize("data", ["aGVsbG8", "aGk", "====", "aGVsbG8=aGVs"])
def test_base64_with_a_bad_end_is_refused_and_writes_nothing(reeve, directory, data):
    """qemu-ga drops an incomplete end in silence, and decodes past padding."""
    handle = opened(reeve, directory / "f", "w")
    assert text_of(reeve.call("guest-file-write", handle=handle, buf_b64=data)) == "Base64 data contains invalid characters"
    assert (directory / "f").read_bytes() == b""


def test_handles_are_bounded(reeve):
    """qemu-ga opens until its own limit of descriptors is met."""
    handles = []
    while "return" in (reply := reeve.call("guest-file-open", path="/dev/null")):
        handles.append(reply["return"])
        assert len(handles) <= 256
    assert "too many open handles" in text_of(reply)
    for handle in handles:
        value_of(reeve.call("guest-file-close", handle=handle))
