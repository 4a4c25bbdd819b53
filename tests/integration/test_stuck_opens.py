"""A dead mount holds the children that the warden made for it, and never the warden.

Under granted directories stand a FUSE mount that nobody serves and a frozen loop device. Twenty opens get stuck there;
opens and programs elsewhere are answered meanwhile. The mounts are made in a mount namespace of the test's own, which
this file enters by running itself; the only file system that is frozen is the loop device made here.
"""
import base64
import ctypes
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

STUCK = 20
FIFREEZE = 0xC0045877
FITHAW = 0xC0045878

POLICY = """\
schema: 1
profile: standard
files:
  directories:
    - {{id: good, path: {good}, access: [read, write, create], as: root}}
    - {{id: dead, path: {dead}, access: [read, write, create], as: root}}
    - {{id: frozen, path: {frozen}, access: [read, write, create], as: root}}
exec:
  rules:
    true:
      run: /bin/true
      confine: service
      as: nobody
      args: [[]]
"""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.rest = b''

    def send(self, command, **arguments):
        self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')

    def receive(self):
        while b'\n' not in self.rest:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError('the agent closed the connection')
            self.rest += piece
        line, self.rest = self.rest.split(b'\n', 1)
        return json.loads(line)

    def call(self, command, **arguments):
        self.send(command, **arguments)
        return self.receive()

    def has_answer(self):
        if b'\n' in self.rest:
            return True
        self.socket.setblocking(False)
        try:
            piece = self.socket.recv(65536)
            if not piece:
                return True
            self.rest += piece
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(30)
        return b'\n' in self.rest


def mount_dead_fuse(at):
    """A FUSE file system whose requests nobody reads. The returned descriptor keeps it alive."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open('/dev/fuse', os.O_RDWR | os.O_CLOEXEC)
    options = f'fd={device},rootmode=40000,user_id=0,group_id=0,allow_other'
    if libc.mount(b'dead', at.encode(), b'fuse', 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), 'mount fuse')
    return device


def only_loop_device(at):
    """Decision M4, for this one mount: what is frozen is a loop device, else nothing is."""
    device = os.stat(at).st_dev
    assert os.major(device) == 7, f'{at} stands on {os.major(device)}:{os.minor(device)}, no loop device'


def inside(build, work):
    paths = {name: os.path.join(work, name) for name in ('good', 'dead', 'frozen')}
    for path in paths.values():
        os.mkdir(path, 0o755)
    image = os.path.join(work, 'image')
    with open(image, 'wb') as file:
        file.truncate(32 << 20)
    subprocess.run(['mkfs.ext4', '-q', '-F', image], check=True)
    subprocess.run(['mount', '-o', 'loop', image, paths['frozen']], check=True)
    only_loop_device(paths['frozen'])
    keep = mount_dead_fuse(paths['dead'])
    policy = os.path.join(work, 'policy.yaml')
    with open(policy, 'w', encoding='utf-8') as file:
        file.write(POLICY.format(**paths))
    path = os.path.join(work, 'socket')
    run = os.path.join(work, 'run')
    os.mkdir(run, 0o700)
    agent = subprocess.Popen([os.path.join(build, 'bin/reeved'), '-m', 'unix-listen', '-p', path, '-t', run,
                              '--policy', policy], stderr=open(os.path.join(work, 'log'), 'wb'))
    frozen = None
    try:
        deadline = time.monotonic() + 30
        while not os.path.exists(path):
            assert agent.poll() is None and time.monotonic() < deadline, 'reeved did not start'
            time.sleep(0.05)
        client = Client(path)
        first = client.call('guest-file-open', path=paths['good'] + '/first', mode='w')
        assert 'return' in first, first

        frozen = os.open(paths['frozen'], os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(frozen, FIFREEZE, 0)
        stuck = [Client(path) for _ in range(STUCK)]
        for number, one in enumerate(stuck):
            where = paths['dead'] if number % 2 else paths['frozen']
            one.send('guest-file-open', path=f'{where}/file{number}', mode='w')

        took = []
        for number in range(10):
            before = time.monotonic()
            opened = client.call('guest-file-open', path=f"{paths['good']}/file{number}", mode='w')
            assert 'return' in opened, opened
            took.append(time.monotonic() - before)
            before = time.monotonic()
            started = client.call('guest-exec', path='/bin/true')
            assert 'return' in started, started
            took.append(time.monotonic() - before)
        still_stuck = sum(not one.has_answer() for one in stuck)
        # Each stuck one is told within the 5 s that the warden gives it.
        errors = [one.receive() for one in stuck]
        fcntl.ioctl(frozen, FITHAW, 0)
        os.close(frozen)
        frozen = None
        after = client.call('guest-file-open', path=paths['frozen'] + '/later', mode='w')
        print(json.dumps({'still_stuck': still_stuck, 'errors': errors, 'after': after,
                          'slowest_ms': round(max(took) * 1000, 1),
                          'median_ms': round(sorted(took)[len(took) // 2] * 1000, 1)}))
    finally:
        if frozen is not None:
            fcntl.ioctl(frozen, FITHAW, 0)
            os.close(frozen)
        os.close(keep)  # ends the FUSE connection: whoever still waits there gets ENOTCONN
        agent.terminate()
        try:
            agent.wait(10)
        except subprocess.TimeoutExpired:
            agent.kill()
            raise
        with open(os.path.join(work, 'log'), 'rb') as log:
            sys.stderr.buffer.write(log.read())


def test_twenty_stuck_opens_delay_nobody_else(capsys):
    build = os.environ.get('REEVE_BUILD_DIR', 'build/release')
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        ran = subprocess.run(['unshare', '--mount', '--propagation', 'private', sys.executable, __file__,
                              os.path.abspath(build), work], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads(ran.stdout)
    with capsys.disabled():
        print(f"\n{STUCK} opens stuck: others answered in {result['median_ms']} ms (median), "
              f"{result['slowest_ms']} ms (slowest)")
    assert result['still_stuck'] == STUCK, 'the others were answered only after stuck ones'
    assert all('error' in reply for reply in result['errors']), result['errors']
    assert 'return' in result['after'], result['after']


if __name__ == '__main__':
    inside(sys.argv[1], sys.argv[2])
