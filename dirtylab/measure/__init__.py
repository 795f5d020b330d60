"""Honest measurement: timing, what the machine was, results on disk."""
