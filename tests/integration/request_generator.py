"""Requests of every kind from a seed: right, nearly right and wrong, spelled in all the ways that the dialect has.

`@DIR@` in a request stands for the directory of the agent that it goes to."""

import json

INTEGERS = [0, 1, -1, 5, 255, 4095, 4096, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, -(2**63), 2**63, 2**64 - 1,
            2**64, -(2**63) - 1, 10**30]
NUMBERS = ["0", "-0", "1.0", "0.1", "1e3", "1E+2", "-1.5e-7", "123456789.123456789", "1e15", "1e16", "1e17", "1e22",
           "5e-324", "1.7976931348623157e308", "0.30000000000000004", "100000000000000000000", "2.5E-3", "-0.0", "1e-5"]
TEXTS = ["", "a", "guest-ping", "/", "\\", '"', "'", "\b\f\n\r\t", "\x7f", "é", "ß→€", "\ud7ff\ue000", "😀", "\U0010fffd", "a b",
         "x" * 300, "\u00a0", "<>&;$`", "%s%n", "ﬁ"]
NAMES = ["a", "b", "id", "execute", "arguments", "return", "error", "é", "", "x" * 40]
HANDLES = [999, 1000, 1001, 1002, 1003, 7, -1]
MODES = ["r", "rb", "w", "wb", "a", "ab", "r+", "rb+", "r+b", "w+", "wb+", "w+b", "a+", "ab+", "a+b", "", "rw", "x", "R"]
BASE64 = ["", "YQ==", "YWI=", "YWJj", "aGVsbG8gd29ybGQ=", "YWJj\nYWJj", "AAECAwQFBgcICQ==", "!!!!", "YW Jj", "aGk_", "Zm9v" * 400]
NEARLY = [b'{"execute":"guest-ping",}', b'{"execute" "guest-ping"}', b'{execute:"guest-ping"}', b'{"execute":"guest-ping"]',
          b'["execute"}', b"]", b"}", b'{"execute":"guest-ping" "id":1}', b"[1 2]", b"[1,]", b'{"a":}', b"{1:2}",
          b'{"execute":"guest-ping","id":tru}', b'{"execute":"guest-ping","id":True}', b'{"id":01}', b'{"id":+1}', b'{"id":.5}',
          b'{"id":1.}', b'{"id":1e}', b'{"id":-}', b'{"id":NaN}', b'{"id":"\\x"}', b'{"id":"\\u12"}', b'{"id":"\\ud800"}',
          b'{"id":"\\ud800\\u0041"}', b'{"id":"\\udc00"}', b'{"id":"\\uffff"}', b'{"id":"\xc3"}', b'{"id":"\xed\xa0\x80"}',
          b'{"id":"\xf5\x80\x80\x80"}', b'{"id":"\xef\xbf\xbf"}', b'{"id":"\xe0\x80\x80"}', b'{"id":"\xc1\x81"}', b"@", b"%",
          b"// x", b"\xef\xbb\xbf{}", b'{"id":1,"id":2}', b'{"a":{"b":1,"b":2}}', b'{"id":"a\nb"}', b'{"id":"a\tb"}',
          b'{"id":"a\x01b"}', b"\x00", b"\x1b", b"\xff", b"\xfe", b"\x80", b'{"execute":@}', b"nul ", b"truefalse ", b"1 2 3 ",
          b'{"execute":"guest-ping"}}', b"[" * 1025, b"[" * 1024 + b"]" * 1024, b"{" * 3 + b"}" * 3, b'{"id":"\\u00', b'{"id":\'a"}', b"--1 "]


class Generator:
    """`@DIR@` needs to hold FILES_THERE. No file is opened twice: what stands in qemu-ga's buffers would tell."""

    FILES_THERE = [f"{number}" for number in range(0, 4000, 2)]

    def __init__(self, random):
        self._random = random
        self._files = 0

    def _file(self):
        self._files += 1
        return self.spell(f"@DIR@/{self._files}")

    # ---- JSON ----

    def text(self):
        return self._random.choice(TEXTS) + (self._random.choice(TEXTS) if self._random.random() < 0.3 else "")

    def spell(self, text):
        """One of the ways to write a string."""
        quote = "'" if self._random.random() < 0.2 else '"'
        out = quote
        for character in text:
            out += self._spell_character(character, quote)
        return out + quote

    def _spell_character(self, character, quote):
        code = ord(character)
        shorts = {'"': '\\"', "'": "\\'", "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
        must = character in (quote, "\\") or code < 0x20
        if character in shorts and (must or self._random.random() < 0.3):
            return shorts[character]
        if not must and self._random.random() < 0.8:
            return character
        if code >= 0x10000:
            code -= 0x10000
            return f"\\u{0xd800 + (code >> 10):04x}\\u{0xdc00 + (code & 0x3ff):04X}"
        return f"\\u{code:04{self._random.choice('xX')}}"

    def space(self):
        return self._random.choice(["", "", "", " ", "\t", "\r\n", "\n ", "  "])

    def value(self, depth=0):
        kind = self._random.randrange(9 if depth < 4 else 6)
        if kind == 0:
            return str(self._random.choice(INTEGERS))
        if kind == 1:
            return self._random.choice(NUMBERS)
        if kind in (2, 3):
            return self.spell(self.text())
        if kind == 4:
            return self._random.choice(["true", "false"])
        if kind == 5:
            return "null"
        if kind == 6:
            return self.list([self.value(depth + 1) for _ in range(self._random.randrange(4))])
        if kind == 7:
            opener = self._random.randrange(1, 60)
            return "[" * opener + "]" * opener
        names = self._random.sample(NAMES, self._random.randrange(4))
        return self.object([(name, self.value(depth + 1)) for name in names])

    def list(self, values):
        return "[" + self.space() + ("," + self.space()).join(value + self.space() for value in values) + "]"

    def object(self, members):
        written = [self.space() + self.spell(name) + self.space() + ":" + self.space() + value + self.space()
                   for name, value in members]
        return "{" + ",".join(written) + self.space() + "}"

    # ---- requests ----

    def handle(self):
        return str(self._random.choice(HANDLES))

    def _arguments(self):
        """(command, its arguments), nearly always right."""
        choose = self._random.choice
        number = lambda *choices: str(choose(choices))
        return choose([
            lambda: ("guest-ping", {}),
            lambda: ("guest-sync", {"id": number(*INTEGERS)}),
            lambda: ("guest-file-open", {"path": self._file(), "mode": self.spell(choose(MODES))}),
            lambda: ("guest-file-open", {"path": self.spell("@DIR@/" + choose(["none/x", "0/x", "missing", "é"]))}),
            lambda: ("guest-file-close", {"handle": self.handle()}),
            lambda: ("guest-file-read", {"handle": self.handle(), "count": number(0, 1, 5, 100, 70000, -1, 50331649)}),
            lambda: ("guest-file-read", {"handle": self.handle()}),
            lambda: ("guest-file-write", {"handle": self.handle(), "buf-b64": self.spell(choose(BASE64))}),
            lambda: ("guest-file-write", {"handle": self.handle(), "buf-b64": self.spell(choose(BASE64)),
                                          "count": number(0, 1, 3, 5, 9999, -1)}),
            lambda: ("guest-file-seek", {"handle": self.handle(), "offset": number(0, 1, 3, 10, -1, -2, 5000),
                                         "whence": choose(["0", "1", "2", '"set"', '"cur"', '"end"', "3", "-1", '"SET"'])}),
            lambda: ("guest-file-flush", {"handle": self.handle()}),
            lambda: ("guest-exec-status", {"pid": number(0, 1, -1, 999999999)}),
        ])()

    def envelope(self):
        """A request."""
        command, arguments = self._arguments()
        if self._random.random() < 0.15:
            arguments = self._spoil(arguments)
        members = [("execute", self.spell(command))]
        if arguments or self._random.random() < 0.5:
            members.append(("arguments", self.object(list(arguments.items()))))
        if self._random.random() < 0.4:
            members.append(("id", self.value()))
        if self._random.random() < 0.08:
            members = self._spoil_envelope(members)
        self._random.shuffle(members)
        return self.object(members)

    def _spoil(self, arguments):
        arguments = dict(arguments)
        name = self._random.choice(list(arguments) or ["foo"])
        if self._random.random() < 0.4:
            arguments.pop(name, None)
        elif self._random.random() < 0.5:
            arguments[name] = self.value()
            if name == "path" and arguments[name][0] in "\"'":
                arguments[name] = "null"  # no file but those below @DIR@ is anybody's business
        else:
            arguments["foo"] = self.value()
        return arguments

    def _spoil_envelope(self, members):
        """One thing wrong: of several, which is named differs by the order in which an agent looks."""
        rest = [member for member in members if member[0] != "execute"]
        return self._random.choice([
            rest, members + [("exec-oob", '"guest-ping"')], members + [("foo", self.value())],
            rest + [("execute", self.value())], rest + [("execute", self.spell(self.text()))],
            rest + [("execute", '"Guest-Ping"')], [("execute", '"guest-ping"'), ("arguments", self.value())],
        ])

    def harmless(self):
        """A request that touches nothing, whatever becomes of it when bytes are changed; without a line feed."""
        members = [("execute", self.spell(self._random.choice(["guest-ping", "guest-sync", "nope"])))]
        if self._random.random() < 0.6:
            members.append(("arguments", self.object([("id", str(self._random.choice(INTEGERS)))])))
        if self._random.random() < 0.5:
            members.append(("id", self.value()))
        return self.object(members).replace("\r", " ").replace("\n", " ").encode()

    def spoiled(self):
        """Some harmless requests with some bytes changed, lost or put in; without a line feed."""
        data = bytearray(b" ".join(self.harmless() for _ in range(self._random.randint(1, 3))))
        for _ in range(self._random.choice([1, 1, 1, 2, 3])):
            at = self._random.randrange(len(data))
            byte = self._random.choice(b'{}[]:,"\'\\0129-+.eE@ tn\xff\xc3\x80')
            change = self._random.randrange(3)
            if change == 0:
                data[at] = byte
            elif change == 1:
                data.insert(at, byte)
            elif len(data) > 1:
                del data[at]
        return bytes(data)

    def well_formed(self):
        """Bytes of one value, which every agent answers by exactly one line."""
        if self._random.random() < 0.05:
            return self.value() + " "
        return self.envelope()

    def count(self, most):
        return self._random.randint(1, most)

    def nearly(self):
        return self._random.choice(NEARLY)

    def portions(self, data):
        """The same bytes, cut anywhere."""
        cuts = sorted(self._random.sample(range(len(data) + 1), min(len(data), self._random.choice([0, 0, 0, 1, 2, 5]))))
        return [data[begin:end] for begin, end in zip([0] + cuts, cuts + [len(data)])]


def canonical(line):
    """A reply without what the wire leaves open: the order of members."""
    try:
        value = json.loads(line, parse_int=lambda text: "int " + text, parse_float=lambda text: "float " + text)
    except ValueError:
        return line.decode()  # qemu-ga prints 1e999 as `inf`
    return json.dumps(value, sort_keys=True)
