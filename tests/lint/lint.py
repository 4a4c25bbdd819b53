#!/usr/bin/env python3
"""Checks what the layout promises: who includes whom, what may stand where, and how files are made.

    lint.py includes | rules | files | language | format | self-test
    lint.py count        what runs as root while the agent serves, and what runs before: lines of code by file

Each check prints FILE:LINE: what is wrong, and exits with 1 if there was anything. `self-test` shows each check a
tree with exactly its mistake and expects it to be seen."""
import os
import re
import subprocess
import sys
import tempfile

SOURCE = ('.cc', '.h', '.hpp', '.c')


def tracked(root):
    listed = subprocess.run(['git', '-C', root, 'ls-files', '--cached', '--others', '--exclude-standard', '-z'],
                            capture_output=True)
    if listed.returncode == 0:
        names = [n for n in listed.stdout.decode().split('\0') if n]
    else:
        names = [os.path.relpath(os.path.join(d, f), root) for d, _, fs in os.walk(root) for f in fs]
    return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))


def read(root, name):
    with open(os.path.join(root, name), encoding='utf-8', errors='replace') as file:
        return file.read()


def without_comments(text, keep_strings=False):
    """The code with comments (and string bodies) blanked, lines kept."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        token = match.group(0)
        if token[0] == '/' or not keep_strings:
            return re.sub(r'[^\n]', ' ', token)
        return token
    return re.sub(pattern, blank, text, flags=re.S)


def table(path):
    with open(path, encoding='utf-8') as file:
        return [line.rstrip('\n') for line in file if line.strip() and not line.startswith('#')]


def below(name, place):
    return name == place or name.startswith(place + '/')


def check_includes(root, rows):
    allowed = {}
    for row in rows:
        left, right = row.split(':', 1)
        allowed[left.strip()] = right.split()
    ours = {row.split('/')[0] for row in allowed} | {'agent', 'plugins', 'helpers', 'tools'}
    found = []
    for name in tracked(root):
        if not name.endswith(SOURCE):
            continue
        holds = [left for left in allowed if below(name, left)]
        if not holds:
            found.append(f'{name}:1: stands in no folder of the include table')
            continue
        row = max(holds, key=len)
        home = os.path.dirname(name)
        for number, line in enumerate(without_comments(read(root, name), keep_strings=True).split('\n'), 1):
            include = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not include:
                continue
            target = include.group(1)
            if target.split('/')[0] not in ours or '/' not in target:
                continue
            is_test = name.endswith('_test.cc') or name.endswith('testing.h')
            if below(target, row if not row.endswith('.h') else home) or below(os.path.dirname(target), home):
                continue
            if '*' in allowed[row] or any(below(target, place) for place in allowed[row]):
                continue
            if is_test and (target == 'base/testing.h' or below(target, 'tests/support')):
                continue
            if row == 'plugins' and below(target, '/'.join(name.split('/')[:2])):
                continue
            found.append(f'{name}:{number}: {row} may not include {target}')
    # A plugin may not include another plugin.
    for name in tracked(root):
        if below(name, 'plugins') and name.endswith(SOURCE):
            own = '/'.join(name.split('/')[:2])
            for number, line in enumerate(read(root, name).split('\n'), 1):
                include = re.match(r'\s*#\s*include\s*"(plugins/[^/"]+)/', line)
                if include and include.group(1) != own:
                    found.append(f'{name}:{number}: {own} may not include {include.group(1)}')
    return sorted(set(found))


def check_rules(root, rows):
    found = []
    for row in rows:
        # The expression may hold `|`; the name is before the first, the places after the last, with blanks around.
        name, rest = row.split('|', 1)
        expression, places = rest.rsplit('|', 1)
        pattern = re.compile(expression.strip())
        for file in tracked(root):
            if not file.endswith(SOURCE) or any(below(file, place) for place in places.split()):
                continue
            if below(file, 'tests') or below(file, 'bench') or below(file, 'examples') or file.endswith('_test.cc'):
                if name.strip() not in ('std-regex',):
                    continue
            code = without_comments(read(root, file))
            includes = without_comments(read(root, file), keep_strings=True)
            lines = code.split('\n')
            for number, line in enumerate(includes.split('\n'), 1):
                if re.match(r'\s*#\s*include', line):
                    lines[number - 1] = line
            for number, line in enumerate(lines, 1):
                if pattern.search(line):
                    found.append(f'{file}:{number}: {name.strip()} may stand only in: {places.strip() or "nowhere"}')
    return found


def check_files(root):
    found = []
    for name in tracked(root):
        if re.search(r'(^|/)(utils?|common|manager|misc|helpers?)\.(h|cc)$', name):
            found.append(f'{name}:1: a file is named for its job')
        if name.endswith(('.h', '.hpp')) and not below(name, 'plugin-api'):
            if '#pragma once' not in read(root, name):
                found.append(f'{name}:1: a header begins with #pragma once')
        if name.endswith('.cc') and not name.endswith(('_test.cc', 'main.cc', 'plugin.cc')) and \
                not below(name, 'tests') and not below(name, 'bench') and not below(name, 'examples'):
            first = re.search(r'^#include "([^"]+)"', read(root, name), re.M)
            if not first or os.path.dirname(first.group(1)) != os.path.dirname(name):
                found.append(f'{name}:1: its first include is its own header')
        if name.endswith(SOURCE + ('.py', '.sh', '.md', '.yaml', '.cmake', '.txt')):
            text = read(root, name)
            for number, line in enumerate(text.split('\n'), 1):
                if line != line.rstrip() and not name.endswith('.md'):
                    found.append(f'{name}:{number}: blanks at the end of the line')
                if re.search(r'TODO(?!\(#\d+\))', line) and not below(name, 'tests/lint'):
                    found.append(f'{name}:{number}: an open end names its issue: TODO(#123)')
            if text and not text.endswith('\n'):
                found.append(f'{name}:{text.count(chr(10)) + 1}: the last line does not end')
    return found


def check_language(root):
    """One word for one thing: words that the design replaced."""
    replaced = {r'\blauncher\b': 'warden', r'\bbroker\b': 'warden', r'\bspawner\b': 'warden',
                r'\bblacklist\b': 'block list', r'\bwhitelist\b': 'allow list', r'\bnative protocol\b': 'reeve protocol'}
    found = []
    for name in tracked(root):
        if not name.endswith(SOURCE + ('.md', '.yaml')) or below(name, 'tests/lint'):
            continue
        for number, line in enumerate(read(root, name).split('\n'), 1):
            for pattern, word in replaced.items():
                if re.search(pattern, re.sub(r'"\w+"', '', line)) and '--blacklist' not in line:
                    found.append(f'{name}:{number}: say {word}')
    return found


def check_format(root, here):
    """What clang-format would change. Its version is part of the answer, so it is named."""
    style = os.path.join(os.path.dirname(os.path.dirname(here)), '.clang-format')
    files = [name for name in tracked(root) if name.endswith(SOURCE)]
    ran = subprocess.run(['clang-format-19', '--dry-run', '-style=file:' + style] + files, cwd=root,
                         capture_output=True, text=True)
    return sorted({re.sub(r':\d+: warning: .*', ': clang-format-19 -i would change this', line)
                   for line in ran.stderr.split('\n') if '-Wclang-format-violations' in line})


def self_test(here):
    cases = [
        ('includes', 'policy/x.cc', '#include "agent/core/y.h"\n', 'may not include agent/core/y.h'),
        ('includes', 'plugins/a/x.cc', '#include "plugins/b/y.h"\n', 'plugins/a may not include plugins/b'),
        ('includes', 'agent/warden/x.cc', '#include "agent/core/y.h"\n', 'may not include'),
        ('includes', 'elsewhere/x.cc', 'int x;\n', 'no folder of the include table'),
        ('rules', 'agent/core/x.cc', 'int f() { return fork(); }\n', 'processes may stand only in'),
        ('rules', 'agent/core/x.cc', '#include <yaml-cpp/yaml.h>\n', 'yaml may stand only in'),
        ('rules', 'policy/x.cc', 'std::regex r;\n', 'std-regex may stand only in'),
        ('rules', 'agent/worker/x.cc', 'void* p = dlopen("x", 0);\n', 'dlopen may stand only in'),
        ('rules', 'base/x.cc', 'void f() { throw 1; }\n', 'throw may stand only in'),
        ('files', 'base/utils.h', '#pragma once\n', 'named for its job'),
        ('files', 'base/x.h', 'int x;\n', '#pragma once'),
        ('files', 'base/lonely.cc', 'int x;\n', 'first include is its own header'),
        ('files', 'base/x_test.cc', 'int x;  \n', 'blanks at the end'),
        ('language', 'base/x.h', '// the broker\n', 'say warden'),
        ('format', 'base/x.h', '#pragma once\nint   x;\n', 'would change this'),
    ]
    failed = 0
    for check, name, text, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(name)))
            with open(os.path.join(root, name), 'w', encoding='utf-8') as file:
                file.write(text)
            said = run(check, root, here)
            if not any(expected in line for line in said):
                print(f'self-test: {check} did not see {text!r} in {name}: {said}')
                failed += 1
    harmless = {'rules': '// fork() in a comment, "dlopen(" in a string\n'}
    for check, text in harmless.items():
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, 'policy'))
            with open(os.path.join(root, 'policy/x_test.cc'), 'w', encoding='utf-8') as file:
                file.write(text)
            if run(check, root, here):
                print(f'self-test: {check} saw a mistake in {text!r}')
                failed += 1
    return failed


def count(root):
    """Without blank lines, comments and tests."""
    total = 0
    for room in ('agent/warden', 'agent/start'):
        lines = {name: sum(1 for line in without_comments(read(root, name), keep_strings=True).splitlines() if line.strip())
                 for name in tracked(root)
                 if below(name, room) and name.endswith(SOURCE) and not name.endswith(('_test.cc', 'testing.h'))}
        for name, number in lines.items():
            print(f'{number:6} {name}')
        print(f'{sum(lines.values()):6} {room}')
        total += sum(lines.values())
    print(f'{total:6} in all')


def run(check, root, here):
    if check == 'includes':
        return check_includes(root, table(os.path.join(here, 'includes.table')))
    if check == 'rules':
        return check_rules(root, table(os.path.join(here, 'rules.table')))
    if check == 'files':
        return check_files(root)
    if check == 'language':
        return check_language(root)
    if check == 'format':
        return check_format(root, here)
    sys.exit(__doc__)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    check = sys.argv[1] if len(sys.argv) == 2 else ''
    if check == 'self-test':
        sys.exit(1 if self_test(here) else 0)
    if check == 'count':
        return count(root)
    said = run(check, root, here)
    for line in said:
        print(line)
    sys.exit(1 if said else 0)


main()
