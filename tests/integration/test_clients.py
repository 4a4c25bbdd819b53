"""What known clients send, in their order and spelling, and what they insist on in the replies."""

import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import replayers
from side_by_side import PROGRAM_LIMIT_S, agents, connect, decoded, encoded, start_qemu_ga, start_reeve, text_of, value_of

agent = agents(["reeve", "qemu-ga"])


@pytest.fixture
def client(agent):
    with connect(agent) as connection:
        yield connection


# ---- Proxmox VE ----


@pytest.fixture
def proxmox(agent):
    return replayers.Proxmox(lambda: connect(agent))


def lines_of_76(data):
    """As MIME::Base64 writes it: a line end after each 76 characters and at the end."""
    return base64.encodebytes(data).decode()


def test_proxmox_asks_whether_the_agent_runs(proxmox):
    assert proxmox.call("guest-ping") == {}
    assert proxmox.call("guest-info")["supported_commands"]


def test_proxmox_runs_a_program_with_input(proxmox):
    status = proxmox.run("/bin/cat", input_data=encoded(b"from the host\n"))
    assert status["exitcode"] == 0
    assert decoded(status["out-data"]) == b"from the host\n"


def test_proxmox_writes_a_file_whose_base64_has_line_ends(proxmox, tmp_path):
    data = os.urandom(60 * 1024)
    handle = proxmox.call("guest-file-open", path=str(tmp_path / "file"), mode="wb")
    written = proxmox.call("guest-file-write", handle=handle, buf_b64=lines_of_76(data))
    proxmox.call("guest-file-close", handle=handle)
    assert written["count"] == len(data)
    assert (tmp_path / "file").read_bytes() == data


def test_proxmox_reads_a_file_from_a_place_on(proxmox, tmp_path):
    data = os.urandom((3 << 20) + 5)
    (tmp_path / "file").write_bytes(data)
    handle = proxmox.call("guest-file-open", path=str(tmp_path / "file"), mode="r")
    assert proxmox.call("guest-file-seek", handle=handle, offset=100, whence="set") == {"position": 100, "eof": False}
    content = b""
    while True:
        part = proxmox.call("guest-file-read", handle=handle, count=1 << 20)
        content += decoded(part["buf-b64"])
        if part["eof"]:
            break
    proxmox.call("guest-file-close", handle=handle)
    assert content == data[100:]


# ---- libvirt ----


def sync_as_libvirt(client, number):
    client.send(b'{"execute":"guest-sync", "arguments":{"id":%d}}\n' % number)
    return client.read_line()


def test_libvirt_syncs_with_the_milliseconds_of_its_clock(client):
    now = time.time_ns() // 1_000_000
    assert sync_as_libvirt(client, now) == b'{"return": %d}' % now
    client.send(b'{"execute":"guest-ping"}\n')
    assert client.read_line() == b'{"return": {}}'


def test_libvirt_finds_return_or_error_in_every_line(client):
    for request in [b'{"execute":"guest-info"}', b'{"execute":"nope"}', b'{"execute":"guest-sync"}', b"[]"]:
        client.send(request + b"\n")
        line = json.loads(client.read_line())
        assert ("return" in line) != ("error" in line) and "event" not in line and "QMP" not in line


def test_libvirt_reads_two_mebibytes_in_one_line(client, tmp_path):
    data = os.urandom(2 << 20)
    (tmp_path / "file").write_bytes(data)
    handle = value_of(client.call("guest-file-open", path=str(tmp_path / "file")))
    read = value_of(client.call("guest-file-read", handle=handle, count=len(data)))
    client.call("guest-file-close", handle=handle)
    assert (decoded(read["buf-b64"]), read["count"]) == (data, len(data))


# ---- KubeVirt ----


@pytest.fixture
def kubevirt(client):
    return replayers.KubeVirt(client)


def test_kubevirt_finds_a_version_and_the_commands_for_keys_by_files(kubevirt):
    assert kubevirt.enabled() >= {"guest-ping", "guest-info", *kubevirt.FOR_KEYS_BY_FILES}
    assert kubevirt.call("guest-info")["version"].split(".")[0].isdigit()


def test_kubevirt_exec_probe(kubevirt):
    assert kubevirt.probe("/bin/sh", "-c", "exit 3") == {"exited": True, "exitcode": 3}
    status = kubevirt.probe("/bin/echo", "alive")
    assert (status["exitcode"], decoded(status["out-data"])) == (0, b"alive\n")


def test_kubevirt_writes_keys_without_ssh_commands(kubevirt, client, tmp_path):
    keys = tmp_path / ".ssh/authorized_keys"
    assert kubevirt.probe("getent", "passwd", "root")["exitcode"] == 0
    assert "No such file or directory" in text_of(client.call("guest-file-open", path=str(keys), mode="r"))
    assert kubevirt.probe("mkdir", "-p", str(keys.parent))["exitcode"] == 0
    assert kubevirt.probe("chown", "root:root", str(keys.parent))["exitcode"] == 0
    handle = value_of(client.call("guest-file-open", path=str(keys), mode="w"))
    value_of(client.call("guest-file-write", handle=handle, buf_b64=encoded(b"ssh-ed25519 AAAA me\n")))
    value_of(client.call("guest-file-close", handle=handle))
    handle = value_of(client.call("guest-file-open", path=str(keys), mode="r"))
    read = value_of(client.call("guest-file-read", handle=handle))
    value_of(client.call("guest-file-close", handle=handle))
    assert decoded(read["buf-b64"]) == b"ssh-ed25519 AAAA me\n"


# ---- Ansible ----


class Ansible:
    """A call on one connection after the other; an error of the agent is an exception."""

    def __init__(self, client):
        self._client = client

    def is_supported(self):
        commands = value_of(self._client.call("guest-info"))["supported_commands"]
        return all({"enabled": True, "name": name, "success-response": True} in commands
                   for name in replayers.KubeVirt.FOR_KEYS_BY_FILES)

    def execute(self, command):
        pid = value_of(self._client.call("guest-exec", path="/bin/sh", arg=["-c", command], capture_output=True))["pid"]
        began = time.monotonic()
        while not (status := value_of(self._client.call("guest-exec-status", pid=pid)))["exited"]:
            time.sleep(0.0002 + (time.monotonic() - began) / 10)
        return status["exitcode"], decoded(status.get("out-data", "")), decoded(status.get("err-data", ""))

    def put(self, data, path):
        handle = value_of(self._client.call("guest-file-open", path=path, mode="wb+"))
        for at in range(0, len(data), 65536):
            value_of(self._client.call("guest-file-write", handle=handle, buf_b64=encoded(data[at:at + 65536])))
        value_of(self._client.call("guest-file-close", handle=handle))

    def fetch(self, path):
        handle = value_of(self._client.call("guest-file-open", path=path, mode="r"))
        data, eof = b"", False
        while not eof:
            part = value_of(self._client.call("guest-file-read", handle=handle, count=65536))
            data, eof = data + decoded(part["buf-b64"]), part["eof"]
        value_of(self._client.call("guest-file-close", handle=handle))
        return data


@pytest.fixture
def ansible(client):
    return Ansible(client)


def test_ansible_finds_its_commands_as_exact_objects(ansible):
    assert ansible.is_supported()


def test_ansible_runs_tasks(ansible):
    assert ansible.execute("echo out; echo err >&2; exit 4") == (4, b"out\n", b"err\n")
    assert ansible.execute("( umask 77 && mkdir -p /tmp && echo ~ && sleep 0 ) && true")[0] == 0
    assert ansible.execute("printf 'a\\nb'; cat <<'END'\nline\nEND") == (0, b"a\nbline\n", b"")


# qemu-ga reports only a signal there, and the plugin ends with a KeyError.
@pytest.mark.reeve_only
def test_ansible_survives_a_task_that_is_killed(ansible):
    assert ansible.execute("kill -KILL $$")[0] == 128 + signal.SIGKILL


def test_ansible_puts_and_fetches_a_mebibyte(ansible, tmp_path):
    data = os.urandom(1 << 20)
    ansible.put(data, str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == data
    assert ansible.fetch(str(tmp_path / "file")) == data


# ---- a shell with socat ----


@pytest.mark.skipif(not shutil.which("socat"), reason="no socat here")
def test_shell_pipes_requests_into_socat(agent):
    requests = b'{"execute":"guest-ping"}\n{"execute":"guest-sync","arguments":{"id":7}}\n'
    done = subprocess.run(["socat", "-t5", "-", f"UNIX-CONNECT:{agent.socket}"], input=requests, capture_output=True,
                          timeout=30, check=True)
    assert done.stdout == b'{"return": {}}\n{"return": 7}\n'


# ---- one walk through all that the agent can, as its own tests take ----


def test_walk_begins_with_ff_and_a_sync(client):
    """The 0xFF is a stray byte and may be answered by a line; all up to the next 0xFF is to be thrown away."""
    client.send(b'\xff{"execute":"guest-sync-delimited","arguments":{"id":4711}}\n')
    while not (line := client.read_line()).startswith(b"\xff"):
        assert b'"error"' in line
    assert line == b'\xff{"return": 4711}'


def test_walk_ids_come_back_and_oob_is_refused(client):
    assert json.loads(client.exchange('{"execute":"guest-ping","id":1}')) == {"return": {}, "id": 1}
    reply = json.loads(client.exchange('{"exec-oob":"guest-ping","id":2}'))
    assert reply["id"] == 2 and reply["error"]["class"] == "GenericError"
    assert "exec-oob" in reply["error"]["desc"]


def test_walk_wrong_commands_and_arguments(client):
    assert client.call("test-no-such-command")["error"]["class"] == "CommandNotFound"
    assert "error" in client.call("guest-ping", foo="bar")
    assert "error" in json.loads(client.exchange('{"execute":"guest-sync","arguments":{"id":[]}}'))


def test_walk_file_is_written_read_sought_and_flushed(client, tmp_path):
    path = str(tmp_path / "foo")
    handle = value_of(client.call("guest-file-open", path=path, mode="w+"))
    assert value_of(client.call("guest-file-write", handle=handle, buf_b64=encoded(b"hello world\n"))) == {
        "count": 12, "eof": False}
    assert value_of(client.call("guest-file-flush", handle=handle)) == {}
    assert value_of(client.call("guest-file-close", handle=handle)) == {}
    assert pathlib.Path(path).read_bytes() == b"hello world\n"

    handle = value_of(client.call("guest-file-open", path=path, mode="r"))
    assert value_of(client.call("guest-file-read", handle=handle)) == {
        "count": 12, "buf-b64": encoded(b"hello world\n"), "eof": True}
    assert value_of(client.call("guest-file-read", handle=handle)) == {"count": 0, "buf-b64": "", "eof": True}
    assert value_of(client.call("guest-file-seek", handle=handle, offset=6, whence=0)) == {"position": 6, "eof": False}
    assert value_of(client.call("guest-file-read", handle=handle, count=5)) == {
        "count": 5, "buf-b64": encoded(b"world"), "eof": False}
    assert value_of(client.call("guest-file-seek", handle=handle, offset=-6, whence="end"))["position"] == 6
    assert value_of(client.call("guest-file-seek", handle=handle, offset=1, whence="cur"))["position"] == 7
    assert value_of(client.call("guest-file-close", handle=handle)) == {}
    assert "error" in client.call("guest-file-read", handle=handle)


def test_walk_what_was_written_is_read_through_the_same_handle(client, tmp_path):
    handle = value_of(client.call("guest-file-open", path=str(tmp_path / "foo"), mode="w+"))
    for text in [b"Hello World", b", and more"]:
        value_of(client.call("guest-file-write", handle=handle, buf_b64=encoded(text)))
    assert value_of(client.call("guest-file-write", handle=handle, buf_b64=encoded(b"!?"), count=1))["count"] == 1
    value_of(client.call("guest-file-seek", handle=handle, offset=0, whence="set"))
    read = value_of(client.call("guest-file-read", handle=handle))
    assert decoded(read["buf-b64"]) == b"Hello World, and more!"
    value_of(client.call("guest-file-close", handle=handle))


def test_walk_program_cannot_be_run(client):
    assert "error" in client.call("guest-exec", path="/tmp/no/such/program")
    assert "error" in client.call("guest-exec-status", pid=0)


def filtered(request, start, *options):
    """A client of an agent with these options, for as long as the test runs."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-filtered-"))
    directory.chmod(0o755)
    agent = start(directory, *options)
    client = connect(agent)
    request.addfinalizer(lambda: shutil.rmtree(directory))
    request.addfinalizer(agent.stop)
    request.addfinalizer(client._socket.close)
    return client


@pytest.fixture(params=["reeve", "qemu-ga"])
def start(request):
    if request.param == "qemu-ga":
        if not shutil.which("qemu-ga", path="/usr/sbin"):
            pytest.skip("no qemu-ga here to compare with")
        return start_qemu_ga
    install = request.getfixturevalue("reeve_install")
    return lambda directory, *options: start_reeve(directory, install, *options)


def enabled_names(client):
    return {command["name"] for command in value_of(client.call("guest-info"))["supported_commands"] if command["enabled"]}


def test_walk_blocked_commands_are_disabled_and_the_others_not(request, start):
    client = filtered(request, start, "-b", "guest-file-open,guest-get-time")
    error = client.call("guest-file-open")["error"]
    assert error["class"] == "CommandNotFound" and "guest-file-open has been disabled" in error["desc"]
    assert "guest-file-open" not in enabled_names(client)
    assert "guest-file-close" in enabled_names(client)
    assert value_of(client.call("guest-ping")) == {}


def test_walk_allowed_commands_are_all_that_is_left(request, reeve_install):
    client = filtered(request, lambda directory, *options: start_reeve(directory, reeve_install, *options), "-a",
                      "guest-ping,guest-info,guest-exec")
    assert {"guest-ping", "guest-info", "guest-exec"} <= enabled_names(client)
    assert "guest-file-open" not in enabled_names(client)
    assert client.call("guest-exec-status", pid=1)["error"]["class"] == "CommandNotFound"
    assert value_of(client.call("guest-exec", path="/bin/true"))["pid"] > 0


# ---- late, hasty and many ----


def test_reconnecting_a_thousand_times_loses_nothing(agent):
    for number in range(1000):
        with connect(agent) as client:
            assert sync_as_libvirt(client, number) == b'{"return": %d}' % number


# qemu-ga serves one at a time.
@pytest.mark.reeve_only
def test_handle_of_a_closed_connection_serves_sixty_four_others(agent, tmp_path):
    data = os.urandom(64 << 10)
    (tmp_path / "file").write_bytes(data)
    with connect(agent) as client:
        handle = value_of(client.call("guest-file-open", path=str(tmp_path / "file")))
    clients = [connect(agent) for _ in range(64)]
    for other in clients:
        other.send(b'{"execute":"guest-file-read","arguments":{"handle":%d,"count":1024}}\n' % handle)
    pieces = {decoded(value_of(json.loads(other.read_line()))["buf-b64"]) for other in clients}
    assert pieces == {data[at:at + 1024] for at in range(0, len(data), 1024)}
    for other in clients:
        other._socket.close()


def test_client_that_shuts_its_side_down_amid_a_request_is_forgotten(agent):
    with connect(agent) as client:
        client.send(b'{"execute":"guest-pi')
        client._socket.shutdown(socket.SHUT_WR)
    with connect(agent) as client:
        client.send(b'\xff{"execute":"guest-sync-delimited","arguments":{"id":1}}\n')
        while not (line := client.read_line()).startswith(b"\xff"):
            pass
        assert line == b'\xff{"return": 1}'


def resident_mib(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


# qemu-ga serves one at a time.
@pytest.mark.reeve_only
def test_many_clients_that_leave_large_replies_unread_get_errors_and_harm_nobody(agent, tmp_path):
    """Each may have a reply of 64 MiB; together they would be more than the process may hold."""
    core = agent.process("reeve-core")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(48 << 20)
    with connect(agent) as client:
        handles = [value_of(client.call("guest-file-open", path=str(tmp_path / "large"))) for _ in range(12)]
        greedy = [connect(agent) for _ in handles]
        for other, handle in zip(greedy, handles):
            other.send(b'{"execute":"guest-file-read","arguments":{"handle":%d,"count":50331648}}\n' % handle)
        # The one worker answers in their order, so this comes after all of them.
        assert "error" in client.call("guest-file-close", handle=1)
        replies = [json.loads(other.read_line()) for other in greedy]
        refused = [reply["error"]["desc"] for reply in replies if "error" in reply]
        assert 0 < len(refused) < len(replies)
        assert set(refused) == {"the agent has no memory left for a reply of this size"}
        for other in greedy:
            other._socket.close()
        for handle in handles:
            value_of(client.call("guest-file-close", handle=handle))
    assert agent.process("reeve-core") == core
    with connect(agent) as client:
        client.call("guest-ping")
    end = time.monotonic() + PROGRAM_LIMIT_S
    while resident_mib(core) > 48:
        assert time.monotonic() < end, "the memory is not given back"
        time.sleep(0.05)


# qemu-ga serves one at a time.
@pytest.mark.reeve_only
def test_many_clients_that_send_requests_without_end_get_errors_and_harm_nobody(agent):
    core = agent.process("reeve-core")
    greedy = [connect(agent) for _ in range(12)]
    for other in greedy:
        other.send(b'{"execute":"guest-ping","id":"')
    for _ in range(50):
        for other in greedy:
            other.send(b"x" * (1 << 20))
    for other in greedy:
        other.send(b'"}\n')
    refused = 0
    for other in greedy:
        reply = json.loads(other.read_line())
        refused += "error" in reply and "no memory left" in reply["error"]["desc"]
        other._socket.close()
    assert 0 < refused < len(greedy)
    assert agent.process("reeve-core") == core
