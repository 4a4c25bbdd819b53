#!/usr/bin/python3
"""What the last line of ./test.sh may be trusted with."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SUMMARY = pathlib.Path(__file__).with_name("summary.py")


def run(*suites, **files):
    with tempfile.TemporaryDirectory() as folder:
        for name, cases in files.items():
            path = pathlib.Path(folder) / (name.replace("__", "/") + ".xml")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"<testsuite>{cases}</testsuite>")
        done = subprocess.run([sys.executable, SUMMARY, folder, *suites], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


class SummaryTest(unittest.TestCase):
    def test_counts_what_passed(self):
        status, lines = run("unit", unit='<testcase name="A.B" classname="A.B" status="run"/><testcase name="c"/>')
        self.assertEqual((status, lines), (0, ["2 passed, 0 failed, 0 skipped"]))

    def test_fails_when_one_test_failed(self):
        status, lines = run("unit", unit='<testcase name="a"><failure/></testcase><testcase name="b"/>')
        self.assertEqual((status, lines), (1, ["FAILED  unit: a", "1 passed, 1 failed, 0 skipped"]))

    def test_fails_when_a_fixture_broke(self):
        self.assertEqual(run("vm", vm='<testcase name="a"><error message="x"/></testcase>')[0], 1)

    def test_says_why_something_was_skipped(self):
        ctest = ('<testcase name="a" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/><system-out>'
                 'a.cc:4: Skipped\nno vsock here\n[  SKIPPED ] a</system-out></testcase>')
        pytest = '<testcase name="b"><skipped message="no KVM"/></testcase>'
        status, lines = run("unit", unit=ctest + pytest)
        self.assertEqual((status, lines), (0, ["skipped unit: a: no vsock here", "skipped unit: b: no KVM",
                                               "0 passed, 0 failed, 2 skipped"]))

    def test_a_test_that_could_not_start_has_failed(self):
        case = '<testcase name="a" status="notrun"><skipped message="Unable to find executable"/></testcase>'
        self.assertEqual(run("unit", unit=case), (1, ["FAILED  unit: a", "0 passed, 1 failed, 0 skipped"]))

    def test_a_suite_without_result_has_failed(self):
        self.assertEqual(run("gone")[0], 1)

    def test_an_empty_suite_has_failed(self):
        self.assertEqual(run("unit", unit="")[0], 1)

    def test_counts_the_tests_of_a_program_for_the_program(self):
        own = ('<testcase name="a" classname="A" status="run" result="completed"/>'
               '<testcase name="b" classname="A" status="run" result="skipped"><skipped message="a.cc:4&#x0A;no root"/>'
               '</testcase>')
        status, lines = run("box", box='<testcase name="box_test" status="run"/>', box__box_test=own)
        self.assertEqual((status, lines), (0, ["skipped box: A.b: no root", "1 passed, 0 failed, 1 skipped"]))

    def test_a_program_that_failed_after_its_tests_has_failed(self):
        own = '<testcase name="a" classname="A" status="run" result="completed"/>'
        program = '<testcase name="box_test" status="fail"><failure/></testcase>'
        self.assertEqual(run("box", box=program, box__box_test=own),
                         (1, ["FAILED  box: box_test", "1 passed, 1 failed, 0 skipped"]))


if __name__ == "__main__":
    unittest.main()
