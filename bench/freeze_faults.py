#!/usr/bin/python3
"""Freezes, lets something die, hang or fail at a random moment of it, and looks whether the file systems can be written again
within the thaw timeout and a second, whether a sync is answered within a second all the while, and what is left over.

    sudo bench/freeze_faults.py [--cycles N] [--seed N] [--fault NAME] [--prefix DIR] [--json] [--sync-limit S] [--slack S]

On loop devices of its own and nothing else (tests/support/loop_root.py). Prints a row for each fault, and for each cycle that
went wrong how to run it again. Exits 1 when one did."""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from freeze_watchers import GIVE_UP_S, Host, Syncs, Writer  # noqa: E402
from served_root import ServedRoot, adopt_orphans  # noqa: E402

THAW_TIMEOUT_S, HOOK_TIMEOUT_S = 1.0, 0.7
HOOK = """#!/bin/sh
read mode < /tmp/mode
echo $1 >> /tmp/hook.log
case $mode:$1 in
  slow:*) sleep 0.05 ;;
  hang:freeze | hang-thaw:thaw) sleep 1000 ;;
  fail:freeze) echo no room; exit 3 ;;
  daemon:freeze) setsid sleep 1000 & sleep 1000 & ;;
esac
exit 0
"""
POLICY = f"""\
schema: 1
profile: standard
sandbox-defaults: {{restart: {{initial: 100ms, max: 1s, budget: 1000 per 10min}}}}
plugins:
  fsfreeze:
    programs:
      hook: {{run: /hooks/a, args: [[{{one-of: [freeze, thaw]}}]], confine: hook, timeout: 60s, reason: a test}}
    settings:
      hooks: [/hooks/a]
      thaw-timeout: {int(THAW_TIMEOUT_S * 1000)}ms
      hook-timeout: {int(HOOK_TIMEOUT_S * 1000)}ms
"""
PHASES = {b"\x00": "hooks", b"\x01": "freezing", b"\x02": "frozen"}


@dataclasses.dataclass
class Fault:
    name: str
    act: object = None  # of Cycle; None: the hook or the host are the fault
    mode: str = ""      # the hook's; empty: one that works, at once or slowly
    host: str = ""      # its behaviour; empty: it thaws or does not
    hooks_are_told: bool = True  # what was told of the freeze is told of the thaw


class Cycle:
    """One freeze and what happens to it."""

    def __init__(self, bench, fault, number, seed):
        self.bench, self.fault, self.root = bench, fault, bench.root
        self.random = random.Random(f"{seed}/{number}")
        self.phase = "-"
        self.problems = []
        self.is_listless = False
        self.worst_write = self.worst_sync = 0.0

    # ---- what happens

    def request(self):
        if self.random.random() < 0.5:
            self.is_listless = True
            return {"execute": "guest-fsfreeze-freeze"}
        places = [place for place in self.root.held if self.random.random() < 0.6] or ["/"]
        # A request at which the plugin died twice is refused; this one is never the same.
        places.append(f"/none/{self.random.random()}")
        return {"execute": "guest-fsfreeze-freeze-list", "arguments": {"mountpoints": places}}

    def run(self):
        self.root.set_mode(self.fault.mode or self.random.choice(["ok", "slow"]))
        behaviour = self.fault.host or self.random.choice(["thaws", "leaves"])
        moment = self.random.choice(["during", "during", "frozen", "thaw"]) if self.fault.act else None
        if moment == "thaw" and behaviour != "thaws":
            moment = "timeout"
        pause = self.random.uniform(0, 0.25)
        for each in self.bench.writers:
            each.reset()
        self.bench.syncs.reset()
        host = Host(self.root, self.request(), behaviour, pause)
        if moment:
            self.wait_for(moment, host)
            self.phase = self.root.phase()
            if moment in ("thaw", "timeout") and self.phase != "freezing":
                self.phase = "thaw"
            self.fault.act(self)
        self.settle(host, time.monotonic())
        self.check(host)

    def wait_for(self, moment, host):
        freezing = self.bench.freeze_s
        if moment == "during":
            time.sleep(self.random.uniform(0, 1.2 * freezing))
        elif moment == "frozen":
            time.sleep(freezing + self.random.uniform(0, 0.2))
        elif moment == "timeout":
            time.sleep(freezing + THAW_TIMEOUT_S + self.random.uniform(-0.05, 0.05))
        else:
            host.thaws.wait(GIVE_UP_S)
            time.sleep(self.random.uniform(0, self.bench.thaw_s))

    # ---- faults

    def kill_worker(self):
        self.kill("reeve-worker", "fsfreeze")

    def kill_core(self):
        self.kill("reeve-core")

    def kill_core_and_worker(self):
        acts = [self.kill_worker, self.kill_core]
        self.random.shuffle(acts)
        for act in acts:
            act()

    def kill(self, *words):
        pid = self.root.find(*words)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_warden(self):
        self.bench.syncs.agent_gone()
        self.root.service.kill()
        self.root.service.wait()

    def as_systemd(self):
        """It ends what is left at once, runs ExecStopPost, starts anew."""
        time.sleep(self.random.uniform(0, 0.02))
        self.root.kill_all()
        self.root.thaw_by_list()
        self.again()

    def again(self):
        self.bench.note_start(self.root.start())
        self.bench.syncs.agent_there()

    def warden_under_systemd(self):
        self.kill_warden()
        self.as_systemd()

    def warden_restarted_only(self):
        self.kill_warden()
        time.sleep(self.random.uniform(0, 0.3))
        self.again()

    def warden_and_worker(self):
        worker = self.root.find("reeve-worker", "fsfreeze")
        self.kill_warden()
        if worker:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        time.sleep(self.random.uniform(0, 0.1))
        self.again()

    def warden_not_restarted(self):
        self.kill_warden()
        end = time.monotonic() + GIVE_UP_S
        while (self.root.processes() or self.root.names_something()) and time.monotonic() < end:
            time.sleep(0.01)
        if self.root.names_something():
            self.problems.append("without a warden the list is never emptied")
        for each in self.bench.writers:
            if not self.bench.wait(lambda each=each: each.has_written_since(end - GIVE_UP_S), 3):
                self.problems.append(f"{each.place} cannot be written although nobody is left")
        self.root.kill_all()  # a hook may go on
        self.again()

    def stop_service(self):
        self.bench.syncs.agent_gone()
        self.root.service.terminate()
        try:
            code = self.root.service.wait(GIVE_UP_S)
            if code != 0:
                self.problems.append(f"reeved ended with {code}")
        except subprocess.TimeoutExpired:
            self.problems.append("reeved does not end")
        if self.random.random() < 0.5:
            self.as_systemd()
        else:
            self.again()

    # ---- the end

    def status(self):
        try:
            with self.root.connect(timeout_s=GIVE_UP_S) as client:
                return client.call("guest-fsfreeze-status").get("return")
        except OSError:
            return None

    def is_over(self, host, since):
        if host.is_alive() or self.status() != "thawed" or self.root.listed():
            return False
        return all(each.has_written_since(since) for each in self.bench.writers)

    def settle(self, host, since):
        end = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end:
            # A request of a host that is gone may not have been read yet: looked at twice.
            if self.is_over(host, since) and not time.sleep(0.03) and self.is_over(host, since):
                return
            time.sleep(0.01)
        stuck = [each.place for each in self.bench.writers if not each.has_written_since(since)]
        self.problems += [f"it does not end: status {self.status()}, list {self.root.listed()!r}, cannot be written: {stuck}, "
                             f"host waits: {host.is_alive()}", *self.root.waits()]

    def check(self, host):
        bench = self.bench
        self.worst_write = max(each.worst() for each in bench.writers)
        self.worst_sync = bench.syncs.worst()
        if self.worst_write > THAW_TIMEOUT_S + bench.slack_s:
            self.problems.append(f"a write took {self.worst_write:.2f} s")
        if self.worst_sync > bench.sync_limit_s:
            self.problems.append(f"a sync took {self.worst_sync:.2f} s")
        self.problems += bench.syncs.errors
        bench.syncs.errors = []
        self.check_replies(host)
        self.check_leftovers()
        told = self.root.hook_words()
        if self.fault.hooks_are_told and told and told[-1] == "freeze":
            self.problems.append(f"the hook was told {told} and no thaw")

    def check_replies(self, host):
        if self.fault.act is not None:
            return
        expected = {"hang": "did not end in time", "fail": "no room"}.get(self.fault.mode)
        text = json.dumps(host.freeze_reply)
        if expected and expected not in text and "cancelled" not in text:
            self.problems.append(f"the freeze was answered by {text}")
        if not expected and self.fault.host != "gone" and "return" not in text:
            self.problems.append(f"the freeze was answered by {text}")
        if self.fault.name == "none":
            if host.freeze_reply != host.thaw_reply:
                self.problems.append(f"answers {text} and {host.thaw_reply}")
            self.bench.learn(host.freeze_took, host.thaw_took)

    def check_leftovers(self):
        if self.fault.mode == "daemon":
            # A hook may start one, and it is not Reeve's to end.
            for pid, words in self.root.processes().items():
                if words[0] == "sleep":
                    os.kill(pid, signal.SIGKILL)
        if not self.bench.wait(lambda: not self.leftovers(), 3):
            self.problems.append(f"left over: {self.leftovers()}")
            for pid in self.root.processes():
                if pid != self.root.service.pid and self.root.processes().get(pid, [""])[0] in ("sleep", "/bin/sh"):
                    os.kill(pid, signal.SIGKILL)
        self.root.reap()

    def leftovers(self):
        allowed = collections.Counter({("reeved",): 1, ("reeve-core",): 1, ("reeve-worker", "fsfreeze"): 1})
        found = collections.Counter(tuple(words[:2]) if words[0] == "reeve-worker" else (pathlib.Path(words[0]).name,)
                                    for words in self.root.processes().values())
        return [*(found - allowed).elements(), *(("unreaped", pid) for pid in self.root.unreaped())]


FAULTS = [
    Fault("none", host="thaws"),
    Fault("worker killed", Cycle.kill_worker),
    Fault("core killed", Cycle.kill_core),
    Fault("core and worker killed", Cycle.kill_core_and_worker),
    Fault("warden killed, under systemd", Cycle.warden_under_systemd, hooks_are_told=False),
    Fault("warden killed, restarted only", Cycle.warden_restarted_only, hooks_are_told=False),
    Fault("warden killed, not restarted", Cycle.warden_not_restarted, hooks_are_told=False),
    Fault("warden and worker killed", Cycle.warden_and_worker, hooks_are_told=False),
    Fault("service stopped", Cycle.stop_service, hooks_are_told=False),
    Fault("hook hangs", mode="hang"),
    Fault("hook hangs at thaw", mode="hang-thaw"),
    Fault("hook fails", mode="fail"),
    Fault("hook leaves daemons", mode="daemon"),
    Fault("host never thaws", host="leaves"),
    Fault("client gone", host="gone"),
]


class FaultRoot(ServedRoot):
    """A root with the hook that does as it is told."""

    def __init__(self, install, first_uid):
        super().__init__(install, POLICY, files={"/hooks/a": (0o755, HOOK)}, first_uid=first_uid)
        # Not btrfs: a SIGKILL to who thaws one makes the kernel set it read-only for good (README.md beside).
        self.mounts = [kind for kind in self.mounts if kind != "btrfs"]

    def set_mode(self, mode):
        # Renamed: a hook of before may still read it.
        self.path("/tmp/new").write_text(mode + "\n")
        self.path("/tmp/new").rename(self.path("/tmp/mode"))
        self.path("/tmp/hook.log").write_text("")

    def hook_words(self):
        return self.path("/tmp/hook.log").read_text().split()

    def phase(self):
        """By the state in the head of the list (storage/freeze_list.cc)."""
        try:
            return PHASES.get(self.path("/run/reeve/state/fsfreeze").read_bytes()[12:13], "hooks")
        except FileNotFoundError:
            return "hooks"


class Bench:
    """The root, who looks at it all the time, and what was measured."""

    def __init__(self, root, sync_limit_s, slack_s):
        self.root = root
        self.sync_limit_s, self.slack_s = sync_limit_s, slack_s
        self.freeze_s, self.thaw_s = 0.3, 0.2
        self.worst_start = 0.0
        self.root.set_mode("ok")
        self.note_start(root.start())
        self.syncs = Syncs(root)
        self.syncs.agent_there()
        self.syncs.start()
        # Before anything is frozen: an opening that makes a file waits as well.
        self.files = {place: os.open(root.path(f"{place}/written"), os.O_WRONLY | os.O_CREAT) for place in root.held}
        self.writers = [Writer(place, fd) for place, fd in self.files.items()]

    def end(self):
        self.root.thaw_all()
        for each in [*self.writers, self.syncs]:
            each.stops = True
        for each in self.writers:
            each.join(GIVE_UP_S)
        for fd in self.files.values():
            os.close(fd)

    def note_start(self, took_s):
        self.worst_start = max(self.worst_start, took_s)

    def learn(self, freeze_s, thaw_s):
        self.freeze_s += 0.3 * (freeze_s - self.freeze_s)
        self.thaw_s += 0.3 * (thaw_s - self.thaw_s)

    @staticmethod
    def wait(claim, limit_s):
        end = time.monotonic() + limit_s
        while not claim():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


@dataclasses.dataclass
class Row:
    cycles: int = 0
    worst_write_s: float = 0.0
    worst_sync_s: float = 0.0
    phases: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    problems: list = dataclasses.field(default_factory=list)

    def add(self, cycle, number):
        self.cycles += 1
        self.worst_write_s = max(self.worst_write_s, cycle.worst_write)
        self.worst_sync_s = max(self.worst_sync_s, cycle.worst_sync)
        if cycle.phase != "-":
            self.phases[cycle.phase] += 1
        self.problems += [f"cycle {number}: {each}" for each in cycle.problems]


def run_cycles(bench, faults, count, seed):
    """{name of the fault: its row}."""
    rows = {fault.name: Row() for fault in faults}
    plain = FAULTS[0]
    for number in range(count):
        fault = faults[number % len(faults)]
        cycle = Cycle(bench, fault, number, seed)
        cycle.run()
        rows[fault.name].add(cycle, number)
        for problem in cycle.problems:
            print(f"{fault.name}, cycle {number}: {problem}", file=sys.stderr, flush=True)
        if "worker" in fault.name and cycle.is_listless:
            # A freeze at which the worker died twice would be refused; and it has to work again.
            again = Cycle(bench, plain, f"{number} again", seed)
            again.run()
            rows[fault.name].problems += [f"after cycle {number}: {each}" for each in again.problems]
    return rows


def print_table(rows, bench):
    width = max(len(name) for name in rows)
    print(f"{'fault':{width}}  cycles  worst to writable, s  worst sync, s  wrong  hit in")
    for name, row in rows.items():
        hit = ", ".join(f"{phase} {count}" for phase, count in sorted(row.phases.items()))
        print(f"{name:{width}}  {row.cycles:6}  {row.worst_write_s:20.2f}  {row.worst_sync_s:13.3f}  {len(row.problems):5}  {hit}")
    total = sum(row.cycles for row in rows.values())
    print(f"{total} cycles; thaw timeout {THAW_TIMEOUT_S:g} s; worst start {bench.worst_start:.2f} s; "
          f"a freeze takes {bench.freeze_s:.2f} s, a thaw {bench.thaw_s:.2f} s")


@contextlib.contextmanager
def installed(prefix):
    if prefix:
        yield pathlib.Path(prefix)
        return
    build = pathlib.Path(os.environ.get("REEVE_BUILD_DIR", ROOT / "build/release"))
    with tempfile.TemporaryDirectory(prefix="reeve-install-") as made:
        pathlib.Path(made).chmod(0o755)
        subprocess.run(["cmake", "--install", build, "--prefix", made], check=True, stdout=subprocess.DEVNULL, umask=0o022)
        yield pathlib.Path(made)


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--fault", action="append", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--prefix")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sync-limit", type=float, default=1.0)
    parser.add_argument("--slack", type=float, default=1.0)
    return parser.parse_args()


def main():
    words = options()
    print(f"seed {words.seed}", file=sys.stderr, flush=True)
    if os.geteuid() != 0:
        sys.exit("freeze_faults.py: it mounts, and Reeve's warden needs root")
    if os.path.isdir("/dev/shm"):
        tempfile.tempdir = "/dev/shm"  # images in memory: no disk's own delays are measured
    adopt_orphans()
    faults = [fault for fault in FAULTS if not words.fault or fault.name in words.fault]
    first_uid = 1_000_000 + os.getpid() % 50_000 * 256
    with installed(words.prefix) as prefix, FaultRoot(prefix, first_uid) as root:
        bench = Bench(root, words.sync_limit, words.slack)
        try:
            rows = run_cycles(bench, faults, words.cycles, words.seed)
        finally:
            bench.end()
            log = root.log()
        if words.json:
            print(json.dumps({name: vars(row) for name, row in rows.items()}))
        else:
            print_table(rows, bench)
        is_good = not any(row.problems for row in rows.values())
        if not is_good:
            kept = tempfile.NamedTemporaryFile(prefix="freeze-faults-", suffix=".log", delete=False, dir="/tmp", mode="w")
            kept.write(log)
            print(f"seed {words.seed}; the log is {kept.name}", file=sys.stderr)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
