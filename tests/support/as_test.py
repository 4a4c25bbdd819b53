#!/usr/bin/python3
"""Runs a command as a test of one: writes a JUnit file that says whether it succeeded.

    as_test.py FILE NAME COMMAND..."""

import subprocess
import sys
import xml.etree.ElementTree as xml


def main():
    path, name, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    status = subprocess.run(command, check=False).returncode
    suite = xml.Element("testsuite", name=name, tests="1", failures=str(int(status != 0)))
    case = xml.SubElement(suite, "testcase", name=name, classname=name)
    if status != 0:
        xml.SubElement(case, "failure", message=f"status {status}")
    xml.ElementTree(suite).write(path)
    return status


if __name__ == "__main__":
    sys.exit(main())
