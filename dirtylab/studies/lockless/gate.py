"""Threads that begin at one gate, insert or harvest, and read the clock themselves."""

import os
from typing import NamedTuple

import numpy as np

from dirtylab._check import Counts, Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._words import ONE, Words
from dirtylab.lockless.atomics import (
    add_relaxed,
    aligned_zeros,
    give_way,
    load_acquire,
    load_relaxed,
)
from dirtylab.lockless.dispatch import State, harvest_into, insert_one
from dirtylab.measure.clock import Scratch, now

_PATIENCE = 4096
_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()


class Gate(NamedTuple):
    """The barrier of a sample's threads."""

    words: Words  # how many have come; how many are to come; inserters that are done
    times: Counts  # first and last reading of the clock of each vCPU


@inlined
def stand_at(gate: Gate) -> None:
    """Wait until all threads have arrived."""
    add_relaxed(gate.words, 0, ONE)
    looks = 0
    while load_acquire(gate.words, 0) < gate.words[1]:
        looks += 1
        if looks % _PATIENCE == 0:  # else a thread would begin a system call late
            give_way()


@uncounted
def time_inserts(
    state: State, vcpu: int, frames: Frames, inserts: int, gate: Gate, clock: Scratch
) -> int:
    """Insert `frames` over and over; return the number inserted."""
    stand_at(gate)
    gate.times[vcpu, 0] = now(clock)
    done, place = 0, 0
    while done < inserts and insert_one(state, vcpu, frames[place]):
        done += 1
        place += 1
        if place == frames.size:
            place = 0
    gate.times[vcpu, 1] = now(clock)
    add_relaxed(gate.words, 2, ONE)
    return done


@uncounted
def time_waiting_inserts(
    state: State, vcpu: int, frames: Frames, inserts: int, gate: Gate, clock: Scratch
) -> int:
    """Insert as :func:`time_inserts` does; where there is no room, wait for the harvest."""
    stand_at(gate)
    gate.times[vcpu, 0] = now(clock)
    waits, place = 0, 0
    for _ in range(inserts):
        while not insert_one(state, vcpu, frames[place]):
            waits += 1
            give_way()
        place += 1
        if place == frames.size:
            place = 0
    gate.times[vcpu, 1] = now(clock)
    add_relaxed(gate.words, 2, ONE)
    return waits


@kernel
def time_harvests(
    state: State, out: Frames, pause: int, least: int, gate: Gate, clock: Scratch, spent: Counts
) -> None:
    """Harvest `least` times and until the inserters are done.

    `spent` gets the number of harvests, of their frames, and their ns.
    """
    stand_at(gate)
    last = spent[0] + least
    while load_relaxed(gate.words, 2) + ONE < gate.words[1] or spent[0] < last:
        begin = now(clock)
        spent[1] += harvest_into(state, out)
        end = now(clock)
        spent[2] += end - begin
        spent[0] += 1
        while now(clock) - end < pause and load_relaxed(gate.words, 2) + ONE < gate.words[1]:
            pass


def stay_on_core(number: int) -> None:
    """Keep the calling thread on one core, where the system allows it.

    Left alone, threads that begin together share a core for the millisecond that a sample takes.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(_CORES)
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def gate_for(threads: int) -> Gate:
    """Return a gate that opens when so many threads have come."""
    words = aligned_zeros(16)
    words[1] = threads
    return Gate(words, np.zeros((threads, 2), np.int64))
