"""Figures: functions that take an ``ax`` and return artists, without pyplot.

JupyterLab runs widget callbacks on another thread than cells; pyplot's global state then mixes
up or loses figures.  So every figure is a :class:`matplotlib.figure.Figure` of its own.
"""

from dirtylab._matplotlib import load_matplotlib

load_matplotlib()
