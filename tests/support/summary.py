#!/usr/bin/python3
"""Adds up JUnit files: names what failed, says why what was skipped was, and ends with the count.

    summary.py FOLDER SUITE...

Each SUITE must have left FOLDER/SUITE.xml with at least one test in it; one that did not counts as a failure.
Where a test in there is a GoogleTest program that left FOLDER/SUITE/NAME.xml, its own tests are counted in its place.
Exits 1 when anything failed."""

import collections
import dataclasses
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)  # (name, reason)


def reason_of(case):
    """pytest says it in the element; GoogleTest prints it before its line of result."""
    said = re.search(r"Skipped\n(.*?)\n+\[  SKIPPED", case.findtext("system-out") or "", re.DOTALL)
    if said:
        return " ".join(said.group(1).split())
    skipped = case.find("skipped")
    # GoogleTest puts the place before the reason.
    return (skipped is not None and skipped.get("message") or "no reason given").splitlines()[-1]


def was_skipped(case):
    """Not so a test that ctest could not start: it says `notrun` of that too, as GoogleTest does of a disabled one."""
    skipped = case.find("skipped")
    if case.get("status") == "notrun":
        return case.get("result") == "suppressed" or (
            skipped is not None and skipped.get("message", "").startswith("SKIP_"))
    return skipped is not None or case.get("status") == "disabled"


def has_failed(case):
    return (case.find("failure") is not None or case.find("error") is not None
            or case.get("status") in ("fail", "notrun"))


def name_of(case):
    words = dict.fromkeys(filter(None, (case.get("classname"), case.get("name"))))
    return ".".join(words)


def add(case, suite, counts):
    name = f"{suite}: {name_of(case)}"
    if was_skipped(case):
        counts.skipped.append((name, reason_of(case)))
    elif has_failed(case):
        counts.failed.append(name)
    else:
        counts.passed += 1


def add_program(case, own_cases, suite, counts):
    """A program may also fail outside of its tests: by a crash at its end, or by its time limit."""
    failed_before = len(counts.failed)
    for own_case in own_cases:
        add(own_case, suite, counts)
    if has_failed(case) and not was_skipped(case) and len(counts.failed) == failed_before:
        counts.failed.append(f"{suite}: {name_of(case)}")


def read_cases(path):
    return list(xml.parse(path).iter("testcase"))


def own_cases_of(folder, suite, case):
    try:
        return read_cases(folder / suite / f"{case.get('name')}.xml")
    except (OSError, xml.ParseError):
        return []


def add_suite(folder, suite, counts):
    try:
        cases = read_cases(folder / f"{suite}.xml")
    except (OSError, xml.ParseError) as error:
        counts.failed.append(f"{suite}: left no result ({error})")
        return
    if not cases:
        counts.failed.append(f"{suite}: no test in it")
    for case in cases:
        own_cases = own_cases_of(folder, suite, case)
        if own_cases:
            add_program(case, own_cases, suite, counts)
        else:
            add(case, suite, counts)


def print_counts(counts):
    for name in counts.failed:
        print(f"FAILED  {name}")
    by_reason = collections.defaultdict(list)
    for name, reason in counts.skipped:
        by_reason[reason].append(name)
    for reason, names in by_reason.items():
        print(f"skipped {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") + f": {reason}")
    print(f"{counts.passed} passed, {len(counts.failed)} failed, {len(counts.skipped)} skipped")


def main():
    folder, suites = pathlib.Path(sys.argv[1]), sys.argv[2:]
    counts = Counts()
    for suite in suites:
        add_suite(folder, suite, counts)
    print_counts(counts)
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
