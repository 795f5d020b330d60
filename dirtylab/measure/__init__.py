"""Measurement: timing, a description of the machine, results on disk."""
