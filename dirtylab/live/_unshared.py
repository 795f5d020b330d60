"""What belongs to one process and can't be copied."""

import os
from typing import NoReturn, SupportsIndex


class Unshared:
    """Holds descriptors or mapped memory: it can't be copied."""

    def __copy__(self) -> NoReturn:
        self.__reduce_ex__(2)

    def __deepcopy__(self, _memo: object) -> NoReturn:
        self.__reduce_ex__(2)

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__}: can't be copied or pickled, it holds descriptors or mapped "
            "memory; make another one"
        )


def require_process(name: str, maker: int) -> None:
    """Refuse use in another process than the one with the number `maker`.

    Raises
    ------
    RuntimeError
        After a fork, say: the kernel would take what the child asks for from its parent.
    """
    here = os.getpid()
    if here != maker:
        raise RuntimeError(
            f"{name}: was made in process {maker} and can't be used in process {here}; make "
            "another one there"
        )
