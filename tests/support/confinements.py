"""What each confinement of programs means, as the tests here and in the guest compare it with what the probe finds."""

NOBODY = 65534
# Numbers of the capabilities that an administrator's program has not: modules, raw input and output, tracing, reboot, bpf,
# perfmon, the two of mandatory access control, the clock.
ADMIN_LACKS = sum(1 << number for number in (16, 17, 19, 22, 39, 38, 33, 32, 25))
DAC_READ_SEARCH = 1 << 2

# Of each profile: user (None: one of the range), capabilities as a function of the machine's own, and what the probe is to find.
DENIED_TO_ALL = {f"call:{name}": "EPERM" for name in (
    "keyctl", "bpf", "io_uring_setup", "perf_event_open", "userfaultfd", "process_vm_readv", "pidfd_getfd", "finit_module",
    "delete_module", "kexec_load", "reboot", "swapon", "iopl", "ptrace")}
DENIED_TO_MOST = {f"call:{name}": "EPERM" for name in (
    "mount", "umount2", "move_mount", "setns", "chroot", "clock_settime", "unshare-user", "unshare-net", "sethostname")}
WRITABLE = {f"write:{name}": "ok" for name in ("/", "/etc", "/usr", "/root", "/run", "/tmp", "/var/tmp", "/dev/shm", "/var/lib")}
# What a user could write if it were not read-only; in the rest of WRITABLE a user meets EACCES first.
OPEN_TO_USERS = ("/tmp", "/var/tmp", "/dev/shm")
READ_ONLY_TO_ROOT = {name: "EROFS" for name in WRITABLE} | {"write:/tmp": "ok"}
READ_ONLY_TO_USERS = {f"write:{name}": "EROFS" for name in OPEN_TO_USERS}
NO_SOCKET = {f"socket:{name}": "EAFNOSUPPORT" for name in ("inet", "inet6", "netlink", "vsock", "unix")} | {
    "connect:loopback": "EAFNOSUPPORT"}
UNIX_ONLY = NO_SOCKET | {"socket:unix": "ok"}
HOST_NETWORK = {"socket:inet": "ok", "socket:netlink": "ok", "socket:unix": "ok", "connect:loopback": "ECONNREFUSED"}
NOTHING_NEW = {"status.NoNewPrivs": "1"}
FILTERED = {"status.Seccomp": "2", "status.Seccomp_filters": "1"}
OWN_IDS = {"pid": "2"}

EXPECTED = {
    "unconfined": (0, lambda own: own, {"status.NoNewPrivs": "0", "status.Seccomp": "0", "read:shadow": "ok"} | HOST_NETWORK),
    "admin": (0, lambda own: own & ~ADMIN_LACKS,
              NOTHING_NEW | FILTERED | WRITABLE | HOST_NETWORK | DENIED_TO_ALL | {"call:mount": "ENOENT", "read:shadow": "ok"}),
    "admin-user": (NOBODY, lambda own: 0, NOTHING_NEW | FILTERED | HOST_NETWORK | DENIED_TO_ALL | {
        "write:/etc": "EACCES", "write:/tmp": "ok", "setuid:0": "EPERM", "read:shadow": "EACCES"}),
    "hook": (0, lambda own: own & ~ADMIN_LACKS, FILTERED | WRITABLE | UNIX_ONLY | DENIED_TO_ALL | {
        "status.NoNewPrivs": "0", "call:mount": "ENOENT", "read:shadow": "ok"}),
    "service": (NOBODY, lambda own: 0, NOTHING_NEW | FILTERED | READ_ONLY_TO_USERS | HOST_NETWORK | DENIED_TO_ALL |
                DENIED_TO_MOST | {"setuid:0": "EPERM", "read:shadow": "EACCES"}),
    "readonly": (NOBODY, lambda own: 0, NOTHING_NEW | FILTERED | READ_ONLY_TO_USERS | NO_SOCKET | DENIED_TO_ALL | DENIED_TO_MOST |
                 OWN_IDS | {"write:/tmp": "ok", "setuid:0": "EPERM", "read:shadow": "EACCES", "device:null": "ok"}),
    "readonly-root": (0, lambda own: own & DAC_READ_SEARCH, NOTHING_NEW | FILTERED | READ_ONLY_TO_ROOT | NO_SOCKET |
                      DENIED_TO_ALL | DENIED_TO_MOST | OWN_IDS | {"read:shadow": "ok", "device:null": "ok", "device:kmsg": "EACCES"}),
    "sandboxed": (None, lambda own: 0, NOTHING_NEW | FILTERED | UNIX_ONLY | DENIED_TO_ALL | DENIED_TO_MOST | OWN_IDS | {
        "write:/": "EROFS", "write:/etc": "EROFS", "write:/usr": "EROFS", "write:/dev": "EROFS", "write:/root": "ENOENT",
        "write:/run": "ENOENT", "write:/var/tmp": "ENOENT", "write:/tmp": "ok", "setuid:0": "EPERM", "read:shadow": "ENOENT",
        "read:passwd": "ENOENT", "device:null": "ok", "device:kmsg": "ENOENT", "cwd": "/"}),
}

# The words of a rule, by profile.
WORDS = {"admin-user": "confine: admin, as: nobody", "hook": "confine: hook", "service": "confine: service, as: nobody",
         "readonly": "confine: readonly, as: nobody", "readonly-root": "confine: readonly, as: root",
         "sandboxed": "confine: sandboxed"}


def policy(probe, timeout_s):
    """Rules for the probe, for bash, and for dash with a timeout, each with the profile's name as its last argument."""
    rules = []
    for profile in EXPECTED:
        words = WORDS.get(profile, f"confine: {profile}")
        rules += [
            f"    probe-{profile}: {{run: {probe}, args: [[{{literal: {profile}}}, {{repeat: {{of: {{path: {{under: /}}}}, min: 0, max: 9}}}}]], "
            f"{words}, reason: test}}",
            f"    bash-{profile}: {{run: /usr/bin/bash, args: [[{{literal: -c}}, {{any: {{max: 4096}}}}, {{literal: {profile}}}]], "
            f"{words}, reason: test}}",
            f"    dash-{profile}: {{run: /usr/bin/dash, args: [[{{literal: -c}}, {{any: {{max: 4096}}}}, {{literal: {profile}}}]], "
            f"{words}, timeout: {timeout_s}s, reason: test}}",
            f"    missing-{profile}: {{run: /usr/bin/missing, args: [[{{literal: {profile}}}]], {words}, reason: test}}"]
    return "schema: 1\nexec:\n  rules:\n" + "\n".join(rules) + "\n"


def parse(text):
    return dict((line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if " " in line)


def differences(found, profile, own_capabilities):
    """What is not as the table says: {what: (found, expected)}."""
    user, capabilities, expected = EXPECTED[profile]
    wanted = capabilities(own_capabilities)
    sets = {"status.CapBnd": wanted, "status.CapAmb": 0, "status.CapInh": 0}
    if user == 0:
        sets |= {"status.CapEff": wanted, "status.CapPrm": wanted}
    elif user is None or profile not in ("unconfined", "admin-user"):
        sets |= {"status.CapEff": 0, "status.CapPrm": 0}
    if profile == "admin-user":
        sets |= {"status.CapBnd": own_capabilities & ~ADMIN_LACKS, "status.CapEff": 0, "status.CapPrm": 0}
    wrong = {name: (found.get(name), f"{value:016x}") for name, value in sets.items() if found.get(name) != f"{value:016x}"}
    wrong |= {name: (found.get(name), value) for name, value in expected.items() if found.get(name) != value}
    uids = set(found["status.Uid"].split())
    if user is not None and uids != {str(user)} or len(uids) != 1:
        wrong["status.Uid"] = (uids, user)
    if user is None and found["status.Groups"]:
        wrong["status.Groups"] = (found["status.Groups"], "")
    return wrong
