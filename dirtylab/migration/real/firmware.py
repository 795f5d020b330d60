"""The guest: firmware of 64 KiB that writes to its memory at a pace, in ring 3.

::

    offset    in the image, which lies below 4 GiB and, for the start, below 1 MiB
    0x0000    real mode: where each processor begins -> protected mode -> long mode -> ring 3
    0x0400    for an idle guest: fill pages and halt, in ring 0
    0x0800    the loop that writes
    0x1000    parameters, patched in for each run
    0x2000    page tables: top, second level, 3 ... 4 GiB as they are, then the memory window
    0xfff0    the reset vector

    address in ring 3
    0xfffXXXXX        the image
    WINDOW + n        byte n of the guest's memory, without the hole below 4 GiB
    WINDOW + STATE    writes done, 64 bytes a processor; whether filling has ended
    WINDOW + FIRST    the first page that is written to

The first processor writes once to each page that shall not be zero, wakes the others, and all
write from then on.  A write waits until the time-stamp counter reaches the time that is due; what
is more than 20 ms late is dropped, as a guest that is throttled does less work, not the same work
later.  Page tables and stack lie in the image: of the memory, only what is asked for, and one page
for the state, is ever written.  Ring 3, because some hypervisors interpret ring 0; only there can
a guest halt, so an idle one stays, and fills eight pages a turn.

Source: AMD64 Architecture Programmer's Manual, volumes 2 (long mode, paging, local interrupt
controller) and 3 (encodings); Knuth, The Art of Computer Programming, volume 2, 3.3.4, for the
random numbers' multiplier.
"""

import struct
from typing import NamedTuple

from dirtylab.migration.real.assembler import Assembler

IMAGE_BYTES = 2**16
PAGE_BYTES = 4096
STATE, FILLED = 0x8000, 0x8800
"""Where the guest counts its writes, 64 bytes a processor, and says that all pages are filled."""
FIRST = 2**21
"""Where the pages begin that it writes to: above the holes of a PC's first MiB."""
RESERVED_PAGES = FIRST // PAGE_BYTES
MOST_BYTES = 8 * 2**30
MOST_VCPUS = 2
LATE_S = 0.02
"""What a paced guest makes up for."""

_BASE = 2**32 - IMAGE_BYTES
_WINDOW = 16 * 2**30
_IDLE, _CODE, _PARAMETERS, _TABLES, _RESET = 0x0400, 0x0800, 0x1000, 0x2000, 0xFFF0
_GIB, _LARGE = 2**30, 2**21
_TABLE, _LEAF = 0x27, 0xE7  # present, writeable, user, accessed; and dirty, 2 MiB
_LOW_LIMIT, _LOW_BYTES = 0xE0000000, 3 * _GIB
"""QEMU's machine `pc`: a guest of 3.5 GiB or more has 3 GiB below 4 GiB."""
_FIELDS = (
    "filled", "pages", "hot", "share", "length", "vcpus", "interval", "late", "delay",
    "multiplier", "increment", "routine", "idle",
)  # fmt: skip
_AT = {name: 8 * place for place, name in enumerate(_FIELDS)}
_MULTIPLIER, _INCREMENT = 6364136223846793005, 1442695040888963407


class Routine(NamedTuple):
    """Code that chooses the next page."""

    pattern: str
    label: str


ROUTINES = (
    Routine("idle", "random"),  # it halts before
    Routine("random", "random"),
    Routine("sequential", "in order"),
    Routine("hotset", "favoured"),
    Routine("clustered", "in runs"),
)


def patterns() -> list[str]:
    """Return what a guest can do."""
    return [routine.pattern for routine in ROUTINES]


class Load(NamedTuple):
    """What a guest does."""

    pattern: str
    pages: int
    """That it writes to."""
    filled: int
    """That are not zero."""
    interval: float
    """Ticks of the time-stamp counter between writes of one processor; 0: as fast as it can."""
    ticks: float
    """Of that counter, a second."""
    vcpus: int = 1
    hot: int = 0
    """Hot pages, the first ones."""
    share: float = 0.0
    """Of the writes that go to them."""
    length: int = 1
    """Pages in a run."""


def image(memory_bytes: int, load: Load) -> bytes:
    """Return the firmware of a guest.

    Parameters
    ----------
    memory_bytes : int
        Of the guest, in whole MiB, up to 8 GiB.
    load : Load
        What it does.

    Raises
    ------
    ValueError
        The guest is too large, or writes to more than it has.
    """
    room = memory_bytes // PAGE_BYTES - RESERVED_PAGES
    if not 0 < memory_bytes <= MOST_BYTES or max(load.pages, load.filled) > room:
        raise ValueError(f"a guest of {memory_bytes} bytes can't write to {load.pages} pages")
    start, loop = _started(), _loop()
    found = bytearray(IMAGE_BYTES)
    _put(found, 0, start.assembled())
    _put(found, _IDLE, _idle().assembled())
    _put(found, _CODE, loop.assembled())
    _put(found, _PARAMETERS, parameters(load, loop.place(_label_of(load.pattern))))
    _put(found, _TABLES, page_tables(memory_bytes))
    _put(found, _RESET, _reset())
    return bytes(found)


def _label_of(pattern: str) -> str:
    return next(routine.label for routine in ROUTINES if routine.pattern == pattern)


def parameters(load: Load, routine: int) -> bytes:
    """Return what is patched in; times have 8 binary places."""
    values = {
        "filled": load.filled, "pages": load.pages, "hot": load.hot,
        "share": round(load.share * 2**32), "length": load.length,
        "vcpus": load.vcpus, "interval": round(load.interval * 256),
        "late": round(LATE_S * load.ticks * 256), "delay": round(0.001 * load.ticks),
        "multiplier": _MULTIPLIER, "increment": _INCREMENT, "routine": routine,
        "idle": int(load.pattern == "idle"),
    }  # fmt: skip
    return struct.pack(f"<{len(_FIELDS)}Q", *(values[name] for name in _FIELDS))


def page_tables(memory_bytes: int) -> bytes:
    """Return the tables: pages of 2 MiB, the memory in one piece, then 3 to 4 GiB as they are."""
    at = _BASE + _TABLES
    count = -(-memory_bytes // _GIB)
    top, second = [0] * 512, [0] * 512
    top[0] = (at + PAGE_BYTES) | _TABLE
    second[3] = (at + 2 * PAGE_BYTES) | _TABLE
    low = memory_bytes if memory_bytes < _LOW_LIMIT else _LOW_BYTES
    window = []
    for place in range(count * (_GIB // _LARGE)):
        byte = place * _LARGE
        if byte < memory_bytes:
            window.append((byte if byte < low else 4 * _GIB + byte - low) | _LEAF)
        else:
            window.append(0)
    for number in range(count):
        second[_WINDOW // _GIB + number] = (at + (3 + number) * PAGE_BYTES) | _TABLE
    same = [(3 * _GIB + place * _LARGE) | _LEAF for place in range(512)]
    words = [*top, *second, *same, *window]
    return struct.pack(f"<{len(words)}Q", *words)


def _put(found: bytearray, place: int, part: bytes) -> None:
    if any(found[place : place + len(part)]) or place + len(part) > len(found):
        raise ValueError(f"part at {place:#x} of {len(part)} bytes: no room")
    found[place : place + len(part)] = part


def _reset() -> bytes:
    return bytes.fromhex("e9") + ((-_RESET - 3) & 0xFFFF).to_bytes(2, "little")  # jmp 0


def _started() -> Assembler:
    """Return the code from the start of a processor to ring 3; the same for all processors."""
    code = Assembler(_BASE)
    code.emit("fa")  # cli
    code.address("2e 66 0f 01 16", "gdt pointer", 2)  # lgdt cs:[...]
    code.emit("0f 20 c0  0c 01  0f 22 c0")  # mov eax, cr0; or al, 1; mov cr0, eax
    code.address("66 ea", "protected", after="08 00")  # jmp 8:protected
    code.label("protected")
    code.emit("66 b8 10 00  8e d8  8e c0  8e d0")  # mov ax, 16; ds, es, ss = ax
    code.emit("b8")
    code.number(_BASE + _TABLES, 4)
    code.emit("0f 22 d8")  # mov cr3, eax
    code.emit("b8 20 00 00 00  0f 22 e0")  # cr4 = physical address extension
    code.emit("b9 80 00 00 c0  b8 00 01 00 00  31 d2  0f 30")  # efer = long mode
    code.emit("b8 31 00 00 80  0f 22 c0")  # cr0 = paging, protection, caches on
    code.address("ea", "long", after="18 00")  # jmp 24:long
    code.label("long")
    code.emit("b8 01 00 00 00  0f a2  c1 eb 18  89 de")  # cpuid 1; esi = this processor
    code.emit("bd")
    code.number(_BASE + _PARAMETERS, 4)  # mov ebp, parameters
    code.emit(f"83 7d {_AT['idle']:02x} 00")  # cmp [idle], 0
    code.near("74", "busy")  # je
    code.emit("b8")
    code.number(_BASE + _IDLE, 4)
    code.emit("ff e0")  # jmp idle
    code.label("busy")
    code.emit("85 f6")  # test esi, esi
    code.near("75", "enter")  # jnz
    code.emit(f"83 7d {_AT['vcpus']:02x} 01")  # cmp [vcpus], 1
    code.near("74", "enter")  # je
    code.emit("bf 00 00 e0 fe")  # mov edi, local interrupt controller
    code.emit("c7 87 00 03 00 00  00 45 0c 00")  # all others: INIT
    code.emit("0f 31  89 c3")  # rdtsc; mov ebx, eax
    code.label("delay")
    code.emit("f3 90  0f 31  29 d8")  # pause; rdtsc; sub eax, ebx
    code.emit(f"3b 45 {_AT['delay']:02x}")  # cmp eax, [delay]
    code.near("72", "delay")  # jb
    code.emit("c7 87 00 03 00 00  f0 46 0c 00")  # all others: start at 0xf0000
    code.label("enter")
    code.address("bc", "frame")  # mov esp, frame
    code.emit("48 cf")  # iretq
    _tables_of_segments(code)
    return code


def _idle() -> Assembler:
    """Return the code of an idle guest, of which only the first processor starts."""
    code = Assembler(_BASE + _IDLE)
    code.emit("48 ba")
    code.number(_WINDOW + FIRST, 8)  # mov rdx, first page
    code.emit(f"48 8b 5d {_AT['filled']:02x}")  # mov rbx, [filled]
    code.emit("48 89 d9  48 c1 e9 03")  # rcx = rbx / 8
    code.near("74", "rest")  # jz
    code.label("eight")
    for page in range(8):
        code.emit("48 89 92")  # mov [rdx + 4096 * page], rdx
        code.number(page * PAGE_BYTES, 4)
    code.emit("48 81 c2 00 80 00 00  48 ff c9")  # add rdx, 8 * 4096; dec rcx
    code.near("75", "eight")  # jnz
    code.label("rest")
    code.emit("83 e3 07")  # ebx = the rest of eight
    code.near("74", "filled")  # jz
    code.label("one")
    code.emit("48 89 12  48 81 c2 00 10 00 00  ff cb")  # [rdx] = rdx; next page; dec ebx
    code.near("75", "one")  # jnz
    code.label("filled")
    _say_filled(code)
    code.label("halt")
    code.emit("fa f4")  # cli; hlt
    code.near("eb", "halt")
    return code


def _say_filled(code: Assembler) -> None:
    code.emit("48 ba")
    code.number(_WINDOW + FILLED, 8)
    code.emit("48 c7 02 01 00 00 00")  # mov qword [rdx], 1


def _tables_of_segments(code: Assembler) -> None:
    """Add descriptors, marked as accessed: the processor shall not write to the image."""
    code.label("gdt")
    for text in (
        "00 00 00 00 00 00 00 00",
        "ff ff 00 00 00 9b cf 00",  # 8: code, 32 bits
        "ff ff 00 00 00 93 cf 00",  # 16: data
        "ff ff 00 00 00 9b af 00",  # 24: code, 64 bits
        "ff ff 00 00 00 93 cf 00",  # 32: data
        "ff ff 00 00 00 f3 cf 00",  # 40: data, ring 3
        "ff ff 00 00 00 fb af 00",  # 48: code, ring 3, 64 bits
    ):
        code.emit(text)
    code.label("gdt pointer")
    code.number(7 * 8 - 1, 2)
    code.address("", "gdt")
    code.label("frame")  # what iretq takes
    for value in (_BASE + _CODE, 48 | 3, 2, 0, 40 | 3):
        code.number(value, 8)


def _loop() -> Assembler:
    """Return the code of ring 3; esi is the processor, ebp the parameters.

    rsi first page, rdi own counter, rbx random number, r8 pages, r9 next page, r10 hot pages,
    r11 share or length, r12 when the next write is due, r13 interval, r14 what writes, r15
    what chooses, rcx left of a run.
    """
    code = Assembler(_BASE + _CODE)
    code.emit("48 bf")
    code.number(_WINDOW + STATE, 8)  # mov rdi, state
    code.emit("89 f0")  # mov eax, esi
    code.emit("41 89 f1")  # mov r9d, esi: in order, each begins with a page of its own
    code.emit("48 8d 5e 01  48 0f af 5d")  # rbx = (rsi + 1) * multiplier
    code.number(_AT["multiplier"], 1)
    code.emit("48 be")
    code.number(_WINDOW + FIRST, 8)  # mov rsi, first page
    code.emit("85 c0")  # test eax, eax
    code.near("75", "others")  # jnz
    _filled(code)
    code.label("others")
    code.emit("c1 e0 06  48 01 c7")  # rdi += 64 * processor
    code.emit("48 ba")
    code.number(_WINDOW + FILLED, 8)  # mov rdx, filled
    code.label("wait")
    code.emit("f3 90  48 83 3a 00")  # pause; cmp qword [rdx], 0
    code.near("74", "wait")  # je
    for load, name in {"4c 8b 45": "pages", "4c 8b 55": "hot", "4c 8b 6d": "interval",
                       "4c 8b 7d": "routine"}.items():  # fmt: skip
        code.emit(f"{load} {_AT[name]:02x}")
    code.emit(f"4c 8b 5d {_AT['share']:02x}")  # mov r11, [share]
    code.address("41 be", "write")  # mov r14d, write
    code.emit("31 c9")  # no run yet
    code.emit("0f 31  48 c1 e2 20  48 09 d0  48 c1 e0 08  49 89 c4")  # r12 = now
    _paced(code)
    _chosen(code)
    return code


def _filled(code: Assembler) -> None:
    """Write once to the pages that shall not be zero, then say so."""
    code.emit(f"48 8b 4d {_AT['filled']:02x}")  # mov rcx, [filled]
    code.emit("48 89 f2")  # mov rdx, rsi
    code.emit("48 85 c9")  # test rcx, rcx
    code.near("74", "full")  # jz
    code.label("fill")
    code.emit("48 89 12  48 81 c2 00 10 00 00  48 ff c9")  # [rdx] = rdx; next page
    code.near("75", "fill")  # jnz
    code.label("full")
    _say_filled(code)


def _paced(code: Assembler) -> None:
    """Wait until a write is due, choose its page, and write how many there were."""
    code.label("next")
    code.emit("4d 85 ed")  # test r13, r13
    code.near("74", "go")  # jz
    code.label("spin")
    code.emit("0f 31  48 c1 e2 20  48 09 d0  48 c1 e0 08")  # rax = now
    code.emit("4c 29 e0")  # sub rax, r12
    code.near("79", "due")  # jns
    code.emit("f3 90")  # pause
    code.near("eb", "spin")
    code.label("due")
    code.emit(f"48 3b 45 {_AT['late']:02x}")  # cmp rax, [late]
    code.near("76", "in time")  # jbe
    code.emit("49 01 c4")  # add r12, rax: what is too late is dropped
    code.label("in time")
    code.emit("4d 01 ec")  # add r12, r13
    code.label("go")
    code.emit("41 ff e7")  # jmp r15
    code.label("write")  # to page rax
    # To line page % 64 of it: at one offset the lines of all pages share a few sets of the caches.
    code.emit("89 c2  83 e2 3f  c1 e2 06")  # edx = 64 * (eax % 64)
    code.emit("48 c1 e0 0c  48 09 d0")  # rax = 4096 * rax + rdx
    code.emit("48 8b 17  48 ff c2  48 89 17")  # rdx = ++[rdi]
    code.emit("48 89 14 06")  # mov [rsi + rax], rdx
    code.near("eb", "next")


def _chosen(code: Assembler) -> None:
    """Choose the next page, rax, then jump to r14, which writes to it."""
    draw = f"48 0f af 5d {_AT['multiplier']:02x}  48 03 5d {_AT['increment']:02x}"
    code.label("random")
    code.emit(draw)
    code.emit("48 89 d8  48 c1 e8 20  49 0f af c0  48 c1 e8 20")  # rax = pages * upper half
    code.emit("41 ff e6")  # jmp r14
    code.label("in order")
    code.emit("4c 89 c8")  # mov rax, r9
    code.emit(f"4c 03 4d {_AT['vcpus']:02x}")  # add r9, [vcpus]
    code.emit("4d 39 c1")  # cmp r9, r8
    code.near("72", "straight")  # jb
    code.emit("4d 29 c1")  # sub r9, r8
    code.label("straight")
    code.emit("41 ff e6")  # jmp r14
    code.label("favoured")
    code.emit(draw)
    code.emit("48 89 d8  48 c1 e8 20  4c 39 d8")  # rax = upper half; cmp rax, r11
    code.near("73", "cold")  # jae
    code.emit(draw)
    code.emit("48 89 d8  48 c1 e8 20  49 0f af c2  48 c1 e8 20")  # rax = hot * upper half
    code.emit("41 ff e6")  # jmp r14
    code.label("cold")
    code.emit(draw)
    code.emit("48 89 d8  48 c1 e8 20  4c 89 c2  4c 29 d2")  # rdx = pages - hot
    code.emit("48 0f af c2  48 c1 e8 20  4c 01 d0")  # rax = hot + rdx * upper half
    code.emit("41 ff e6")  # jmp r14
    code.label("in runs")
    code.emit("48 85 c9")  # test rcx, rcx
    code.near("75", "on")  # jnz
    code.emit(draw)
    code.emit("49 89 d9  49 c1 e9 20  4d 0f af c8  49 c1 e9 20")  # r9 = pages * upper half
    code.emit(f"48 8b 4d {_AT['length']:02x}")  # mov rcx, [length]
    code.label("on")
    code.emit("48 ff c9  4c 89 c8  49 ff c1  4d 39 c1")  # --rcx; rax = r9++; cmp r9, r8
    code.near("72", "same")  # jb
    code.emit("45 31 c9")  # xor r9d, r9d
    code.label("same")
    code.emit("41 ff e6")
