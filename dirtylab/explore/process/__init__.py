"""The measuring process: its messages, both of its ends, and a session of one view."""
