"""The wire protocol byte for byte, on Reeve and on Debian's qemu-ga 7.2, which both must speak."""

import json

import pytest

from side_by_side import agents, connect

agent = agents(["reeve", "qemu-ga"])


def error(description, error_class="GenericError"):
    return f'{{"error": {{"class": "{error_class}", "desc": "{description}"}}}}'


# What is sent, and the line that comes back from both.
SAME = [
    ('{"execute":"guest-ping"}', '{"return": {}}'),
    ("{'execute':'guest-ping'}", '{"return": {}}'),
    ('{"execute":"guest-ping","arguments":{}}', '{"return": {}}'),
    ('{"execute":"guest-ping","id":7}', '{"return": {}, "id": 7}'),
    ('{"execute":"guest-ping","id":"\\u00e9/\\u007f"}', '{"return": {}, "id": "\\u00E9/\\u007F"}'),
    ('{"execute":"guest-ping","id":[1,null,{"a":0.1}]}', '{"return": {}, "id": [1, null, {"a": 0.10000000000000001}]}'),
    ('{"execute":"guest-ping","id":1e3}', '{"return": {}, "id": 1000}'),
    ('{"execute":"guest-sync","arguments":{"id":5}}', '{"return": 5}'),
    ('{"execute":"guest-sync","arguments":{"id":1732147274123}}', '{"return": 1732147274123}'),
    ('{"execute":"guest-sync","arguments":{"id":-9223372036854775808}}', '{"return": -9223372036854775808}'),
    ('{"execute":"nope"}', error("The command nope has not been found", "CommandNotFound")),
    ('{"execute":"Guest-Ping"}', error("The command Guest-Ping has not been found", "CommandNotFound")),
    ('{"execute":""}', error("The command  has not been found", "CommandNotFound")),
    ("{}", error("QMP input lacks member 'execute'")),
    ('{"execute":1}', error("QMP input member 'execute' must be a string")),
    ('{"execute":"guest-ping","foo":1}', error("QMP input member 'foo' is unexpected")),
    ('{"execute":"guest-ping","arguments":[]}', error("QMP input member 'arguments' must be an object")),
    ("[]", error("QMP input must be a JSON object")),
    ('{"execute":"guest-sync"}', error("Parameter 'id' is missing")),
    ('{"execute":"guest-ping","arguments":{"foo":1}}', error("Parameter 'foo' is unexpected")),
    ('{"execute":"guest-sync","arguments":{"id":"5"}}', error("Invalid parameter type for 'id', expected: integer")),
    ('{"execute":"guest-sync","arguments":{"id":1.0}}', error("Invalid parameter type for 'id', expected: integer")),
    ('{"execute":"guest-sync","arguments":{"id":null}}', error("Invalid parameter type for 'id', expected: integer")),
    ('{"execute":"guest-sync","arguments":{"id":5,"foo":1}}', error("Parameter 'foo' is unexpected")),
]


@pytest.mark.parametrize("request_text, reply", SAME)
def test_reply_is_byte_for_byte(agent, request_text, reply):
    with connect(agent) as client:
        assert client.exchange(request_text) == reply


def test_ff_stands_before_the_delimited_sync_and_nowhere_else(agent):
    with connect(agent) as client:
        client.send(b'{"execute":"guest-sync-delimited","arguments":{"id":77}}\n')
        assert client.read_line() == b'\xff{"return": 77}'
        client.send(b'{"execute":"guest-sync-delimited","arguments":{"id":"x"}}\n')
        assert client.read_line().startswith(b'{"error"')
        client.send(b'{"execute":"guest-sync","arguments":{"id":78}}\n')
        assert client.read_line() == b'{"return": 78}'


def test_request_runs_at_its_closing_brace(agent):
    with connect(agent) as client:
        client.send(b' \t{"execute":"guest-ping"}')
        assert client.read_line() == b'{"return": {}}'


def test_request_may_come_byte_by_byte(agent):
    with connect(agent) as client:
        for byte in b'{"execute":"guest-sync","arguments":{"id":5}}':
            client.send(bytes([byte]))
        assert client.read_line() == b'{"return": 5}'


def test_replies_come_in_the_order_of_the_requests(agent):
    with connect(agent) as client:
        client.send(b"".join(b'{"execute":"guest-sync","arguments":{"id":%d}}' % i for i in range(100)))
        assert [client.read_line() for _ in range(100)] == [b'{"return": %d}' % i for i in range(100)]


def test_proxmox_reads_sync_and_command_as_two_lines(agent):
    with connect(agent) as client:
        client.send(b'{"execute":"guest-sync-delimited","arguments":{"id":12340001}}\n'
                    b'{"execute":"guest-ping","arguments":{}}\n')
        assert client.read_line() == b'\xff{"return": 12340001}'
        assert client.read_line() == b'{"return": {}}'


def test_ff_ahead_of_a_sync_heals_half_a_request(agent):
    with connect(agent) as client:
        client.send(b'{"execute":"guest-pi\xff{"execute":"guest-sync-delimited","arguments":{"id":9}}\n')
        while (line := client.read_line())[:1] != b"\xff":
            assert b'"error"' in line
        assert line == b'\xff{"return": 9}'


def test_wrong_json_gets_an_error_and_the_next_request_its_reply(agent):
    with connect(agent) as client:
        assert "JSON parse error" in client.exchange('{"execute":"guest-ping",}')
        client.send(b'{"execute":"guest-ping"}\n')
        assert client.read_line() == b'{"return": {}}'


def test_info_entries_have_exactly_three_members(agent):
    with connect(agent) as client:
        info = client.call("guest-info")["return"]
        assert set(info) == {"version", "supported_commands"}
        assert all(set(entry) == {"name", "enabled", "success-response"} for entry in info["supported_commands"])
        assert {"name": "guest-ping", "enabled": True, "success-response": True} in info["supported_commands"]
        for part in info["version"].split("."):
            assert part.isdigit(), "clients compare numbers"


def test_info_of_reeve_offers_what_ansible_compares(agent):
    wanted = ["guest-exec", "guest-exec-status", "guest-file-close", "guest-file-open", "guest-file-read",
              "guest-file-write"]
    with connect(agent) as client:
        commands = client.call("guest-info")["return"]["supported_commands"]
        for name in wanted:
            assert {"name": name, "enabled": True, "success-response": True} in commands


def test_long_string_in_id_comes_back_whole(agent):
    text = "x" * 300_000
    with connect(agent) as client:
        reply = json.loads(client.exchange(json.dumps({"execute": "guest-ping", "id": text})))
        assert reply["id"] == text
