#!/usr/bin/env python3
"""Run a TOML decoder over the files of the toml-test suite.

usage: run_toml_test.py SUITE_DIR DECODER

SUITE_DIR holds tests/files-toml-1.0.0. A valid file has to give the tagged JSON
beside it (floats and times are compared by value, the rest by text); an invalid
one has to be refused with exit status 1 and "line:column: text". Exit status: 0
when all pass, 1 when not, 77 (skipped) when the suite is not there.
"""

import datetime
import json
import math
import os
import re
import subprocess
import sys

LIST = "files-toml-1.0.0"
TIMEOUT_S = 20


def seconds_with_fraction(text):
    """Split 'HH:MM:SS.fraction' so that '.6' and '.600' are the same."""
    whole, _, fraction = text.partition(".")
    return whole, fraction.rstrip("0")


def normal_time(kind, text):
    text = text.upper().replace(" ", "T")
    if kind == "date-local":
        return text
    match = re.fullmatch(r"(?:(.*)T)?([0-9:.]+)(Z|[+-]\d\d:\d\d)?", text)
    if not match:
        raise ValueError(f"no {kind}: {text}")
    date, time, offset = match.groups()
    time, fraction = seconds_with_fraction(time)
    if kind != "datetime":
        return (date, time, offset, fraction)
    moment = datetime.datetime.fromisoformat(f"{date}T{time}")
    if offset != "Z":
        sign = -1 if offset[0] == "-" else 1
        delta = datetime.timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        moment = moment - sign * delta
    return (moment.isoformat(), fraction)


def normal(node):
    """A form of tagged JSON in which equal documents are equal."""
    if isinstance(node, list):
        return [normal(item) for item in node]
    if set(node) == {"type", "value"} and isinstance(node["type"], str):
        kind, value = node["type"], node["value"]
        if kind == "float":
            number = float(value)
            if math.isnan(number):
                return ("float", "nan")
            return ("float", number, math.copysign(1, number))
        if kind.startswith(("datetime", "date-", "time-")):
            return (kind, normal_time(kind, value))
        return (kind, value)
    return {key: normal(value) for key, value in node.items()}


def check_valid(run, expected_path):
    if run.returncode != 0:
        return f"refused: {run.stderr.decode(errors='replace').strip()}"
    with open(expected_path, encoding="utf-8") as file:
        expected = normal(json.load(file))
    got = normal(json.loads(run.stdout.decode("utf-8")))
    return None if got == expected else f"expected {expected}\n    got {got}"


def check_invalid(run):
    if run.returncode == 0:
        return "accepted"
    if run.returncode != 1:
        return f"exit status {run.returncode}: {run.stderr.decode(errors='replace')}"
    if not re.fullmatch(rb"[1-9]\d*:[1-9]\d*: [^\n]+\n", run.stderr):
        return f"no place in the error: {run.stderr!r}"
    return None


def check(tests_dir, name, decoder):
    path = os.path.join(tests_dir, name)
    with open(path, "rb") as file:
        run = subprocess.run([decoder], stdin=file, capture_output=True, timeout=TIMEOUT_S)
    if name.startswith("invalid/"):
        return check_invalid(run)
    return check_valid(run, path[: -len("toml")] + "json")


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    tests_dir, decoder = os.path.join(sys.argv[1], "tests"), sys.argv[2]
    list_path = os.path.join(tests_dir, LIST)
    if not os.path.exists(list_path):
        print(f"toml-test: skipped, no {list_path}")
        return 77

    with open(list_path, encoding="utf-8") as file:
        names = [line.strip() for line in file if line.strip().endswith(".toml")]
    failed = 0
    for name in names:
        try:
            problem = check(tests_dir, name, decoder)
        except (ValueError, TypeError, AttributeError, subprocess.TimeoutExpired) as error:
            problem = f"output not understood: {error}"
        if problem:
            failed += 1
            print(f"FAIL {name}\n    {problem}")
    print(f"toml-test: {len(names) - failed} passed, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
