"""Ctrl-C at any moment of any verb: nothing lost, nothing invented, nothing broken."""

import copy
import signal
import threading

import numpy as np
import pytest
from contracts import OPTIONS
from fuzz import arguments, copies, interrupts
from numba import config

from dirtylab import STRUCTURES
from dirtylab.lockless import LATE, LOCKLESS
from dirtylab.structures import PostedTree, Tree64

ENOUGH = 200
every_verb = pytest.mark.parametrize(("name", "verb"), interrupts.CASES)
compiled_only = pytest.mark.skipif(
    bool(config.DISABLE_JIT), reason="an interpreted kernel can be interrupted in the middle"
)


@compiled_only
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@every_verb
def test_a_verb_interrupted_at_random_moments_loses_nothing(name, verb):
    tried, hit, failures = interrupts.by_timer_often(name, verb, ENOUGH, seed=0)
    assert failures == []
    assert hit >= ENOUGH, f"only {hit} of {tried} came inside the verb"


@compiled_only
@every_verb
def test_a_verb_interrupted_wherever_python_looks_for_signals_loses_nothing(name, verb):
    places, failures = interrupts.at_every_place(name, verb, seed=0)
    assert failures == []
    assert places >= 1


@compiled_only
@every_verb
def test_a_verb_interrupted_again_while_it_recovers_loses_nothing(name, verb):
    _, failures = interrupts.twice(name, verb, 30, seed=0)
    assert failures == []


@compiled_only
@pytest.mark.parametrize("name", STRUCTURES)
def test_output_changed_between_two_interrupts_and_the_next_verb_does_no_harm(name):
    rng = np.random.default_rng(0)
    for place in range(40):
        subject = interrupts.Subject(name, rng)
        subject.out = np.zeros(interrupts.PAGES, np.uint64)
        interrupts.at_places(subject, "harvest", {place, place + 1})
        subject.out[:] = rng.integers(0, 2**64, subject.out.size, dtype=np.uint64)
        subject.structure.insert(subject.fresh)
        subject.structure.check()
        held = {*subject.held.tolist(), *subject.fresh.tolist()}
        found = [f for f in subject.structure.harvest().tolist() if f < 2**64 - 1]
        assert all(f < interrupts.PAGES for f in found)
        assert place or set(found) <= held


@pytest.mark.parametrize("name", {**LOCKLESS, **LATE})
def test_a_lockless_harvest_after_an_interrupted_one_gives_both(name, monkeypatch):
    from dirtylab.lockless import base

    structure = {**LOCKLESS, **LATE}[name](500)
    structure.insert([5, 3, 400])
    harvest = base.harvest_counted

    def interrupted(*given):
        harvest(*given)
        raise KeyboardInterrupt

    out = np.empty(structure.most, np.uint64)
    with monkeypatch.context() as patch:
        patch.setattr(base, "harvest_counted", interrupted)
        with pytest.raises(KeyboardInterrupt):
            structure.harvest(out)
    out[:] = 7
    structure.insert([3, 9])
    with pytest.raises(ValueError, match="out: has room for 2 frames, "):
        structure.harvest(out[:2])
    assert structure.most >= 4
    found = structure.harvest(out).tolist()
    assert sorted(found) == [3, 5, 9, 400]
    assert not structure.sorted_output or found == [3, 5, 9, 400]
    assert structure.harvest(out).size == 0


def test_a_small_output_after_an_interrupted_harvest_keeps_all(monkeypatch):
    from dirtylab.lockless import base

    structure = LOCKLESS["ring"](5000, entries=256)
    harvest = base.harvest_counted

    def interrupted(*given):
        harvest(*given)
        raise KeyboardInterrupt

    out = np.empty(structure.most, np.uint64)
    for begin in (0, 150):
        structure.insert(range(begin, begin + 150))
        with monkeypatch.context() as patch:
            patch.setattr(base, "harvest_counted", interrupted)
            with pytest.raises(KeyboardInterrupt):
                structure.harvest(out)
    with pytest.raises(
        ValueError, match="room for 256 frames, 300 needed after a harvest that was"
    ):
        structure.harvest(out)
    assert structure.most == 256 + 300
    assert structure.harvest().tolist() == list(range(300))


def test_only_one_of_several_threads_harvests_and_the_next_may(monkeypatch):
    from dirtylab.lockless import base

    structure = LOCKLESS["bitmap"](100)
    structure.insert([7])
    inside, go, harvest = threading.Event(), threading.Event(), base.harvest_counted

    def slow(*given):
        inside.set()
        assert go.wait(20)
        harvest(*given)

    monkeypatch.setattr(base, "harvest_counted", slow)
    found = []
    thread = threading.Thread(target=lambda: found.extend(structure.harvest().tolist()))
    thread.start()
    assert inside.wait(20)
    with pytest.raises(RuntimeError, match="another thread is harvesting"):
        structure.harvest()
    with pytest.raises(RuntimeError, match="bitmap: can't be copied while a thread is harvesting"):
        copy.copy(structure)
    go.set()
    thread.join()
    assert found == [7]
    assert structure.harvest().size == 0


# --- copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", copies.WAYS)
@pytest.mark.parametrize("name", copies.NAMES)
def test_copies_have_memory_of_their_own_and_go_their_own_way(name, way):
    for seed in range(8):
        copies.trial(name, way, np.random.default_rng(seed))


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_copy_is_what_the_original_was(name):
    structure = STRUCTURES[name](4104, **OPTIONS.get(name, {}))
    structure.insert([50, 51, 7])
    other = copy.copy(structure)
    assert (repr(other), other.operations()) == (repr(structure), structure.operations())
    assert vars(other).keys() == vars(structure).keys()


def test_lockless_copies_begin_on_cache_lines():
    other = copy.deepcopy(LOCKLESS["tree64"](5000, vcpus=3))
    assert {one.ctypes.data % 128 for one in other.state} == {0}
    assert (other.vcpus, other.pages) == (3, 5000)


def test_check_finds_arrays_that_came_apart():
    tree, posted = Tree64(4104), PostedTree(4104)
    tree._header = tree._header.copy()
    with pytest.raises(AssertionError, match="the header is the state's"):
        tree.check()
    posted._packed = posted._packed.copy()
    with pytest.raises(AssertionError, match="all levels lie in one array"):
        posted.check()


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", copies.NAMES)
def test_hostile_arguments_are_taken_rightly_or_refused(name):
    rng = np.random.default_rng(1)
    for _ in range(12):
        arguments.trial(name, rng)


@compiled_only
@pytest.mark.parametrize("script", [arguments, copies, interrupts])
def test_the_scripts_say_what_they_tried(script, capsys, monkeypatch):
    monkeypatch.setattr(script, "CASES" if script is interrupts else "NAMES", small(script))
    assert script.main(["--rounds", "3", "--seed", "5"]) == 0
    assert " 0 failures" in capsys.readouterr().out


def small(script):
    return [("bitmap", "harvest")] if script is interrupts else ["bitmap"]
