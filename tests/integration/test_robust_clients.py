"""Clients that misbehave cost nothing and harm nobody. qemu-ga is not asked: these are its defects."""

import os
import pathlib
import socket
import time

from running_reeve import wait_until
from side_by_side import agents, connect

agent = agents(["reeve"])

PING = b'{"execute":"guest-ping"}\n'
PONG = b'{"return": {}}'


def answers(agent):
    with connect(agent) as client:
        client.send(PING)
        return client.read_line() == PONG


def core_of(agent):
    """The pid of reeve-core below this agent's warden."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            name = (stat.parent / "comm").read_text().strip()
        except OSError:
            continue
        if int(fields[1]) == agent._process.pid and name == "reeve-core":
            return int(stat.parent.name)
    raise AssertionError("no reeve-core runs")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def test_many_clients_are_served_at_once(agent):
    clients = [connect(agent) for _ in range(64)]
    for client in clients:
        client.send(PING)
    assert all(client.read_line() == PONG for client in clients)
    for client in clients:
        client._socket.close()
    assert answers(agent)


def test_half_request_of_one_is_not_completed_by_the_next(agent):
    with connect(agent) as client:
        client.send(b'{"execute":"guest-pi')
    with connect(agent) as client:
        client.send(b'ng"}\n' + PING)
        lines = [client.read_line()]
        while lines[-1] != PONG:
            lines.append(client.read_line())
        assert len(lines) > 1, "the orphan half is an error, not a request"


def test_client_that_leaves_with_unread_replies_harms_nobody(agent):
    for _ in range(50):
        client = connect(agent)
        client.send(PING * 50)
        client._socket.close()
    assert answers(agent)


def test_garbage_harms_nobody(agent):
    garbage = os.urandom(1 << 20)
    with connect(agent) as client:
        client._socket.settimeout(0.2)
        try:
            client.send(garbage)
        except OSError:
            pass  # it does not read its errors, so the agent stops reading
    assert answers(agent)


def test_client_that_does_not_read_costs_neither_memory_nor_cpu(agent):
    core = core_of(agent)
    before = resident_bytes(core)
    with connect(agent) as client:
        client._socket.setblocking(False)
        flood = b'{"execute":"guest-info"}' * 4000
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                client._socket.send(flood)
            except BlockingIOError:
                time.sleep(0.01)
        used = cpu_seconds(core)
        time.sleep(1)
        assert cpu_seconds(core) - used < 0.2
        assert resident_bytes(core) - before < 16 << 20
        assert answers(agent)


def test_client_that_ended_its_side_still_gets_its_replies(agent):
    with connect(agent) as client:
        client.send(PING + b'{"execute":"guest-info"}')
        client._socket.shutdown(socket.SHUT_WR)
        assert client.read_line() == PONG
        assert b"supported_commands" in client.read_line()
        assert client._socket.recv(1) == b""


def test_idle_agent_uses_no_cpu(agent):
    core = core_of(agent)
    used = cpu_seconds(core)
    time.sleep(1)
    assert cpu_seconds(core) - used < 0.05


def test_a_thousand_reconnects_leave_nothing_behind(agent):
    core = core_of(agent)
    assert answers(agent)
    before = open_files(core), resident_bytes(core)
    for _ in range(1000):
        assert answers(agent)
    wait_until(lambda: open_files(core) <= before[0], 10, "the end of the last connection")
    assert resident_bytes(core) - before[1] < 1 << 20


def test_a_thousand_who_come_and_go_without_a_word_leave_nothing_behind(agent):
    core = core_of(agent)
    before = open_files(core)
    for _ in range(1000):
        connect(agent)._socket.close()
    assert answers(agent)
    wait_until(lambda: open_files(core) <= before, 10, "the end of the last connection")


def test_sixty_four_mebibytes_without_an_end_are_an_error_and_bounded_memory(agent):
    """The limit of a request is 64 MiB (qemu-ga's limit of a token's bytes); others are served meanwhile."""
    core = core_of(agent)
    before = resident_bytes(core)
    piece = b"a" * (1 << 20)
    highest = before
    with connect(agent) as client:
        client.send(b'{"execute":"guest-ping","arguments":{"x":"')
        for _ in range(72):
            client.send(piece)
            highest = max(highest, resident_bytes(core))
            assert answers(agent)
        client.send(b'"}}\n')
        assert b'"error"' in client.read_line()
        client.send(b"\xff" + PING)
        lines = [client.read_line()]
        while lines[-1] != PONG:
            lines.append(client.read_line())
    assert highest - before < 160 << 20
    assert answers(agent)


def test_many_halves_at_once_share_what_memory_there_is(agent):
    """Eight clients with half a request of 32 MiB each: what the agent keeps of them all is bounded."""
    core = core_of(agent)
    before = resident_bytes(core)
    clients = [connect(agent) for _ in range(8)]
    for client in clients:
        client.send(b'{"execute":"guest-ping","arguments":{"x":"')
    highest = before
    for _ in range(32):
        for client in clients:
            client.send(b"b" * (1 << 20))
        highest = max(highest, resident_bytes(core))
    assert answers(agent)
    assert highest - before < 200 << 20
    for client in clients:
        client._socket.close()
    assert answers(agent)
