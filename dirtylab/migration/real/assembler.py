"""A small assembler: bytes as hexadecimal text, labels, and the distances and addresses of labels.

Source: AMD64 Architecture Programmer's Manual, volume 3, for the encodings that its users write.
"""

from typing import NamedTuple

_NEAR, _ABSOLUTE = 1, 4


class _Hole(NamedTuple):
    """Bytes that are known when all labels are."""

    place: int
    size: int
    label: str
    relative: bool


class Assembler:
    """Collects code for one address.

    Parameters
    ----------
    origin : int
        Address of its first byte.

    Examples
    --------
    >>> code = Assembler(0x1000)
    >>> code.label("again")
    >>> code.emit("48 ff c9")
    >>> code.near("75", "again")
    >>> code.assembled().hex(" ")
    '48 ff c9 75 fb'
    """

    def __init__(self, origin: int) -> None:
        self.origin = origin
        self._bytes = bytearray()
        self._labels: dict[str, int] = {}
        self._holes: list[_Hole] = []

    def emit(self, text: str) -> None:
        """Add bytes."""
        self._bytes += bytes.fromhex(text)

    def number(self, value: int, size: int) -> None:
        """Add a number, the lowest byte first."""
        self._bytes += value.to_bytes(size, "little")

    def label(self, name: str) -> None:
        """Name the place of the next byte."""
        self._labels[name] = self.origin + len(self._bytes)

    def place(self, label: str) -> int:
        """Return the address of a label."""
        return self._labels[label]

    def near(self, opcode: str, label: str) -> None:
        """Add a jump by a distance of one byte."""
        self.emit(opcode)
        self._hole(_NEAR, label, relative=True)

    def address(self, opcode: str, label: str, size: int = _ABSOLUTE, after: str = "") -> None:
        """Add an instruction with the lowest bytes of an address, and what follows them."""
        self.emit(opcode)
        self._hole(size, label, relative=False)
        self.emit(after)

    def assembled(self) -> bytes:
        """Return all bytes.

        Raises
        ------
        ValueError
            A label is missing, or too far for a near jump; it is named.
        """
        found = bytearray(self._bytes)
        for hole in self._holes:
            if hole.label not in self._labels:
                raise ValueError(f"{hole.label}: no such label")
            value = self._labels[hole.label]
            if hole.relative:
                value -= self.origin + hole.place + hole.size
                if not -128 <= value < 128:
                    raise ValueError(f"{hole.label}: {value} bytes are too far for a near jump")
            mask = (1 << 8 * hole.size) - 1
            found[hole.place : hole.place + hole.size] = (value & mask).to_bytes(
                hole.size, "little"
            )
        return bytes(found)

    def _hole(self, size: int, label: str, *, relative: bool) -> None:
        self._holes.append(_Hole(len(self._bytes), size, label, relative))
        self._bytes += bytes(size)
