"""The peers: what each is, and where its sources come from.

Only the shims are ours and are shipped; the sources stay their authors', are fetched by the user
and never leave that user's cache.
"""

from typing import NamedTuple

from dirtylab.native.errors import TrackerError

OWN = "BSD-3-Clause"
AVX512 = ("avx512f", "avx512dq", "avx512bw", "avx512vl")


class Source(NamedTuple):
    """Sources of others: a package, and which of its files are used."""

    kind: str
    """``pip``: a package of the Python index, as source.  ``apt``: packages of Debian;
    ``apt-archive``: one that holds an archive; ``apt-source``: a source package, unpatched."""
    packages: tuple[str, ...]
    version: str
    """That was checked: what the list shows."""
    files: tuple[str, ...]
    """Used, by their paths once unpacked, without the package's own folder."""
    digest: str
    """SHA-256 over names and contents of these files: a later package with the same ones passes."""


class Peer(NamedTuple):
    """One peer."""

    name: str
    shim: str
    """File in ``shims``."""
    licence: str
    atomic: bool
    """Whether it inserts by atomic operations, as what threads share must."""
    code: str = "original"
    """``original``: the authors' own; ``transcription``: written anew after a description."""
    source: Source | None = None
    flags: tuple[str, ...] = ()
    """Of the compiler; ``{source}`` is the folder of its sources, ``{shims}`` that of our stubs."""
    features: tuple[str, ...] = ()
    """That the processor must have."""
    beside: tuple[str, ...] = ()
    """Files of the sources that are compiled beside the shim, as modules of it."""
    patch: tuple[str, str] = ("", "")
    """A text of those files, and what stands in its place."""


_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_CRATE = "usr/share/cargo/registry/vm-memory-0.10.0"
CROARING = Source(
    "pip",
    ("pyroaring",),
    "1.0.3",
    ("pyroaring/roaring.c", "pyroaring/roaring.h"),
    "c539266b1c5dc240d554c425613fce4ac7bd518c8a67f924178304dcf9a7ad11",
)
VM_MEMORY = Source(
    "apt",
    ("librust-vm-memory-dev",),
    "0.10.0-3",
    (f"{_CRATE}/src/bitmap/backend/atomic_bitmap.rs",),
    "9f08d23dfa7dcf392f053bfb1550ab8a11a4f7e22df8fc4e7ad707d116c7503e",
)
JUDY = Source(
    "apt",
    ("libjudy-dev", "libjudydebian1"),
    "1.0.5-5+b2",
    ("usr/include/Judy.h", f"{_LIBRARIES}/libJudy.so.1.0.3"),
    "fe5468ff05e93fa7f7145eb9c90127ded2b02047b7b03ae0b068d7bb821f2582",
)
_QEMU = ("atomic", "bitmap", "bitops", "bswap", "compiler", "hbitmap", "host-utils", "int128")
QEMU = Source(
    "apt-source",
    ("qemu",),
    "7.2+dfsg",
    (*(f"include/qemu/{one}.h" for one in _QEMU), "util/bitmap.c", "util/bitops.c",
     "util/hbitmap.c"),
    "a84f0ba7eff34982932ce8e7173b7493e750abbe0716fc1dfdc872de92bd6209",
)  # fmt: skip
_QEMU_FLAGS = ("-I{shims}/qemu", "-I{source}/include", "-I{source}")
LINUX = Source(
    "apt-archive",
    ("linux-source-6.1",),
    "6.1.192-2",
    ("include/linux/find.h", "lib/find_bit.c"),
    "c9b493c770d41b3f6edcb6386e1de80d048a1eba1fbb4b50a4c2b981c8d83fce",
)

PEERS = {
    one.name: one
    for one in (
        Peer("plain-c", "plain_c.c", OWN, False),
        Peer("plain-c-avx512", "plain_c.c", OWN, False, flags=("-DAVX512=1",), features=AVX512),
        Peer("plain-c-tree64", "plain_tree.c", OWN, False),
        Peer("std-bitset", "std_bitset.cc", OWN, False),
        Peer("std-sort", "std_sort.cc", OWN, False),
        Peer("kvm-log-ctz", "kvm_log.c", OWN, True, code="transcription"),
        Peer(
            "kvm-log-find-bit", "kvm_find_bit.c", "GPL-2.0+", True, source=LINUX,
            code="transcription; find_next_bit original",
            flags=("-I{shims}/linux", "-I{source}", "-I{source}/include"),
        ),
        Peer("qemu-hbitmap", "qemu_hbitmap.c", "GPL-2.0+", False, source=QEMU, flags=_QEMU_FLAGS),
        Peer(
            "qemu-ram-bitmap", "qemu_ram.c", "GPL-2.0+ and LGPL-2.1+", True, source=QEMU,
            flags=_QEMU_FLAGS, code="original; sync loop transcribed",
        ),
        Peer(
            "croaring", "croaring.c", "Apache-2.0 or MIT", False, source=CROARING,
            flags=("-I{source}/pyroaring",),
        ),
        Peer(
            "judy1", "judy.c", "LGPL-2.1+", False, source=JUDY,
            flags=(
                "-I{source}/usr/include", "-Wl,--no-as-needed", "-Wl,-rpath,{source}/" + _LIBRARIES,
                "{source}/" + JUDY.files[1],
            ),
        ),
        Peer(
            "rust-vmm", "rust_vmm.rs", "Apache-2.0 or BSD-3-Clause", True, source=VM_MEMORY,
            beside=VM_MEMORY.files,
        ),
        Peer(
            "rust-vmm-skipping", "rust_vmm.rs", "Apache-2.0 or BSD-3-Clause", True,
            source=VM_MEMORY, beside=VM_MEMORY.files, flags=("--cfg=skipping",),
            code="original, changed to skip",
            patch=(
                "|u| u.fetch_and(0, Ordering::SeqCst)",
                "|u| match u.load(Ordering::Relaxed) { 0 => 0, "
                "_ => u.fetch_and(0, Ordering::SeqCst) }",
            ),
        ),
    )
}  # fmt: skip
"""Name to peer; a tracker's own name is the same."""


def peer(name: str) -> Peer:
    """Return a peer by its name.

    Raises
    ------
    TrackerError
        There is none of that name; the message lists those that there are.
    """
    if name not in PEERS:
        raise TrackerError(f"{name!r}: no peer; must be one of {', '.join(PEERS)}")
    return PEERS[name]
