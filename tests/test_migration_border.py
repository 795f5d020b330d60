"""Where migrations end: the border against simulations, the fit against costs that are known."""

import math

import numpy as np
import pytest

import dirtylab
from dirtylab.migration.border import NEAR, Link, fastest, law, rho_map, written_in
from dirtylab.migration.closed import unique_pages, writes_within
from dirtylab.migration.costs import costs_of
from dirtylab.migration.tracking import tracking

COSTS = costs_of(None)


def link_of(tracker, bandwidth=100e6, downtime=0.3):
    return Link(bandwidth, downtime, COSTS, tracking(tracker, "random", {}, 2**14, COSTS))


@pytest.mark.parametrize("tracker", ["none", "kvm-log", "kvm-ring:4096"])
@pytest.mark.parametrize("dataset", ["random", "sequential", "hotset"])
def test_the_border_is_where_simulations_end(dataset, tracker):
    size, link = 2**14, link_of(tracker)
    border = fastest(dataset, size, link)
    facts = {"working_set": size, "bandwidth": link.bandwidth, "tracker": tracker, "limit": 8}
    assert dirtylab.migrate("128MiB", dataset, rate=border / 1.5, **facts).converges
    beyond = min(1.8 * border, 1e8) if math.isfinite(border) else math.inf
    if math.isfinite(beyond):
        assert not dirtylab.migrate("128MiB", dataset, rate=beyond, **facts).converges


def test_rho_is_that_of_a_migration():
    for rate in (1000, 20_000, 100_000):
        found = rho_map("random", [2**14], [rate], link_of("kvm-log"))[0, 0]
        one = dirtylab.migrate("128MiB", rate=rate, working_set=2**14, bandwidth="100MB/s")
        assert found == pytest.approx(one.rho, rel=0.05)
    assert NEAR > 1


def test_rho_rises_with_the_rate_and_falls_with_the_bandwidth():
    sizes, rates = [2**10, 2**14, 2**18], np.geomspace(10, 1e8, 20)
    slow = rho_map("random", sizes, rates, link_of("kvm-log"))
    assert slow.shape == (3, 20)
    assert (np.diff(slow, axis=1) >= 0).all()
    assert (rho_map("random", sizes, rates, link_of("kvm-log", 1e9)) <= slow).all()
    assert (rho_map("random", sizes, rates, link_of("none")) >= slow).all()


@pytest.mark.parametrize("seconds", [0.001, 0.1, 3])
def test_tabulated_laws_are_near_the_exact_ones(seconds):
    for dataset in ("random", "hotset", "zipf", "sequential"):
        cost = tracking("kvm-ring:4096", dataset, {}, 2**12, COSTS)
        unique = unique_pages(dataset, 2**12, {})
        for pace in (100.0, 1e5, math.inf):
            exact = float(unique(writes_within(seconds, pace, 1e8, cost, unique)))
            found = float(written_in(seconds, law(dataset, 2**12, ()), [pace], 1e8, cost)[0])
            assert found == pytest.approx(exact, rel=0.03, abs=1)


def test_a_tracker_that_slows_the_guest_lets_it_converge():
    fast = Link(3e9, 0.3, COSTS._replace(page_s=1e-7), link_of("none").cost)
    slowed = fast._replace(cost=link_of("kvm-ring:4096").cost)
    assert math.isfinite(fastest("random", 2**20, fast))
    assert fastest("random", 2**20, slowed) == math.inf
