"""What surrounds the command: streams, folders, memory limits, Matplotlib, git, other users."""

import hashlib
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time

import matplotlib as mpl
import pytest

from dirtylab import _check, _console, _jit, _matplotlib, _memory, cli
from dirtylab.advice import calibration
from dirtylab.figures._rc import OWN, own_rc
from dirtylab.figures.anatomy import toy_picture
from dirtylab.figures.style import new_figure, png_bytes, save_picture, style_axes
from dirtylab.measure import locks, machine

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "dirtylab"


def shell(text, **options):
    """Run a line of shell in which $D is the command."""
    environment = {**os.environ, "D": f"{sys.executable} -m dirtylab", **options.pop("env", {})}
    return subprocess.run(
        text, shell=True, capture_output=True, text=True, env=environment, timeout=120, **options
    )


def python(text, *words, **options):
    """Run a piece of Python in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


# --- the ends of the command ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status", "heard"),
    [
        ("$D trace list >&-", 1, "dirtylab: standard output is closed\n"),
        ("$D --version >&-", 1, "dirtylab: standard output is closed\n"),
        ("$D trace list >/dev/full", 1, "standard output: No space left on device\n"),
        ("PYTHONUNBUFFERED=1 $D trace list >/dev/full", 1, "No space left on device\n"),
        ("$D --help >/dev/full", 1, "No space left on device\n"),
        ("$D trace info none.txt 2>&-", 1, ""),
        ("$D trace info none.txt >&- 2>&-", 1, ""),
        ("$D trace list <&- >&- 2>&-", 1, ""),
        ("$D trace info none.txt 2>/dev/full", 1, ""),
        ("PYTHONUNBUFFERED=1 $D trace info none.txt 2>/dev/full", 1, ""),
        ("$D trace list >/dev/full 2>/dev/full", 1, ""),
        ("$D --nonsense 2>&-", 2, ""),
        ("$D trace list <&- | grep -q sqlite", 0, ""),
        ("$D trace list 2>&- | grep -q sqlite", 0, ""),
    ],
)
def test_closed_and_full_streams_end_in_one_line_at_most(line, status, heard):
    done = shell(line, env={"PYTHONUNBUFFERED": ""})
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.endswith(heard)
    assert done.stderr.count("\n") == bool(heard)


def test_a_file_opened_later_does_not_take_the_place_of_a_closed_stderr(tmp_path):
    done = shell(f"$D trace convert sqlite {tmp_path}/a.txt 2>&-")
    assert done.returncode == 0
    assert (tmp_path / "a.txt").read_text().startswith("# ")


class OddError(Exception):
    """A kind of error that nobody expects."""


@pytest.mark.parametrize(
    ("error", "status", "heard"),
    [
        (IndexError("frames[0]=5: must be 0 … 3"), 2, "frames[0]=5: must be 0 … 3"),
        (KeyError("machine"), 2, "KeyError: 'machine'"),
        (LookupError("unknown encoding: x"), 2, "unknown encoding: x"),
        (OverflowError("int too large"), 2, "int too large"),
        (ZeroDivisionError("division by zero"), 2, "division by zero"),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), 2, "'ascii' codec can't decode byte"),
        (RecursionError("maximum recursion depth"), 1, "RecursionError: maximum recursion depth"),
        (NotImplementedError(), 1, "NotImplementedError"),
        (EOFError(), 1, "EOFError"),
        (MemoryError(), 1, "MemoryError"),
        (FileNotFoundError(2, "No such file", "a\nb"), 1, "No such file: 'a\\nb'"),
        (ModuleNotFoundError("No module named 'x'"), 1, "No module named 'x'"),
        (AssertionError("a structure lies"), 1, "a structure lies"),
        (ValueError("two\nlines\x1b[2J"), 2, r"two\nlines\x1b[2J"),
        (OddError("strange"), 1, "OddError: strange (a bug in dirtylab; python -X dev"),
        (AttributeError("no get"), 1, "AttributeError: no get (a bug in dirtylab"),
    ],
)
def test_an_error_ends_the_command_in_one_line(monkeypatch, capsys, error, status, heard):
    def fail(_):
        raise error

    monkeypatch.setattr("dirtylab.cli.trace._list", fail)
    assert cli.main(["trace", "list"]) == status
    told = capsys.readouterr()
    assert told.err.startswith("dirtylab trace: ")
    assert heard in told.err
    assert (told.err.count("\n"), told.out) == (1, "")


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        (["record", "--dirty", "5", "--", "ls"], "--dirty: is for --kvm"),
        (["record", "--seed", "5", "--", "ls"], "--seed: is for --kvm"),
        (["record", "--kvm", "--interval", "1"], "--interval: is for a command"),
        (["record", "--kvm", "--epochs", "0"], "argument --epochs: '0': must be 1 … 100000"),
        (["record", "--kvm", "--pages", "1k..4k"], "must be one number, not a range"),
        (["record", "--kvm", "--dirty", "0%"], "must be a share above 0%, up to 100%"),
        (["record", "--kvm", "--dirty", "1.5"], "must be a whole number, or a share up to 1"),
        (["record", "--name", "", "--", "ls"], "argument --name: '': must not be empty"),
        (["calibrate", "--out", ""], "argument --out: '': must not be empty"),
        (["calibrate", "--seconds", "1e400"], "must be 10 … 3600 seconds"),
        (["soak", "--inserts", "1e400"], "argument --inserts: '1e400': must be 1 … 1000000000000"),
        (["live", "--rounds", "1"], "argument --rounds: '1': must be 2 … 1000"),
        (["lockless", "--rounds", "1e6k"], "argument --rounds: '1e6k': must be 2 … 1000000"),
        (["crossovers", "--pages", "999"], "argument --pages: '999': must be 1000 …"),
        (["trace", "info", "a", "--pages", "1.5"], "argument --pages: '1.5': must be a number"),
        (["sweep", "--datasets", "zipf:exponent=1,exponent=2"], "name:key=value,…, each once"),
        (["sweep", "a\nb\x1b[2J"], r"unrecognized arguments: a\nb\x1b[2J (see dirtylab"),
    ],
)
def test_what_a_command_cannot_use_is_refused_in_one_line(
    capsys, tmp_path, monkeypatch, words, heard
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert heard in told.err
    assert (told.err.count("\n"), told.out, list(tmp_path.iterdir())) == (1, "", [])


def test_quantities_reach_a_recorded_guest_as_they_were_given(monkeypatch, tmp_path):
    asked = {}

    def record(**given):
        asked.update(given)
        raise ValueError("no more")

    monkeypatch.setattr("dirtylab.live.record.record_guest", record)
    words = ["--pages", "1GiB", "--dirty", "1%", "--epochs", "2", "--dataset", "hotset:hot=5%"]
    assert cli.main(["record", "--kvm", "--out", f"{tmp_path}/k.npz", *words]) == 2
    assert (asked["pages"], asked["dirty"], asked["epochs"]) == (2**18, 0.01, 2)
    assert (asked["dataset"], asked["hot"], asked["seed"]) == ("hotset", 0.05, 2016)


def test_listing_the_commands_loads_nothing_heavy():
    done = python(
        """
        import sys
        from dirtylab import cli
        try:
            cli.main(["--help"])
        except SystemExit:
            pass
        heavy = {"numpy", "numba", "matplotlib", "pandas", "ipywidgets"} & set(sys.modules)
        print(sorted(heavy), file=sys.stderr)
        """
    )
    assert done.stderr == "[]\n"


def fuzz(name):
    place = pathlib.Path(__file__).parent / "fuzz" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_random_command_lines_end_in_one_line(capsys):
    status = fuzz("commands").main(["--rounds", "120", "--seed", "7"])
    assert status == 0, capsys.readouterr().out


# --- where nothing can be written -----------------------------------------------------------------


@pytest.fixture
def not_noted(monkeypatch):
    monkeypatch.setattr(_console, "_noted", [])


def unwritable(monkeypatch):
    """Let no folder of Numba's be made."""
    from numba.core import caching

    def refuse(_):
        raise OSError("read-only file system")

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)


def test_without_a_folder_kernels_are_compiled_uncached_after_one_line(
    monkeypatch, capsys, not_noted
):
    unwritable(monkeypatch)

    def twice(number):
        return 2 * number

    def thrice(number):
        return 3 * number

    doubled, tripled = _jit.kernel(twice), _jit.inlined(thrice)
    assert (doubled(4), tripled(4)) == (8, 12)
    heard = capsys.readouterr().err
    assert heard.count("\n") == 1
    assert "each process compiles anew" in heard


def test_a_cache_that_breaks_later_stops_no_kernel(monkeypatch, capsys, not_noted, tmp_path):
    from numba.core import config

    if config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))

    def half(number):
        return number // 2

    halved = _jit.kernel(half)
    for file in tmp_path.rglob("*"):
        if file.is_dir() and file.name != "cache":
            file.rmdir()
            file.write_text("in the way")
    assert halved(8) == 4
    assert capsys.readouterr().err.count("\n") == 1


def run_without_folders(line, **more):
    """Run the command on a package that lies where Numba can't write, and without a home."""
    script = """
        import os, sys
        os.environ.pop("NUMBA_CACHE_DIR", None)
        from numba.core import caching
        def refuse(_):
            raise OSError("read-only file system")
        caching._CacheLocator.ensure_cache_path = refuse
        from dirtylab import cli
        sys.exit(cli.main(sys.argv[1:]))
    """
    kept = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    kept.pop("MPLCONFIGDIR", None)
    return python(script, *line, env={**kept, "HOME": "/proc/none", **more})


@pytest.mark.parametrize(
    "line",
    [
        ["--version"],
        ["advise", "--pages", "64GiB", "--dirty", "1%", "--no-probe"],
        ["trace", "list"],
    ],
)
def test_the_command_runs_without_home_and_cache(line):
    done = run_without_folders(line)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") <= 1


def test_figures_are_drawn_without_a_home_after_one_line():
    done = python(
        """
        from dirtylab.figures.anatomy import toy_picture
        from dirtylab.figures.style import png_bytes
        assert png_bytes(toy_picture().figure)
        """,
        env={
            **{name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"},
            "HOME": "/proc/none", "XDG_CONFIG_HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"dirtylab: note: Matplotlib has no folder .*\n", done.stderr)


def test_advice_is_given_where_there_is_no_home(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pathlib.Path, "home", homeless)
    assert calibration.current_model()[1] is False
    with pytest.raises(OSError, match="no home and no XDG_CACHE_HOME"):
        calibration.model_path()


@pytest.mark.parametrize("name", ["SIGINT", "SIGALRM"])
def test_an_interrupt_waits_for_a_compilation_to_end(name):
    """Without that, Numba knows the callee half, and each later call fails."""
    number = getattr(signal, name)
    before = signal.signal(number, signal.default_int_handler)
    try:
        require_heeded_at_the_end(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def require_heeded_at_the_end(number):

    def inner(number):
        return number + 1

    kernel = _jit.kernel(inner)
    if not hasattr(kernel, "compile"):
        pytest.skip("nothing is compiled")
    steps = []

    def compile_slowly(_):
        steps.append("began")
        signal.raise_signal(number)
        steps.append("ended")
        return "compiled"

    heeding = _jit._uninterrupted(compile_slowly)
    with pytest.raises(KeyboardInterrupt):
        heeding(())
    assert steps == ["began", "ended"]
    assert kernel(1) == 2


# --- limits of memory -----------------------------------------------------------------------------

V2 = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {part} /sys/fs/cgroup/memory rw,relatime master:9 - cgroup cgroup rw,memory\n"
)
GIB = 2**30


def tree(root, memberships, mounts, files):
    """Make a file system as /proc and the hierarchies show it."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(memberships)
    (proc / "mountinfo").write_text(mounts)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def room_in(root):
    _memory._groups.cache_clear()
    rooms = list(_memory.group_rooms(root))
    found = min(rooms, key=lambda room: room.free, default=None)
    return found and (found.limit, found.free)


LIMITS = {
    "version 2, own group": (
        "0::/a/b\n", V2, {"a/b/memory.max": f"{GIB}\n", "a/b/memory.current": "1000\n"},
        (GIB, GIB - 1000),
    ),
    "version 2, an ancestor's": (
        "0::/a/b\n", V2,
        {"a/memory.max": f"{GIB}\n", "a/memory.current": "5", "a/b/memory.max": "max\n"},
        (GIB, GIB - 5),
    ),
    "version 2, the least room": (
        "0::/a/b\n", V2,
        {"a/memory.max": f"{2 * GIB}", "a/memory.current": f"{2 * GIB - 7}",
         "a/b/memory.max": f"{GIB}", "a/b/memory.current": "0"},
        (2 * GIB, 7),
    ),
    "caches of files give way": (
        "0::/a\n", V2,
        {"a/memory.max": f"{GIB}", "a/memory.current": f"{GIB}",
         "a/memory.stat": "anon 100\nfile 900\ninactive_file 600\nactive_file 300\n"},
        (GIB, 900),
    ),
    "a namespace: the root is the container's own group": (
        "0::/\n", V2, {"memory.max": f"{GIB}", "memory.current": "0"}, (GIB, GIB),
    ),
    "outside of the namespace": (
        "0::/../other\n", V2, {"memory.max": f"{GIB}", "memory.current": "0"}, (GIB, GIB),
    ),
    "no limit": ("0::/a\n", V2, {"a/memory.max": "max\n", "a/memory.current": "5\n"}, None),
    "version 1": (
        "9:name=systemd:/x\n4:memory:/a/b\n1:cpu,cpuacct:/z\n", V1.format(part="/"),
        {"memory/a/b/memory.limit_in_bytes": "9223372036854771712",
         "memory/a/memory.limit_in_bytes": f"{GIB}", "memory/a/memory.usage_in_bytes": "9"},
        (GIB, GIB - 9),
    ),
    "version 1, a path with a colon": (
        "4:memory:/a:b\n", V1.format(part="/"),
        {"memory/a:b/memory.limit_in_bytes": f"{GIB}", "memory/a:b/memory.usage_in_bytes": "0"},
        (GIB, GIB),
    ),
    "version 1, a part is mounted": (
        "4:memory:/docker/id\n", V1.format(part="/docker/id"),
        {"memory/memory.limit_in_bytes": f"{GIB}", "memory/memory.usage_in_bytes": "3",
         "memory/memory.stat": "total_inactive_file 2\ninactive_file 99\n"},
        (GIB, GIB - 1),
    ),
    "version 1, a part with a group in it": (
        "4:memory:/docker/id/in\n", V1.format(part="/docker/id"),
        {"memory/in/memory.limit_in_bytes": f"{GIB}", "memory/in/memory.usage_in_bytes": "0"},
        (GIB, GIB),
    ),
    "version 1, the group is not to be seen": (
        "4:memory:/docker/id\n", V1.format(part="/"),
        {"memory/memory.limit_in_bytes": f"{GIB}", "memory/memory.usage_in_bytes": "0"},
        (GIB, GIB),
    ),
    "version 1, an ancestor outside of the container": (
        "4:memory:/docker/id\n", V1.format(part="/docker/id"),
        {"memory/memory.limit_in_bytes": "9223372036854771712",
         "memory/memory.usage_in_bytes": "0",
         "memory/memory.stat": f"hierarchical_memory_limit {GIB}\n"},
        (GIB, GIB),
    ),
    "hybrid: memory is version 1's": (
        "4:memory:/a\n0::/a\n",
        V1.format(part="/") + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "),
        {"memory/a/memory.limit_in_bytes": f"{GIB}", "memory/a/memory.usage_in_bytes": "0",
         "unified/a/cgroup.procs": "1"},
        (GIB, GIB),
    ),
    "a blank in the place of the mount": (
        "0::/a\n", V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/two\\040words "),
        {"two words/a/memory.max": f"{GIB}", "two words/a/memory.current": "0"}, (GIB, GIB),
    ),
    "nothing is told": ("", "", {}, None),
    "nonsense": ("\n:\n::::\n4:memory\n", " - \nx - cgroup2\n- -\n", {}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
def test_limits_of_control_groups_are_found(tmp_path, case):
    memberships, mounts, files, wanted = LIMITS[case]
    assert room_in(tree(tmp_path, memberships, mounts, files)) == wanted


def test_what_goes_beyond_a_limit_is_refused_before_it_is_allocated(monkeypatch):
    room = _memory.Room("its control group", 2 * GIB, GIB)
    monkeypatch.setattr(_check, "tightest", lambda: room)
    _check.memory("pages", 1, GIB)
    with pytest.raises(MemoryError) as refused:
        _check.memory("pages", 7, GIB + 1)
    assert str(refused.value) == (
        "pages=7: needs 1.0 GiB of memory; its control group allows 2.0 GiB, of which 1.0 GiB are "
        "free"
    )
    assert _check.usable_memory() <= 2 * GIB


def test_limits_are_not_read_for_what_is_small(monkeypatch):
    def fail():
        raise AssertionError("read")

    monkeypatch.setattr(_check, "tightest", fail)
    _check.memory("pages", 1, 2**20)


def test_a_limit_of_the_process_counts():
    done = python(
        """
        import resource
        from dirtylab import _memory, cli
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, resource.RLIM_INFINITY))
        room = _memory.tightest()
        assert room.source == "this process's RLIMIT_AS", room
        assert 0 < room.free <= 2**30
        cli.main(["radix-tree", "64", "2^28"])
        """
    )
    last = done.stderr.splitlines()[-1]
    assert "needs 4.0 GiB of memory; this process's RLIMIT_AS allows" in last, done.stderr
    assert "Traceback" not in done.stderr


# --- Matplotlib's settings ------------------------------------------------------------------------

HOSTILE = {
    "lines.linewidth": 9, "lines.marker": "o", "savefig.bbox": "tight", "savefig.format": "pdf",
    "savefig.transparent": True, "font.family": "serif", "font.size": 20, "text.usetex": True,
    "axes.facecolor": "yellow", "axes.grid": True, "xtick.direction": "in", "svg.hashsalt": "x",
    "patch.edgecolor": "red", "patch.linewidth": 5, "legend.fontsize": 30, "path.sketch": (1, 2, 3),
    "figure.autolayout": True, "pdf.fonttype": 42, "svg.fonttype": "none", "image.cmap": "hot",
}  # fmt: skip


def drawn():
    figure = new_figure()
    ax = figure.add_subplot()
    ax.plot([1, 10], [1, 100], label="a 100 %")
    ax.legend()
    style_axes(ax, title="a 100 %", xlabel="dirty frames", ylabel="µs")
    return png_bytes(figure)


@pytest.mark.parametrize("make", [drawn, lambda: png_bytes(toy_picture().figure, 40)])
def test_figures_do_not_follow_the_users_settings(make):
    plain = make()
    with mpl.rc_context(HOSTILE):
        before = dict(mpl.rcParams)
        assert make() == plain
        assert dict(mpl.rcParams) == before


def test_saved_bytes_do_not_follow_the_users_settings(tmp_path):
    def saved(name):
        folder = tmp_path / name
        folder.mkdir()
        names = save_picture(toy_picture(), folder, "toy")
        return [hashlib.sha256((folder / one).read_bytes()).hexdigest() for one in names]

    plain = saved("plain")
    with mpl.rc_context(HOSTILE):
        assert saved("hostile") == plain


def test_axes_of_the_user_follow_the_user():
    from matplotlib.figure import Figure

    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "yellow"}):
        ax = Figure().add_subplot()
        style_axes(ax, title="mine", xlabel="x", ylabel="y")
        assert ax.plot([1, 2])[0].get_linewidth() == 9
        assert ax.get_facecolor()[:3] == (1.0, 1.0, 0.0)


def test_settings_come_back_whoever_leaves_last():
    with mpl.rc_context({"lines.linewidth": 9}):
        inside, leave = threading.Event(), threading.Event()

        def work():
            with own_rc():
                inside.set()
                leave.wait(10)

        other = threading.Thread(target=work)
        with own_rc():
            other.start()
            assert inside.wait(10)
        assert mpl.rcParams["lines.linewidth"] == OWN["lines.linewidth"]
        leave.set()
        other.join()
        assert mpl.rcParams["lines.linewidth"] == 9


def test_a_backend_that_is_not_there_is_no_matter():
    done = python(
        """
        import os
        from dirtylab.figures.anatomy import toy_picture
        toy_picture()
        assert os.environ["MPLBACKEND"] == "nonsense"
        """,
        env={**os.environ, "MPLBACKEND": "nonsense"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_other_words_of_matplotlib_are_not_kept_back(caplog):
    _matplotlib.expect_matplotlib()
    import logging

    with caplog.at_level("WARNING", "matplotlib"):
        logging.getLogger("matplotlib").warning("something else")
    assert "something else" in caplog.text


# --- provenance -----------------------------------------------------------------------------------


def git(folder, *words):
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *names, "-C", str(folder), *words], check=True, capture_output=True)


def revision_of(package, **environment):
    """Return the revision that a copy of the package tells, in a process of its own."""
    done = python(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dirtylab.measure.machine import git_revision, __file__\n"
        "assert __file__.startswith(sys.argv[1])\n"
        "print(git_revision())",
        package,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a checkout of the project, committed."""
    top = tmp_path_factory.mktemp("checkout") / "project"
    shutil.copytree(PACKAGE, top / "dirtylab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", top)
    git(top.parent, "init", "project")
    git(top, "add", ".")
    git(top, "commit", "-m", "all")
    return top


def test_a_checkout_tells_its_revision_whatever_the_environment_names(checkout, tmp_path):
    told = revision_of(checkout)
    assert re.fullmatch(r"[0-9a-f]{7,}\+?", told)
    git(tmp_path, "init", "other")
    wrong = {"GIT_DIR": str(tmp_path / "other/.git"), "GIT_WORK_TREE": "/", "GIT_INDEX_FILE": "/x"}
    assert revision_of(checkout, **wrong).rstrip("+") == told.rstrip("+")
    (checkout / "dirtylab" / "new.py").write_text("")
    assert revision_of(checkout).endswith("+")


def test_an_installed_package_does_not_tell_the_revision_of_what_is_around_it(tmp_path):
    """A virtual environment inside another project's repository, and a vendored copy."""
    site = tmp_path / ".venv/lib/site-packages"
    for place in (site, tmp_path):
        shutil.copytree(PACKAGE, place / "dirtylab", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n')
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "another project")
    assert revision_of(site) == "None"
    assert revision_of(tmp_path) == "None"


@pytest.mark.parametrize("missing", ["packages", "virtual_machine", "git_revision", "cpu", "date"])
def test_a_caption_leaves_out_what_is_not_known(missing):
    facts = {**machine.describe_machine(), "git_revision": "abc1234"}
    whole = machine.caption(facts)
    del facts[missing]
    assert len(machine.caption(facts)) <= len(whole)
    assert machine.caption({}) == "an unknown machine"


# --- taking turns ---------------------------------------------------------------------------------


@pytest.fixture
def shared(monkeypatch, tmp_path):
    """Return a folder in place of that for temporary files."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setattr(locks.tempfile, "gettempdir", lambda: str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(locks, "_noted", set())
    return folder


def put_pipe(path):
    os.mkfifo(path)


def put_link(path):
    path.symlink_to(path.parent.parent / "elsewhere")


def put_device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("making devices is not allowed here")


@pytest.mark.parametrize("put", [put_pipe, put_link, put_device, pathlib.Path.mkdir])
def test_nothing_in_a_shared_folder_blocks_the_lock(shared, tmp_path, capsys, put):
    put(shared / "dirtylab.lock")
    begun = time.monotonic()
    for _ in range(2):
        with locks.alone_on_machine():
            assert (tmp_path / "dirtylab.lock").is_file()
    assert time.monotonic() - begun < 5
    assert not (tmp_path / "elsewhere").exists()
    heard = capsys.readouterr().err
    assert heard.count("\n") == 1
    assert "dirtylab.lock can't be used as a lock; only measurements of this user" in heard


def test_without_any_folder_the_module_itself_is_the_lock(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    shutil.rmtree(shared)
    with locks.alone_on_machine():
        pass


def test_a_long_wait_is_said_once(shared, capsys):
    script = (
        "import sys, time\n"
        "from dirtylab.measure import locks\n"
        "locks.tempfile.gettempdir = lambda: sys.argv[1]\n"
        "with locks.alone_on_machine():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(float(sys.argv[2]))\n"
    )
    for _ in range(2):
        command = [sys.executable, "-c", script, str(shared), "1.6"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout.readline() == "held\n"
            with locks.alone_on_machine():
                assert holder.wait(10) == 0
    heard = capsys.readouterr().err
    assert (
        heard == "dirtylab: another measurement runs on this machine; waiting for it to end ...\n"
    )
