"""Random mappings in a child, watched epoch by epoch, against an exact record of what it wrote.

``python tests/fuzz/mappings.py --rounds 200 --seed 1``: each round is a child of its own and some
epochs; in each epoch it maps, unmaps, moves, grows, protects, discards, reads and writes memory.  A
page that must be told and is not, or is told and must not, is a failure.
"""

import argparse
import ctypes
import errno
import json
import mmap
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace

PAGE = 4096
BASE = 0x2000_0000_0000
PAGES = 192
FILE_PAGES = 64
READ, WRITE = 1, 2
_SHARED, _PRIVATE, _FIXED, _ANONYMOUS = 1, 2, 0x10, 0x20
_MAYMOVE, _MOVE_FIXED, _DONTUNMAP = 1, 2, 4
_DONTNEED, _FREE, _PAGEOUT = 4, 8, 21
KINDS = {"anon": False, "file": False, "memfd": True, "disk": True}
"""Kind of mapping, and whether it is shared."""


# --- the child: does what it is told -----------------------------------------------------------


def _library():
    library = ctypes.CDLL(None, use_errno=True)
    address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    library.mmap.restype = library.mremap.restype = library.sbrk.restype = address
    library.mmap.argtypes = [address, size, number, number, number, ctypes.c_long]
    library.mremap.argtypes = [address, size, size, number, address]
    library.munmap.argtypes = [address, size]
    library.mprotect.argtypes = library.madvise.argtypes = [address, size, number]
    library.read.argtypes = [number, address, size]
    library.sbrk.argtypes = [ctypes.c_long]
    return library


class Child:
    """Executes operations, each a list of its name and numbers; 0 or an error number comes back."""

    def __init__(self, folder: str) -> None:
        from dirtylab.live import _scan

        self._scan = _scan
        self._library = _library()
        self._fault = _scan.open_userfaultfd()
        self._zero = os.open("/dev/zero", os.O_RDONLY)
        flags = os.O_RDWR | os.O_CREAT
        self._files = {"anon": -1, "memfd": os.memfd_create("fuzz")}
        for kind in ("file", "disk"):
            self._files[kind] = os.open(os.path.join(folder, kind), flags)
        for kind in ("file", "disk", "memfd"):
            os.pwrite(self._files[kind], b"\1" * (FILE_PAGES * PAGE), 0)

    def _result(self, found):
        failed = found in (-1, ctypes.c_void_p(-1).value)
        return ctypes.get_errno() if failed else 0

    def map(self, first, count, kind, rights, offset):
        flags = (_SHARED if KINDS[kind] else _PRIVATE) | _FIXED | (kind == "anon") * _ANONYMOUS
        place = BASE + first * PAGE
        return self._result(
            self._library.mmap(place, count * PAGE, rights, flags, self._files[kind], offset * PAGE)
        )

    def unmap(self, first, count):
        return self._result(self._library.munmap(BASE + first * PAGE, count * PAGE))

    def protect(self, first, count, rights):
        return self._result(self._library.mprotect(BASE + first * PAGE, count * PAGE, rights))

    def advise(self, first, count, advice):
        if advice == _PAGEOUT:
            os.fsync(self._files["disk"])
        return self._result(self._library.madvise(BASE + first * PAGE, count * PAGE, advice))

    def move(self, first, count, to, new, flags):
        place = BASE + to * PAGE
        found = self._library.mremap(BASE + first * PAGE, count * PAGE, new * PAGE, flags, place)
        return self._result(found)

    def write(self, *pages):
        for page in pages:
            ctypes.memset(BASE + page * PAGE + page % PAGE, 7, 1)
        return 0

    def fill(self, *pages):
        for page in pages:
            if self._library.read(self._zero, BASE + page * PAGE + 9, 1) != 1:
                return ctypes.get_errno()
        return 0

    def read(self, *pages):
        for page in pages:
            ctypes.string_at(BASE + page * PAGE, 1)
        return 0

    def fork(self, *pages):
        child = os.fork()
        if not child:
            for page in pages:
                ctypes.memset(BASE + page * PAGE, 8, 1)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    def truncate(self, count):
        os.ftruncate(self._files["memfd"], count * PAGE)
        os.ftruncate(self._files["memfd"], FILE_PAGES * PAGE)
        return 0

    def heap(self, more, *pages):
        """Move the heap's end by so many pages, write to pages from its first end on."""
        if self._library.sbrk(more * PAGE) == ctypes.c_void_p(-1).value:
            return ctypes.get_errno()
        for page in pages:
            ctypes.memset((self._heap + page) * PAGE, 7, 1)
        return 0

    def heap_end(self):
        """Return the number of the page behind the heap."""
        self._heap = -(-self._library.sbrk(0) // PAGE)
        return self._heap

    def register(self, *spans):
        for start, end in zip(spans[::2], spans[1::2], strict=True):
            try:
                self._scan.register(self._fault, start, end)
            except OSError as error:
                if BASE <= start < BASE + PAGES * PAGE:
                    return error.errno
        return 0

    def run(self) -> None:
        print("ready", flush=True)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(getattr(self, name)(*arguments), flush=True)


# --- the record of what must be told -----------------------------------------------------------


@dataclass
class Page:
    """What is known of a page that is mapped."""

    kind: str
    rights: int
    place: int
    """In its file, or the page at which it was first mapped: of one mapping are pages in a row."""
    fresh: bool = True
    """Mapped, moved or grown to since the last harvest."""
    there: bool | None = False
    """Whether it is surely mapped in: written and neither discarded nor evicted; None: unknown."""
    must: bool = False
    may: bool = False

    @property
    def shared(self) -> bool:
        return KINDS[self.kind]


class Record:
    """Chooses operations at random, has them done, and knows what must come of them."""

    def __init__(self, rng: random.Random, do) -> None:
        self._rng, self._do = rng, do
        self.pages: dict[int, Page] = {}

    def step(self) -> str:
        chosen = self._rng.choices(
            ["map", "unmap", "protect", "write", "fill", "read", "discard", "free", "evict",
             "move", "grow", "shrink", "leave", "alias", "fork", "truncate", "write_protected"],
            [5, 2, 3, 8, 2, 3, 2, 1, 2, 3, 2, 1, 1, 1, 1, 1, 3],
        )[0]  # fmt: skip
        getattr(self, f"_{chosen}")()
        return chosen

    def harvested(self) -> None:
        for page in self.pages.values():
            page.must = page.may = page.fresh = False

    def _span(self) -> tuple[int, int]:
        first = self._rng.randrange(PAGES)
        return first, min(self._rng.choice([1, 2, 3, 7, 16, 40]), PAGES - first)

    def _run(self) -> list[int]:
        """Pages in a row of one mapping, with the same rights; empty where none is hit."""
        first, count = self._span()
        found = []
        for number in range(first, first + count):
            page = self.pages.get(number)
            if page is None:
                break
            before = self.pages[found[-1]] if found else page
            same = (page.kind, page.rights, page.place - before.place)
            if found and same != (before.kind, before.rights, 1):
                break
            found.append(number)
        return found

    def _some(self, rights: int) -> list[int]:
        able = [number for number, page in self.pages.items() if page.rights & rights == rights]
        return self._rng.sample(able, min(len(able), self._rng.choice([1, 2, 5, 30])))

    def _ask(self, *operation) -> bool:
        """Have it done; False where mremap refuses, and the pages are unmapped if it may move them.

        It moves several mappings in a row from Linux 6.17 on, and may stop in the middle.
        """
        status = self._do(*operation)
        if status and operation[0] != "move":
            raise OSError(status, f"{operation}: {os.strerror(status)}")
        if status and operation[-1] & _MOVE_FIXED:
            _, first, count, to, new, _ = operation
            for start, size in ((first, count), (to, new)):
                if size:
                    self._take_away(start, size)
        return not status

    def _take_away(self, first: int, count: int) -> None:
        self._ask("unmap", first, count)
        for number in range(first, first + count):
            self.pages.pop(number, None)

    def _map(self) -> None:
        first, count = self._span()
        kind = self._rng.choice(list(KINDS))
        count = min(count, FILE_PAGES)
        offset = 0 if kind == "anon" else self._rng.randrange(FILE_PAGES - count + 1)
        rights = self._rng.choice([READ | WRITE] * 4 + [READ, 0])
        self._ask("map", first, count, kind, rights, offset)
        place = first if kind == "anon" else offset
        for step in range(count):
            self.pages[first + step] = Page(kind, rights, place + step)

    def _unmap(self) -> None:
        self._take_away(*self._span())

    def _protect(self) -> None:
        pages = self._run()
        if pages:
            rights = self._rng.choice([READ | WRITE, READ | WRITE, READ, 0])
            self._ask("protect", pages[0], len(pages), rights)
            for number in pages:
                self.pages[number].rights = rights

    def _wrote(self, numbers: list[int]) -> None:
        for number in numbers:
            self.pages[number].must = self.pages[number].there = True

    def _write(self) -> None:
        pages = self._some(READ | WRITE)
        self._ask("write", *pages)
        self._wrote(pages)

    def _write_protected(self) -> None:
        """Make writeable, write, take the right away."""
        pages = self._run()
        if pages:
            self._ask("protect", pages[0], len(pages), READ | WRITE)
            self._ask("write", *pages)
            self._wrote(pages)
            rights = self._rng.choice([READ, 0])
            self._ask("protect", pages[0], len(pages), rights)
            for number in pages:
                self.pages[number].rights = rights

    def _fill(self) -> None:
        pages = self._some(READ | WRITE)
        self._ask("fill", *pages)
        self._wrote(pages)

    def _read(self) -> None:
        pages = self._some(READ)
        self._ask("read", *pages)
        for page in self.pages.values():  # the kernel maps neighbours in, too
            page.may |= page.shared and page.fresh

    def _discard(self) -> None:
        pages = self._run()
        if pages:
            self._ask("advise", pages[0], len(pages), _DONTNEED)
            for number in pages:
                page = self.pages[number]
                page.there = False
                if page.fresh or not page.shared:
                    page.must = False

    def _free(self) -> None:
        pages = self._run()
        if pages and self.pages[pages[0]].kind == "anon":
            self._ask("advise", pages[0], len(pages), _FREE)
            for number in pages:
                page = self.pages[number]
                page.may, page.must = page.may or page.must, False
                page.there = None if page.there else page.there

    def _evict(self) -> None:
        pages = self._run()
        if pages:
            self._ask("advise", pages[0], len(pages), _PAGEOUT)
            for page in self.pages.values():  # wherever the same file is mapped
                if page.shared:
                    page.there = None if page.there else page.there
                    self._lose(page)

    def _lose(self, page: Page) -> None:
        """What nobody has watched yet must not be told when it is not there."""
        if page.fresh and page.must and page.there is not True:
            page.may, page.must = True, False

    def _join(self, first: int, count: int) -> None:
        """Note that the kernel joins moved memory with neighbours, and watches none then."""
        for start, step in ((first, -1), (first + count - 1, 1)):
            kind, rights = self.pages[start].kind, self.pages[start].rights
            number = start + step
            while (page := self.pages.get(number)) and (page.kind, page.rights) == (kind, rights):
                page.fresh = page.may = True
                self._lose(page)
                number += step

    def _arrive(self, source: Page) -> Page:
        """Return a page that was moved."""
        known = source.there is True
        unsure = source.there is None or source.shared or source.may
        return replace(source, fresh=True, must=known, may=unsure)

    def _target(self, pages: list[int], count: int) -> int | None:
        """Unmap a place for `count` pages that `pages` don't lie in."""
        to = self._rng.randrange(PAGES - count + 1)
        if set(range(to, to + count)) & set(pages):
            return None
        self._take_away(to, count)
        return to

    def _move(self) -> None:
        pages = self._run()
        to = self._target(pages, len(pages)) if pages else None
        if to is not None and self._ask(
            "move", pages[0], len(pages), to, len(pages), _MAYMOVE | _MOVE_FIXED
        ):
            moved = [self._arrive(self.pages[number]) for number in pages]
            self.pages |= dict(enumerate(moved, to))
            self._join(to, len(pages))  # as long as the source is mapped, too
            for number in pages:
                del self.pages[number]

    def _leave(self) -> None:
        """Move the pages and keep the mapping."""
        pages = self._run()
        to = self._target(pages, len(pages)) if pages else None
        flags = _MAYMOVE | _MOVE_FIXED | _DONTUNMAP
        if to is not None and self._ask("move", pages[0], len(pages), to, len(pages), flags):
            for step, number in enumerate(pages):
                source = self.pages[number]
                self.pages[to + step] = self._arrive(source)
                source.there, source.must, source.may = False, False, source.shared
            self._join(to, len(pages))

    def _alias(self) -> None:
        """Map shared memory a second time."""
        pages = self._run()
        if pages and self.pages[pages[0]].shared:
            to = self._target(pages, len(pages))
            flags = _MAYMOVE | _MOVE_FIXED
            if to is not None and self._ask("move", pages[0], 0, to, len(pages), flags):
                for step, number in enumerate(pages):
                    source = self.pages[number]
                    self.pages[to + step] = Page(source.kind, source.rights, source.place)
                self._join(to, len(pages))

    def _grow(self) -> None:
        pages = self._run()
        more = self._rng.choice([1, 4])
        if not pages or pages[-1] + 1 + more > PAGES:
            return
        last = self.pages[pages[-1]]
        behind = range(pages[-1] + 1, pages[-1] + 1 + more)
        if last.kind != "anon" and last.place + more >= FILE_PAGES:
            return
        if any(number in self.pages for number in behind):
            return
        if self._ask("move", pages[0], len(pages), 0, len(pages) + more, 0):
            for step, number in enumerate(behind, 1):
                self.pages[number] = Page(
                    last.kind, last.rights, last.place + step, may=last.shared
                )

    def _shrink(self) -> None:
        pages = self._run()
        if len(pages) > 1:
            keep = self._rng.randrange(1, len(pages))
            if self._ask("move", pages[0], len(pages), 0, keep, 0):
                for number in pages[keep:]:
                    del self.pages[number]

    def _fork(self) -> None:
        self._ask("fork", *[n for n in self._some(READ | WRITE) if not self.pages[n].shared])

    def _truncate(self) -> None:
        count = self._rng.randrange(FILE_PAGES)
        self._ask("truncate", count)
        for page in self.pages.values():
            if page.kind == "memfd" and page.place >= count:
                page.there, page.must, page.may = None, False, True


# --- rounds ------------------------------------------------------------------------------------


def compare(record: Record, found: list[int]) -> str:
    """Return what is wrong, empty for nothing."""
    told = {page - BASE // PAGE for page in found}
    inside = {number for number in told if 0 <= number < PAGES}
    lost = {n for n, page in record.pages.items() if page.must} - inside
    able = {n for n, page in record.pages.items() if page.must or page.may}
    wrong = [f"lost {n}: {record.pages[n]}" for n in sorted(lost)]
    wrong += [f"never written {n}: {record.pages.get(n)}" for n in sorted(inside - able)]
    return "; ".join(wrong)


def one_round(seed: int, epochs: int) -> tuple[int, str]:
    """Return the number of epochs tried, and what was wrong."""
    from dirtylab.live import Watcher

    rng = random.Random(seed)
    done: list[object] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, __file__, "--child", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child,
    ):

        def do(*operation) -> int:
            done.append(operation)
            child.stdin.write(json.dumps(operation) + "\n")
            child.stdin.flush()
            return int(child.stdout.readline())

        child.stdout.readline()
        watcher = Watcher(child.pid)
        record = Record(rng, do)
        try:
            for epoch in range(epochs):
                for _ in range(rng.choice([1, 3, 8, 20])):
                    record.step()
                spans = [end for area in watcher.unwatched() for end in (area.start, area.end)]
                if status := do("register", *spans):
                    return epoch, f"register: {errno.errorcode[status]}"
                wrong = compare(record, watcher.harvest().tolist())
                if wrong:
                    last = [one for one in done if one[0] != "register"][-25:]
                    return epoch, f"seed {seed}, epoch {epoch}: {wrong}\n  after {last}"
                done.append("harvest")
                record.harvested()
        finally:
            watcher.close()
            child.stdin.close()
    return epochs, ""


def main(argv: list[str] | None = None) -> int:
    """Run; return 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=40, help="of each round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        Child(options.child).run()
        return 0
    tried = failures = 0
    for number in range(options.rounds):
        epochs, wrong = one_round(options.seed + number, options.epochs)
        tried += epochs
        if wrong:
            failures += 1
            print(wrong)
    print(f"mappings: {options.rounds} rounds, {tried} epochs tried, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    if mmap.PAGESIZE != PAGE:
        sys.exit("mappings: needs pages of 4,096 bytes")
    sys.exit(main())
