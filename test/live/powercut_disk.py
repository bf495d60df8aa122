"""The disk behind powercut.c's log: what is surely on it, what is still on its way, and what a power
cut may leave of that.

Bytes: each 512-byte sector of each unsynced write is kept or lost on its own; so is each change of a
file's size. Names: an unsynced operation in a directory is kept or lost, either in order (a file
system with a journal: all up to some point) or each on its own (stricter than any we know)."""
import os
import struct

ENTRY = struct.Struct("<IIIIQQQ")
(CREATE, WRITE, ZERO, SYNC_BEGIN, SYNC_END, TRUNCATE, ALLOCATE, RENAME, LINK, UNLINK, MKDIR,
 NAMES_BEGIN, NAMES_END, UNKNOWN) = range(1, 15)
SECTOR = 512


class Entry:
    __slots__ = ("op", "name", "other", "data_at", "data_bytes", "inode", "at", "n", "end")


class Log:
    """The entries of a log, with where each ends; bytes are read when they are asked for."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.entries = []
        size, at = os.fstat(self.file.fileno()).st_size, 0
        while at + ENTRY.size <= size:
            e = Entry()
            e.op, names, others, e.data_bytes, e.inode, e.at, e.n = ENTRY.unpack(self.read(at, ENTRY.size))
            at += ENTRY.size
            e.name = self.read(at, names).decode()
            e.other = self.read(at + names, others).decode()
            e.data_at = at + names + others
            e.end = at = e.data_at + e.data_bytes
            assert CREATE <= e.op <= UNKNOWN and at <= size, f"no entry at {e.data_at} of {path}"
            assert e.op != UNKNOWN, f"the shim does not understand: {e.name}"
            self.entries.append(e)

    def read(self, at, n):
        return os.pread(self.file.fileno(), n, at)

    def data(self, e):
        return bytes(e.n) if e.op == ZERO else self.read(e.data_at, e.data_bytes)


class Inode:
    def __init__(self):
        self.bytes = bytearray()  # surely on disk
        self.pending = []         # (number of entry, entry)
        self.version = 0          # of bytes
        self.copied = None        # (version, path of a file with just these bytes)


def resize(content, n):
    if n < len(content):
        del content[n:]
    else:
        content.extend(bytes(n - len(content)))


class Disk:
    def __init__(self, log, folder):
        self.log = log
        self.folder = folder      # for copies of files that images share
        self.done = 0             # entries applied
        self.inodes = {}          # by the number that the log gives: the newest file with it
        self.names = {}           # surely on disk: name -> Inode
        self.pending_names = []   # (number of entry, op, name, other, Inode or None)
        self.folders = []
        self.began = {}           # syncs under way: number of sync -> number of its BEGIN
        self.copies = 0

    def found(self, state):
        """What lies in this directory is surely on disk: before the process starts that is logged."""
        for folder, _, files in os.walk(state):
            below = os.path.relpath(folder, state)
            self.folders.append("" if below == "." else below)
            for name in files:
                path = os.path.join(folder, name)
                inode = Inode()
                with open(path, "rb") as f:
                    inode.bytes = bytearray(f.read())
                self.inodes[os.stat(path).st_ino] = inode
                self.names[os.path.normpath(os.path.join(below, name))] = inode

    # --- forward ---

    def go(self, count):
        while self.done < count:
            self.apply(self.done, self.log.entries[self.done])
            self.done += 1

    def apply(self, number, e):
        if e.op == CREATE:
            self.inodes[e.inode] = Inode()
            self.pending_names.append((number, CREATE, e.name, "", self.inodes[e.inode]))
        elif e.op in (WRITE, ZERO, TRUNCATE, ALLOCATE):
            self.inodes[e.inode].pending.append((number, e))
        elif e.op in (SYNC_BEGIN, NAMES_BEGIN):
            self.began[e.at] = number
        elif e.op == SYNC_END:
            self.settle(self.inodes[e.inode], self.began.pop(e.at))
        elif e.op == NAMES_END:
            self.settle_names(e.name, self.began.pop(e.at))
        elif e.op in (RENAME, LINK, UNLINK):
            self.pending_names.append((number, e.op, e.name, e.other, None))
        elif e.op == MKDIR:
            self.folders.append(e.name)

    def settle(self, inode, until):
        while inode.pending and inode.pending[0][0] < until:
            self.put(inode.bytes, inode.pending.pop(0)[1])
            inode.version += 1

    def put(self, content, e):
        if e.op == TRUNCATE:
            resize(content, e.n)
        elif e.op == ALLOCATE:
            resize(content, max(len(content), e.at + e.n))
        else:
            resize(content, max(len(content), e.at + e.n))
            content[e.at:e.at + e.n] = self.log.data(e)

    def settle_names(self, folder, until):
        kept = []
        for item in self.pending_names:
            if item[0] < until and os.path.dirname(item[2]) == folder:
                self.rename(self.names, item)
            else:
                kept.append(item)
        self.pending_names = kept

    @staticmethod
    def rename(names, item):
        _, op, name, other, inode = item
        if op == CREATE:
            names[name] = inode
        elif op == UNLINK:
            names.pop(name, None)
        elif name in names:  # else what it was made of is lost
            names[other] = names[name]
            if op == RENAME:
                del names[name]

    # --- what a cut leaves ---

    def cut(self, image, rng):
        """Writes the directory that is found after a power cut now. Files in it may be shared with
        other images: read them, or copy them first."""
        keep = rng.choice([0.0, 0.1, 0.5, 0.5, 0.9, 1.0])
        names = self.cut_names(rng, keep)
        for folder in self.folders:
            os.makedirs(os.path.join(image, folder), exist_ok=True)
        for name, inode in names.items():
            path = os.path.join(image, name)
            if inode.pending and keep:
                with open(path, "wb") as f:
                    f.write(self.cut_bytes(inode, rng, keep))
            else:
                os.link(self.copy(inode), path)

    def cut_names(self, rng, keep):
        names = dict(self.names)
        if rng.random() < 0.5:
            kept = self.pending_names[:rng.randint(0, len(self.pending_names))]
        else:
            kept = [item for item in self.pending_names if rng.random() < keep]
        for item in kept:
            self.rename(names, item)
        return names

    def cut_bytes(self, inode, rng, keep):
        content = bytearray(inode.bytes)
        for _, e in inode.pending:
            if e.op in (TRUNCATE, ALLOCATE):
                if rng.random() < keep:
                    self.put(content, e)
                continue
            data = self.log.data(e)
            if rng.random() < keep:
                resize(content, max(len(content), e.at + e.n))
            for at in range(e.at // SECTOR * SECTOR, e.at + e.n, SECTOR):
                first, end = max(at, e.at), min(at + SECTOR, e.at + e.n, len(content))
                if first < end and rng.random() < keep:
                    content[first:end] = data[first - e.at:end - e.at]
        return content

    def copy(self, inode):
        if not inode.copied or inode.copied[0] != inode.version:
            if inode.copied:
                os.unlink(inode.copied[1])
            self.copies += 1
            inode.copied = (inode.version, os.path.join(self.folder, str(self.copies)))
            with open(inode.copied[1], "wb") as f:
                f.write(inode.bytes)
        return inode.copied[1]

    def everything(self):
        """{name: bytes} as if all had been synced."""
        names = dict(self.names)
        for item in self.pending_names:
            self.rename(names, item)
        found = {}
        for name, inode in names.items():
            content = bytearray(inode.bytes)
            for _, e in inode.pending:
                self.put(content, e)
            found[name] = content
        return found
