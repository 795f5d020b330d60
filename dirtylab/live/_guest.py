"""The guest: a few bytes of code, its page tables, and where things lie in its memory.

The guest runs in 64-bit mode, in ring 3, with every address mapped to itself.  Ring 3, because some
hypervisors run a guest's user code on the processor and interpret the rest: in ring 0 such a guest
wrote 7.4e4 pages a second, in ring 3 1.0e8.  Its memory is three slots::

    guest address   slot 0, the page of its own that it writes to, tracked
    0x0000          one counter a vCPU

                    slot 2, pages that it only reads, not tracked        slot 1, from 4 GiB on
    0x1000, 0x2000  page tables: top, second level                       frame 0, 1, 2, … of the
    0x3000          code; another piece for tests at 0x3800              tracked memory
    0x5000 …        page tables of 1 GiB each, in 2 MiB pages
    …               tables of addresses, one a vCPU

Pages that are read are a slot of their own since KVM maps them for writing where it can, and then
reports them as dirty.  The loop takes the addresses from its table and writes the 8 bytes of its
counter of frames left to each.  At the end it adds one to its counter, and hands back by a byte to
a port, as ``hlt`` is for ring 0 only::

    again:  lodsq                 48 ad
            mov   [rax], rcx      48 89 08
            loop  again           e2 f9
            inc   qword [rdi]     48 ff 07
    stop:   out   0x80, al        e6 80
            jmp   stop            eb fc

Source: AMD64 Architecture Programmer's Manual, volumes 2 (long mode,
segments, paging) and 3 (encoding).
"""

import struct

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab.live._system import PAGE_BYTES

MEMORY = 4 * 2**30
"""Guest address of the tracked slot, above all that a PC has below 4 GiB."""
MAX_PAGES = 2**26
"""256 GiB, what one second-level page table reaches and most hosts can address."""
BATCH = 2**14
"""Frames handed over at a time to each vCPU."""
CODE, STOP, SPIN, COUNTERS = 0x3000, 0x300A, 0x3800, 0
COUNTER_FRAME = COUNTERS // PAGE_BYTES
"""The one page of its own that the guest writes to ..."""
WRITTEN_PAGES = 1
"""... and the size of its slot; the pages from there on it only reads."""
MAX_VCPUS = PAGE_BYTES // 64

_TOP, _SECOND, _THIRD = 0x1000, 0x2000, 0x5000
_PROGRAM = bytes.fromhex("48ad 488908 e2f9 48ff07 e680 ebfc")
_FOREVER = bytes.fromhex("ebfe")
_TABLE = 0x27  # present, writeable, user, accessed
_LEAF = 0xE7  # the same, dirty, 2 MiB
_GIB, _LARGE = 2**30, 2**21
_RING, _FLAGS = 3, 0x3002  # IOPL 3: ring 3 may write to ports
_CR0, _CR4, _EFER = 0x80000031, 0x20, 0x500


def gibibytes(pages: int) -> int:
    """Return the number of GiB that the guest maps."""
    return (MEMORY + pages * PAGE_BYTES + _GIB - 1) // _GIB


def table_address(pages: int, vcpu: int) -> int:
    """Return the guest address of a vCPU's table."""
    return _THIRD + gibibytes(pages) * PAGE_BYTES + vcpu * BATCH * 8


def own_bytes(pages: int, vcpus: int) -> int:
    """Return the size of the guest's own pages."""
    return table_address(pages, vcpus)


def build(own: npt.NDArray[np.uint8], pages: int) -> None:
    """Write code and page tables into the guest's own memory."""
    own[CODE : CODE + len(_PROGRAM)] = np.frombuffer(_PROGRAM, np.uint8)
    own[SPIN : SPIN + len(_FOREVER)] = np.frombuffer(_FOREVER, np.uint8)
    count = gibibytes(pages)
    words = own.view(np.uint64)
    words[_TOP // 8] = _SECOND | _TABLE
    place = np.arange(count, dtype=np.uint64)
    second = np.uint64(_THIRD) + place * np.uint64(PAGE_BYTES)
    words[_SECOND // 8 : _SECOND // 8 + count] = second | np.uint64(_TABLE)
    large = np.arange(count * (_GIB // _LARGE), dtype=np.uint64) * np.uint64(_LARGE)
    words[_THIRD // 8 : _THIRD // 8 + large.size] = large | np.uint64(_LEAF)


def addresses(frames: Frames) -> Frames:
    """Return the guest addresses of frames."""
    return np.uint64(MEMORY) + frames * np.uint64(PAGE_BYTES)


def registers(pages: int, vcpu: int, frames: int, code: int) -> bytearray:
    """Return struct kvm_regs: a table of so many frames, and where to begin."""
    named = {"rcx": frames, "rsi": table_address(pages, vcpu), "rdi": COUNTERS + 64 * vcpu}
    order = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi"]  # then rsp, rbp and r8 … r15
    values = [named.get(name, 0) for name in order] + 10 * [0]
    return bytearray(struct.pack("<18Q", *values, code, _FLAGS))


def special_registers(fresh: bytearray) -> bytearray:
    """Return struct kvm_sregs for 64-bit mode from that of a vCPU just made."""
    found = bytearray(fresh)
    found[0:24] = _segment(8 | _RING, kind=11, is_64_bit=1)
    for number in range(1, 6):
        found[24 * number : 24 * number + 24] = _segment(16 | _RING, kind=3, is_64_bit=0)
    struct.pack_into("<6Q", found, 224, _CR0, 0, _TOP, _CR4, 0, _EFER)
    return found


def _segment(selector: int, kind: int, is_64_bit: int) -> bytes:
    flags = [kind, 1, _RING, 1 - is_64_bit, 1, is_64_bit, 1, 0, 0, 0]
    return struct.pack("<QIH10B", 0, 0xFFFFFFFF, selector, *flags)
