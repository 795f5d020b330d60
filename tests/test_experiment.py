"""The one experiment: whose turn it is, what is kept."""

import pathlib
import re

import numpy as np

import dirtylab
from dirtylab.measure.experiment import experiment, take_turns


def test_each_round_has_every_turn_once_in_a_new_order():
    seen = []

    def turn(one, number):
        seen.append((number, one))
        return [one]

    rows = experiment("abcdef", 20, np.random.default_rng(1), turn, untimed=2)
    orders = [tuple(one for at, one in seen if at == number) for number in range(-2, 20)]
    assert all(sorted(order) == [*"abcdef"] for order in orders)
    assert len(set(orders)) > 15
    assert rows == [one for number, one in seen if number >= 0]


def test_hooks_frame_every_round():
    told = []
    experiment(
        [1, 2], 2, np.random.default_rng(0), lambda one, number: told.append("turn") or [],
        prepare=lambda number: told.append(f"before {number}"),
        finish=lambda number: told.append(f"after {number}"), untimed=1,
    )  # fmt: skip
    rounds = [[f"before {number}", "turn", "turn", f"after {number}"] for number in (-1, 0, 1)]
    assert told == [word for one in rounds for word in one]


def test_a_single_round_gives_results_in_the_order_of_turns():
    order = []
    found = take_turns(
        range(9), np.random.default_rng(3), lambda one: order.append(one) or one * one,
        prepare=lambda: order.append("first"),
    )  # fmt: skip
    assert order[0] == "first"
    assert found == [(one, one * one) for one in order[1:]]
    assert take_turns([], np.random.default_rng(3), print) == []


def test_nobody_else_draws_an_order_of_turns():
    package = pathlib.Path(dirtylab.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for folder in ("measure", "studies", "explore", "advice", "live")
        for path in (package / folder).rglob("*.py")
        if re.search(r"rng\.permutation\(len", path.read_text(encoding="utf-8"))
    }
    assert found == {"measure/experiment.py"}
