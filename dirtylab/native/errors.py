"""What can be wrong with a tracker of one's own."""


class TrackerError(ValueError):
    """A native tracker can't be compiled, loaded or trusted; the message names the file."""


class UnsoundError(TrackerError):
    """A native tracker failed the check, so nothing of it is timed."""
