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
    """``pip``: a package of the Python index, as source.  ``apt``: packages of Debian."""
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
    transcription: bool = False
    """Whether it is written anew after a description, not the authors' own code."""
    source: Source | None = None
    flags: tuple[str, ...] = ()
    """Of the compiler; ``{source}`` is the folder of its sources."""
    features: tuple[str, ...] = ()
    """That the processor must have."""


CROARING = Source(
    "pip",
    ("pyroaring",),
    "1.0.3",
    ("pyroaring/roaring.c", "pyroaring/roaring.h"),
    "c539266b1c5dc240d554c425613fce4ac7bd518c8a67f924178304dcf9a7ad11",
)
JUDY = Source(
    "apt",
    ("libjudy-dev", "libjudydebian1"),
    "1.0.5-5+b2",
    ("usr/include/Judy.h", "usr/lib/x86_64-linux-gnu/libJudy.so.1.0.3"),
    "@@JUDY@@",
)

PEERS = {
    one.name: one
    for one in (
        Peer("plain-c", "plain_c.c", OWN, False),
        Peer("plain-c-avx512", "plain_c.c", OWN, False, flags=("-DAVX512=1",), features=AVX512),
        Peer("plain-c-tree64", "plain_tree.c", OWN, False),
        Peer("std-bitset", "std_bitset.cc", OWN, False),
        Peer("std-sort", "std_sort.cc", OWN, False),
        Peer("kvm-log-ctz", "kvm_log.c", OWN, True, transcription=True),
        Peer(
            "croaring", "croaring.c", "Apache-2.0 or MIT", False, source=CROARING,
            flags=("-I{source}/pyroaring",),
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
