"""``/dev/kvm``: whether it is there, and what it can do.

Source: Linux's Documentation/virt/kvm/api.rst.
"""

import errno
import os

from dirtylab.live._system import Descriptor, Number, Unavailable, ioctl, require_linux, translated

WHAT, DEVICE = "KVM guests", "/dev/kvm"
KVM = Number(0xAE)
_API, _EXTENSION = 0x00, 0x03
CAP_MANUAL, CAP_RING, CAP_RING_ORDERED = 168, 192, 223


def open_device() -> int:
    """Return a descriptor of ``/dev/kvm``.

    Raises
    ------
    Unavailable
        One line says what is missing.
    """
    require_linux(WHAT, ("x86_64",))
    reasons = {
        errno.ENOENT: f"{DEVICE} is missing (no hardware virtualization, or no module kvm)",
        errno.EACCES: f"no permission for {DEVICE} (be in the group kvm)",
        errno.EPERM: f"no permission for {DEVICE} (be in the group kvm)",
        errno.ENODEV: f"{DEVICE} has no hypervisor behind it",
        errno.ENXIO: f"{DEVICE} has no hypervisor behind it",
    }
    with translated(WHAT, reasons):
        return os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)


def ring_capability(system: int) -> int:
    """Return the number of the kernel's dirty ring capability, 0 where it has none."""
    for number in (CAP_RING_ORDERED, CAP_RING):
        if ioctl(system, KVM.none(_EXTENSION), number):
            return number
    return 0


def missing(tracking: str) -> str | None:
    """Return one line on why guests with this tracking are unavailable here, None if available."""
    try:
        device = Descriptor(open_device())
    except OSError as error:
        return str(error)
    try:
        require(device.fd, tracking)
    except Unavailable as error:
        return str(error)
    finally:
        device.close()
    return None


def require(system: int, tracking: str) -> int:
    """Return the number of the capability that `tracking` needs, 0 for none."""
    with translated(WHAT, {errno.ENOTTY: f"{DEVICE} is no device of KVM"}):
        version = ioctl(system, KVM.none(_API))
    if version != 12:
        raise Unavailable(WHAT, f"{DEVICE} speaks another version than 12")
    if tracking == "manual":
        if ioctl(system, KVM.none(_EXTENSION), CAP_MANUAL) & 1:
            return CAP_MANUAL
        raise Unavailable(
            "KVM_CLEAR_DIRTY_LOG", "needs Linux 5.1 or later", "the plain log (kvm-log) works"
        )
    if tracking == "ring":
        found = ring_capability(system)
        if not found:
            raise Unavailable(
                "KVM's dirty ring", "needs Linux 5.11 or later", "the log (kvm-log) works"
            )
        return found
    return 0
