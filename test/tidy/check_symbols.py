#!/usr/bin/env python3
"""What the pure rooms leave for others to define, compared with the short list of what a room that
asks the system nothing may use: a stray time() or open() shows here.

usage: check_symbols.py pure_symbols.txt libpure.a
"""
import os
import subprocess
import sys


def read_list(path):
    """symbol -> the objects that may use it; empty: all."""
    allowed = {}
    for line in open(path, encoding="utf-8"):
        words = line.split("#")[0].split()
        if words:
            allowed[words[0]] = {word + ".o" for word in words[1:]}
    return allowed


def nm(*args):
    return subprocess.run(["nm", *args], check=True, text=True, capture_output=True).stdout


def undefined(library):
    """Pairs of object and symbol; `nm -u` puts "file.c.o:" above each object's lines."""
    name = ""
    for line in nm("-u", library).splitlines():
        words = line.split()
        if len(words) == 1 and line.endswith(":"):
            # In a thin archive: "lib.p/src_base_err.c.o"; the file's name is unique in the tree.
            name = line[:-1].rstrip("]").split("/")[-1].split("_", 2)[-1]
        elif words:
            # "w": weak, left by the compiler's start-up code and sanitizers.
            if words[0] == "U":
                yield name, words[1].split("@")[0]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    allowed = read_list(sys.argv[1])
    library = sys.argv[2]
    defined = {
        line.split()[2] for line in nm("-g", "--defined-only", library).splitlines()
        if len(line.split()) == 3
    }
    if not defined:
        sys.exit(f"{library}: defines nothing")
    wrong = set()
    for name, symbol in undefined(library):
        if symbol in defined:
            continue
        if symbol not in allowed:
            wrong.add(f"{name}: uses {symbol}, which is not in {os.path.basename(sys.argv[1])}")
        elif allowed[symbol] and name not in allowed[symbol]:
            wrong.add(f"{name}: uses {symbol}, which is for {', '.join(sorted(allowed[symbol]))}")
    for line in sorted(wrong):
        print(line)
    print(f"{len(defined)} symbols defined, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
