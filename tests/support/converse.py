#!/usr/bin/python3
"""A first conversation with Reeve under examples/run-policy.yaml, printed as it passes.

Fails, and says at which step, when an answer is not what the policy promises."""

import base64
import json
import sys
import textwrap
import time

from qga import Client

PROGRAM_LIMIT_S = 10


def show(title, request, reply):
    print(f"# {title}")
    print(f"> {request}")
    print(textwrap.shorten(f"< {reply}", 400, placeholder=" ..."))
    print(flush=True)


class Conversation:
    """Says one thing after the other; expects what was promised."""

    def __init__(self, client):
        self._client = client

    def say(self, title, command, arguments=None, is_refused=False):
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        line = json.dumps(request)
        reply = self._client.exchange(line)
        show(title, line, reply)
        answer = json.loads(reply)
        if ("error" in answer) != is_refused:
            raise SystemExit(f"converse: {command}: expected {'a refusal' if is_refused else 'a result'}")
        return answer["error"] if is_refused else answer["return"]

    def wait_for_program(self, pid):
        end = time.monotonic() + PROGRAM_LIMIT_S
        while time.monotonic() < end:
            answer = self._client.call("guest-exec-status", pid=pid)["return"]
            if answer["exited"]:
                return answer
            time.sleep(0.05)
        raise SystemExit("converse: the program does not end")

    def run_a_program(self):
        pid = self.say("A program that a rule permits", "guest-exec",
                       {"path": "/usr/bin/df", "arg": ["-h", "/"], "capture-output": True})["pid"]
        status = self.wait_for_program(pid)
        if status["exitcode"] != 0:
            raise SystemExit(f"converse: df ended with {status}")
        print(base64.b64decode(status["out-data"]).decode())

    def read_a_file(self):
        handle = self.say("A file in a directory that a rule grants", "guest-file-open", {"path": "/usr/lib/os-release"})
        data = self.say("Its content", "guest-file-read", {"handle": handle})
        print(base64.b64decode(data["buf-b64"]).decode())
        self.say("Closed again", "guest-file-close", {"handle": handle})


def main():
    with Client(sys.argv[1]) as client:
        talk = Conversation(client)
        talk.say("Is anybody there?", "guest-ping")
        talk.say("Who is it?", "guest-info")
        talk.run_a_program()
        talk.say("A program that no rule names", "guest-exec", {"path": "/usr/bin/id"}, is_refused=True)
        talk.read_a_file()
        talk.say("A file that no rule names", "guest-file-open", {"path": "/etc/shadow"}, is_refused=True)
        talk.say("What would hurt this machine", "guest-shutdown", is_refused=True)


if __name__ == "__main__":
    main()
