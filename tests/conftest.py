"""What all tests share: a fresh cache of compiled kernels, patient property tests."""

import os
import shutil
import tempfile

# Tests start from nothing: what is compiled for them is no one else's, but workers share it, and
# runs that name a folder for it.
_is_worker = "PYTEST_XDIST_WORKER" in os.environ
_kept = os.environ.get("DIRTYLAB_TEST_CACHE")
if _is_worker:
    _cache = os.environ["NUMBA_CACHE_DIR"]
    # A folder for temporary files of its own: one measures at a time in each, and workers would
    # wait for one another.
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="", dir=_cache)
else:
    _cache = _kept or tempfile.mkdtemp(prefix="dirtylab-tests-")
os.environ["NUMBA_CACHE_DIR"] = _cache
os.environ.setdefault("MPLCONFIGDIR", _cache)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the workers take all cores

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile(
    "dirtylab",
    deadline=None,  # the first call of a kernel compiles it
    max_examples=60,
    stateful_step_count=30,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("dirtylab")


@pytest.fixture(autouse=True)
def _little_other_memory(monkeypatch):
    """Stream 1 MiB where a guest ran, not 256: tests do not judge times."""
    from dirtylab.measure import caches

    monkeypatch.setattr(caches, "MOST_BYTES", 2**20)
    caches.other_memory.cache_clear()


@pytest.fixture(autouse=True)
def _structures_as_before():
    """Forget structures that a test has entered: another test may use their names."""
    from dirtylab import STRUCTURES

    before = dict(STRUCTURES)
    yield
    STRUCTURES.clear()
    STRUCTURES.update(before)


def pytest_unconfigure():
    if not _is_worker and not _kept:
        shutil.rmtree(_cache, ignore_errors=True)


_FIRST = ("test_driver", "test_views", "test_tasks", "browser", "test_sweep", "test_worker")


def pytest_collection_modifyitems(items):
    """Begin with the file that compiles what others use, then with the longest."""

    def rank(item):
        names = (item.path.stem, item.path.parent.name)
        return next((at for at, name in enumerate(_FIRST) if name in names), len(_FIRST))

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """In CI a browser or notebook test that is skipped has failed."""
    report = yield
    must_run = item.get_closest_marker("browser") or item.get_closest_marker("notebook")
    if os.environ.get("CI") and must_run and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr[-1]}"
    return report
