#!/usr/bin/env python3
"""Keeps the dialogues whole: every reply that stands in src/smtp/smtp_server*.c is said, word for
word, in a dialogue of test/dialog (or in a unit test of that room); and what doc/strictness.md says
of a dialogue is true: the file is there and has that reply, and no attack is missing in the list.

usage: check_replies.py REPOSITORY
"""
import glob
import os
import re
import sys

# Files whose name begins so show an attack, and are listed in the document.
ATTACKS = ("address-", "bare-", "chunk-smuggle", "command-", "smuggle-", "starttls-")
ROW = re.compile(r"^\|.*\| `(\d\d\d[^`]*)` \| `([^`]+)` \|$")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def literals(text):
    """String literals that begin with a reply code, those that stand side by side joined."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r'"\s*\n\s*"', "", text)
    return set(re.findall(r'"([2-5][0-5]\d[ -][^"]*)"', text))


def pattern(literal):
    """A literal as a regular expression: what is filled in is anything, what is added (a code alone
    gets its text from elsewhere) too."""
    lines = literal.split("\\r\\n")
    parts = [re.escape(p) for p in re.split(r"%(?:\.\*|\.\d+)?(?:llu|[sdu])", lines[0])]
    is_code_alone = re.fullmatch(r"\d\d\d \d\.\d+\.\d+", lines[0]) is not None
    return re.compile(".*".join(parts) + (" .+" if is_code_alone else ".*" if parts[1:] else ""))


def said(root):
    """dialogue -> its reply lines"""
    found = {}
    for path in glob.glob(os.path.join(root, "test", "dialog", "*.txt")):
        lines = [line[3:] for line in read(path).split("\n") if line.startswith("S: ")]
        found[os.path.basename(path)[:-4]] = set(lines)
    return found


def unsaid(root, dialogues):
    lines = set().union(*dialogues.values())
    units = "".join(read(p) for p in glob.glob(os.path.join(root, "test", "unit", "smtp", "*.c")))
    units = re.sub(r'"\s*\n\s*"', "", units)
    # "250-...WORDS": one line of a long reply
    lines |= {"250-" + line[7:] for line in lines if line.startswith("250-...")}
    for path in sorted(glob.glob(os.path.join(root, "src", "smtp", "smtp_server*.c"))):
        for literal in sorted(literals(read(path))):
            wanted = pattern(literal)
            if not any(wanted.fullmatch(line) for line in lines) and not wanted.search(units):
                yield f"{os.path.basename(path)}: no dialogue shows \"{literal}\""


def untrue(root, dialogues):
    listed = set()
    for number, line in enumerate(read(os.path.join(root, "doc", "strictness.md")).split("\n"), 1):
        row = ROW.match(line)
        if not row:
            continue
        reply, name = row.groups()
        listed.add(name)
        if name not in dialogues:
            yield f"doc/strictness.md:{number}: there is no dialogue {name}"
        elif reply not in dialogues[name]:
            yield f"doc/strictness.md:{number}: {name} has no reply \"{reply}\""
    for name in sorted(dialogues):
        if name.startswith(ATTACKS) and name not in listed:
            yield f"test/dialog/{name}.txt: is not in doc/strictness.md"


def main():
    root = sys.argv[1]
    dialogues = said(root)
    wrong = [*unsaid(root, dialogues), *untrue(root, dialogues)]
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
