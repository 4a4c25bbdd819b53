"""What the VM tests ask of the agent, in the words of the tests."""

import base64

from guest import wait_until

OPEN_POLICY = "schema: 1\nprofile: open\n"
SHELL = "/bin/sh"

# One argument of virsh's is at most 128 KiB; base64 makes four bytes of three.
WRITE_PIECE = 95 * 1024
# One message of libvirt's is at most 4 MiB.
READ_PIECE = 2 * 1024 * 1024


def main_pid(guest):
    return guest.check("systemctl show --property=MainPID --value reeved.service")


def set_policy(guest, text):
    """An agent that began with this policy goes on: a restart takes an emulated guest many seconds."""
    is_written = guest.run("cat /etc/reeve/policy.yaml").out == text + "\n"
    if is_written and guest.policy_in_force == (text, main_pid(guest)):
        return
    guest.write("/etc/reeve/policy.yaml", text)
    guest.check("systemctl restart reeved.service", timeout_s=60)
    guest.wait_for_agent()
    guest.policy_in_force = text, main_pid(guest)


def start(guest, path, *words, capture=None, stdin=None):
    arguments = {"path": path, "arg": list(words)}
    if capture is not None:
        arguments["capture-output"] = capture
    if stdin is not None:
        arguments["input-data"] = base64.b64encode(stdin).decode()
    return guest.agent("guest-exec", **arguments)["pid"]


def wait_for(guest, pid, limit_s=60):
    """The status of a program that has ended, its output decoded."""
    def program_has_ended():
        """the end of the program"""
        status = guest.agent("guest-exec-status", pid=pid)
        return status if status["exited"] else None
    status = wait_until(program_has_ended, limit_s, step_s=0.1)
    for name in ("out-data", "err-data"):
        if name in status:
            status[name] = base64.b64decode(status[name])
    return status


def run(guest, path, *words, capture=True, stdin=None):
    return wait_for(guest, start(guest, path, *words, capture=capture, stdin=stdin))


def write_file(guest, path, data):
    handle = guest.agent("guest-file-open", path=path, mode="w")
    for begin in range(0, len(data), WRITE_PIECE):
        piece = data[begin:begin + WRITE_PIECE]
        done = guest.agent("guest-file-write", handle=handle, buf_b64=base64.b64encode(piece).decode())
        assert done == {"count": len(piece), "eof": False}
    guest.agent("guest-file-close", handle=handle)


def read_file(guest, path):
    handle = guest.agent("guest-file-open", path=path)
    data = b""
    while True:
        piece = guest.agent("guest-file-read", handle=handle, count=READ_PIECE)
        data += base64.b64decode(piece["buf-b64"])
        if piece["eof"]:
            break
    guest.agent("guest-file-close", handle=handle)
    return data
