"""What the processor's caches hold when a structure is timed: an axis of every measurement."""

GUEST_RAN, WARM = "guest-ran", "warm"
CACHES = (GUEST_RAN, WARM)
"""The states; the first is the usual one, for it is what a hypervisor meets."""

CACHE_TEXTS = {
    GUEST_RAN: "caches hold other memory, as after the guest ran",
    WARM: "caches warm: the structure was just used",
}
"""Each in words, for captions."""


def cache_text(state: object) -> str | None:
    """Return a state in words, for a caption; None where it is not known."""
    return CACHE_TEXTS.get(str(state))
