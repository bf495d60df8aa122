#!/usr/bin/env python3
"""Reads every #include of src/ and include/ against rooms.txt: arrows go strictly down, an inside
header stays inside, libraries stay in their rooms, and a file's name is unique in the tree.

usage: check_rooms.py REPOSITORY
"""
import collections
import os
import re
import sys

LINES_MAX = 600
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def read_rules(path):
    rules = {"rooms": {}, "pure": set(), "pure-headers": set(), "only": {}}
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        key, colon, rest = line.partition(":")
        if not colon:
            sys.exit(f"{path}:{number}: no ':' in this line")
        words = rest.split()
        if key in ("pure", "pure-headers"):
            rules[key].update(words)
        elif key == "only":
            rules["only"][words[0]] = set(words[1:])
        else:
            rules["rooms"][key] = set(words)
    rooms = set(rules["rooms"])
    for room, below in rules["rooms"].items():
        rules["rooms"][room] = (rooms if "*" in below else below) | {room}
        if unknown := rules["rooms"][room] - rooms:
            sys.exit(f"{path}: {room} names {', '.join(sorted(unknown))}, which is no room")
    find_circle(path, rules["rooms"])
    return rules


def find_circle(path, rooms):
    """Strictly down: nobody may come back to itself."""
    below = {room: may - {room} for room, may in rooms.items()}
    while below:
        ground = {room for room, may in below.items() if not may & set(below)}
        if not ground:
            sys.exit(f"{path}: {', '.join(sorted(below))} go round in a circle")
        for room in ground:
            del below[room]


def sources(repository):
    for top in ("include", "src"):
        for folder, folders, files in os.walk(os.path.join(repository, top)):
            folders.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), repository)


class Check:
    def __init__(self, repository, rules):
        self.repository = repository
        self.rules = rules
        self.wrong = []

    def say(self, path, number, text):
        self.wrong.append(f"{path}:{number}: {text}")

    def inside_or_door(self, path, number, room, header):
        """A quoted include: a neighbour in the same folder, or the door of a room."""
        beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
        if os.path.exists(os.path.join(self.repository, beside)):
            if beside.split(os.sep)[1] != room:
                self.say(path, number, f'"{header}" is inside another room')
            return
        other = header.split("/")[0]
        if not os.path.exists(os.path.join(self.repository, "include", header)):
            self.say(path, number, f'"{header}" is neither beside this file nor in include/')
        elif other not in self.rules["rooms"][room]:
            self.say(path, number, f'{room} must not include {other} ("{header}")')
        elif path.startswith("include") and header.count("/") != 1:
            self.say(path, number, f'"{header}": write "ROOM/file.h"')

    def library(self, path, number, room, header):
        only = self.rules["only"].get(header)
        if only is not None:
            if room not in only:
                self.say(path, number, f"<{header}> is for {', '.join(sorted(only))}")
        elif room in self.rules["pure"] and header not in self.rules["pure-headers"]:
            self.say(path, number, f"{room} is pure and asks the system nothing: no <{header}>")

    def file(self, path):
        room = path.split(os.sep)[1]
        if room not in self.rules["rooms"]:
            self.say(path, 1, f"{room} is not in rooms.txt")
            return 0
        count = 0
        for count, line in enumerate(
            open(os.path.join(self.repository, path), encoding="utf-8"), 1
        ):
            found = INCLUDE.match(line)
            if found and found[1]:
                self.inside_or_door(path, count, room, found[1])
            elif found:
                self.library(path, count, room, found[2])
        return count


def main():
    repository = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
    rules = read_rules(os.path.join(repository, "test", "tidy", "rooms.txt"))
    check = Check(repository, rules)
    names = collections.defaultdict(list)
    for path in sources(repository):
        names[os.path.basename(path)].append(path)
        lines = check.file(path)
        if lines > LINES_MAX:
            print(f"warning: {path} has {lines} lines; look for the seam")
    for name, paths in names.items():
        if len(paths) > 1:
            check.say(paths[1], 1, f"{name} is also {paths[0]}; a file's name is unique")
    for line in check.wrong:
        print(line)
    total = sum(len(paths) for paths in names.values())
    print(f"{total} files, {len(check.wrong)} wrong")
    return 1 if check.wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
