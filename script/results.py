#!/usr/bin/env python3
"""Adds up what the stages of script/test left behind.

usage: results.py FOLDER                     all stages: "N passed, N failed", exit 1 on failures
       results.py --stage FOLDER STAGE       one stage: "N passed, N failed, N skipped"
       results.py --failures FOLDER STAGE    the names of what failed, and why some were skipped
"""
import glob
import os
import re
import sys
import xml.etree.ElementTree as xml

CMOCKA_PASSED = re.compile(r"\[  PASSED  \] (\d+) test")


class Stage:
    def __init__(self, folder, name):
        self.passed, self.failed, self.skipped = 0, [], []
        report = os.path.join(folder, name + ".xml")
        if os.path.exists(report):
            try:
                self.read(report)
            except xml.ParseError:
                self.failed.append(f"{name}: its report is broken off")
        with open(os.path.join(folder, name + ".status"), encoding="utf-8") as f:
            status = int(f.read())
        if status and not self.failed:
            self.failed.append(f"{name}: exit status {status}")

    def read(self, report):
        for case in xml.parse(report).getroot().iter("testcase"):
            name = f"{case.get('classname', '')}.{case.get('name')}".strip(".")
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append(name)
            elif skipped is not None:
                self.skipped.append(f"{name}: {skipped.get('message') or 'skipped'}")
            else:
                self.passed += self.inside(case)

    @staticmethod
    def inside(case):
        """A unit test program is one case to Meson and many tests to cmocka."""
        said = "".join(
            part.text or "" for tag in ("system-out", "system-err") for part in case.iter(tag)
        )
        return sum(int(n) for n in CMOCKA_PASSED.findall(said)) or 1

    def summary(self):
        text = f"{self.passed} passed, {len(self.failed)} failed"
        return text + (f", {len(self.skipped)} skipped" if self.skipped else "")


def stages(folder):
    paths = sorted(glob.glob(os.path.join(folder, "*.status")), key=os.path.getmtime)
    return [os.path.basename(path)[: -len(".status")] for path in paths]


def main():
    args = sys.argv[1:]
    if len(args) == 3 and args[0] in ("--stage", "--failures"):
        stage = Stage(args[1], args[2])
        has_tests = stage.passed or stage.failed or stage.skipped
        if args[0] == "--stage":
            print(stage.summary() if has_tests else "done")
        else:
            print("\n".join(f"    failed: {name}" for name in stage.failed))
        return 0
    if len(args) != 1:
        sys.exit(__doc__)
    passed = failed = 0
    for name in stages(args[0]):
        stage = Stage(args[0], name)
        for line in stage.skipped:
            print(f"skipped: {line}")
        for line in stage.failed:
            print(f"failed: {line}")
        passed += stage.passed
        failed += len(stage.failed)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
