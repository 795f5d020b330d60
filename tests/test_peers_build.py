"""Peers: built, checked, named, and refused in a line where something is wrong.  No network."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from dirtylab import STRUCTURES, cli
from dirtylab.native import compiler
from dirtylab.native.contract import check_library
from dirtylab.native.errors import TrackerError
from dirtylab.native.paths import is_path, split
from dirtylab.native.peers import build as building
from dirtylab.native.peers import recipes, sources

SELF_CONTAINED = [name for name, one in recipes.PEERS.items() if one.source is None]
FETCHED = [name for name, one in recipes.PEERS.items() if one.source is not None]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler.cache_folder.cache_clear()
    before = dict(STRUCTURES)
    yield
    compiler.cache_folder.cache_clear()
    for name in set(STRUCTURES) - set(before):
        del STRUCTURES[name]


@pytest.fixture
def offline(monkeypatch):
    def refuse(words, *_, **__):
        raise AssertionError(f"asked the network: {words}")

    monkeypatch.setattr(sources, "_run", refuse)


def buildable(name):
    if lacks := building.state(name).missing:
        pytest.skip(lacks)
    return building.build(name)


def fake(monkeypatch, content=b"int x;\n", digest=None):
    """Put a peer among the recipes whose shim is the plain bitmap and whose source is made up."""
    name = "pyroaring/roaring.c"
    told = hashlib.sha256(name.encode() + b"\0" + hashlib.sha256(content).digest()).hexdigest()
    source = recipes.Source("pip", ("pyroaring",), "0.0", (name,), digest or told)
    one = recipes.Peer("plain-c", "plain_c.c", "BSD", False, source=source)
    monkeypatch.setitem(recipes.PEERS, "plain-c", one)
    return source


def fake_pip(content=b"int x;\n"):
    """Return what stands for pip: it leaves an archive, and counts its runs."""
    runs = []

    def run(words, work, what):
        runs.append(what)
        with tarfile.open(work / "pyroaring-0.0.tar.gz", "w:gz") as file:
            for path in ("pyroaring-0.0/pyroaring/roaring.c", "pyroaring-0.0/../../escaped.c"):
                member = tarfile.TarInfo(path)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))

    return run, runs


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_what_needs_no_sources_builds_and_keeps_the_contract(name, offline):
    library = buildable(name)
    found = list(check_library(library))
    assert [str(one) for one in found if one.broken] == []
    assert {one.tracker for one in found} == {name}, "its own name is that of the recipe"
    concurrent = "insert beside harvest" in {one.property for one in found}
    assert concurrent == recipes.PEERS[name].atomic


def test_each_recipe_says_what_it_is():
    shims = {path.name for path in building.SHIMS.iterdir() if path.suffix in compiler.LANGUAGES}
    assert {one.shim for one in recipes.PEERS.values()} == shims
    for one in recipes.PEERS.values():
        assert one.licence
        assert one.source is not None or one.licence == recipes.OWN
        if one.source:
            assert len(one.source.digest) == 64
            assert one.source.files


def test_apts_options_leave_the_systems_lists_alone(monkeypatch, tmp_path):
    told = "Debian ftp:/x/ bookworm main\nOther ftp:/y/ nodistro main\n"
    monkeypatch.setattr(sources, "_run", lambda words, work, what: told)
    options = sources._own_lists(tmp_path)
    assert f"Dir::State::Lists={tmp_path / 'lists'}" in options
    assert f"Dir::Etc::SourceParts={tmp_path / 'parts'}" in options
    text = (tmp_path / "sources.list").read_text()
    assert text == f"deb-src [signed-by={sources._KEYS}] ftp:/x/ bookworm main\n"
    monkeypatch.setattr(sources, "_run", lambda words, work, what: "Other ftp:/y/ nodistro main\n")
    with pytest.raises(TrackerError, match="none of Debian's are known here"):
        sources._own_lists(tmp_path / "other")


def test_a_change_that_has_nothing_to_change_is_a_line(monkeypatch, tmp_path):
    fake(monkeypatch)
    one = recipes.PEERS["plain-c"]._replace(beside=one_file(), patch=("no such text", "x"))
    monkeypatch.setitem(recipes.PEERS, "plain-c", one)
    monkeypatch.setattr(sources, "_run", fake_pip()[0])
    with pytest.raises(TrackerError, match=r"roaring\.c: has no 'no such text' to change"):
        buildable("plain-c")


def one_file():
    return ("pyroaring/roaring.c",)


def test_no_gpl_source_is_shipped():
    for shim in filter(Path.is_file, building.SHIMS.rglob("*")):
        text = shim.read_text()
        assert "SPDX" not in text
        assert "GNU" not in text
        assert len(text) < 6000


def test_a_peer_is_built_once(offline):
    library = buildable("plain-c")
    made = library.stat().st_mtime_ns
    assert building.build("plain-c") == library
    assert library.stat().st_mtime_ns == made
    assert building.state("plain-c") == building.State(library, "", "")


def test_a_changed_shim_is_built_anew(tmp_path, monkeypatch, offline):
    first = buildable("plain-c")
    shims = tmp_path / "shims"
    shims.mkdir()
    for path in filter(Path.is_file, building.SHIMS.iterdir()):
        (shims / path.name).write_bytes(path.read_bytes() + b"\n")
    monkeypatch.setattr(building, "SHIMS", shims)
    assert building.state("plain-c").library is None
    assert building.build("plain-c") != first


def test_a_built_peer_is_a_structure_by_its_name(offline):
    from dirtylab.native.contestants import entered

    buildable("plain-c-tree64")
    assert is_path("peer:plain-c-tree64")
    assert entered("peer:plain-c-tree64") == "plain-c-tree64"
    structure = STRUCTURES["plain-c-tree64"](70_000)
    frames = np.array([69_999, 3, 4096, 3], np.uint64)
    structure.insert(frames)
    assert structure.harvest().tolist() == [3, 4096, 69_999]


def test_a_peer_that_is_not_built_or_not_there_is_a_line():
    with pytest.raises(TrackerError, match="dirtylab peers build croaring builds it"):
        split("peer:croaring")
    with pytest.raises(TrackerError, match=r"'none': no peer; must be one of plain-c, "):
        split("peer:none")


def test_sources_are_fetched_checked_and_kept(monkeypatch, tmp_path):
    source = fake(monkeypatch)
    run, runs = fake_pip()
    monkeypatch.setattr(sources, "_run", run)
    buildable("plain-c")
    place = sources.there(source)
    assert [path.name for path in place.rglob("*") if path.is_file()] == ["roaring.c"]
    assert not list(tmp_path.rglob("escaped.c"))
    buildable("plain-c")
    assert runs == ["pyroaring 0.0"]


def test_another_digest_is_one_error_that_names_both(monkeypatch):
    fake(monkeypatch, digest="ab" * 32)
    monkeypatch.setattr(sources, "_run", fake_pip()[0])
    with pytest.raises(TrackerError, match=r"SHA-256 of its files is [0-9a-f]{64}, must be abab"):
        buildable("plain-c")
    assert building.state("plain-c").library is None
    assert [one.name for one in sources.folder().iterdir()] == [], "nothing is left behind"


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, TrackerError("pip could not fetch it")])
def test_an_interrupted_fetch_leaves_the_cache_as_it_was(monkeypatch, trouble):
    fake(monkeypatch)

    def interrupted(words, work, what):
        fake_pip()[0](words, work, what)
        raise trouble

    monkeypatch.setattr(sources, "_run", interrupted)
    with pytest.raises(type(trouble) if isinstance(trouble, Exception) else trouble):
        buildable("plain-c")
    assert list(sources.folder().iterdir()) == []
    monkeypatch.setattr(sources, "_run", fake_pip()[0])
    assert buildable("plain-c").is_file()


def test_sources_of_ones_own_are_taken_unchecked_and_said(monkeypatch, tmp_path, offline, capsys):
    fake(monkeypatch)
    own = tmp_path / "own"
    (own / "pyroaring").mkdir(parents=True)
    with pytest.raises(TrackerError, match=r"own: has no pyroaring/roaring\.c"):
        building.build("plain-c", own)
    (own / "pyroaring" / "roaring.c").write_text("int other;\n")
    library = building.build("plain-c", own)
    assert building.state("plain-c") == building.State(library, str(own), "")
    assert cli.main(["peers", "list"]) == 0
    assert f"built from {own}" in capsys.readouterr().out


def test_what_is_missing_is_a_line(monkeypatch, capsys):
    monkeypatch.setenv("CC", "no-such-compiler-here")
    monkeypatch.setattr(compiler, "host_features", lambda: [])
    assert cli.main(["peers", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(recipes.PEERS) < set(lines)
    assert lines["plain-c"].endswith("not built: no compiler (cc or gcc or clang)")
    assert "this processor has no avx512bw" in lines["plain-c-avx512"]
    assert "  transcription  " in lines["kvm-log-ctz"]


def test_tools_that_fail_are_a_line(tmp_path):
    with pytest.raises(TrackerError, match="x: no no-such-tool-here here to fetch it with"):
        sources._run(["no-such-tool-here", "x"], tmp_path, "x")
    with pytest.raises(TrackerError, match=r"x: sh could not fetch it \(offline\?\): E: gone"):
        sources._run(["sh", "-c", "echo W: odd >&2; echo E: gone >&2; exit 3"], tmp_path, "x")


def test_other_systems_are_told_to_bring_their_sources(monkeypatch):
    source = recipes.Source("apt", ("libjudy-dev",), "1", ("a",), "0" * 64)
    monkeypatch.setattr(sources, "_release", lambda: ("fedora", "41"))
    assert "known for Debian 12 only" in sources.missing(source)
    monkeypatch.setattr(sources, "_release", lambda: ("debian", "12"))
    monkeypatch.setattr(sources.shutil, "which", lambda tool: None)
    assert sources.missing(source) == "no apt-get and no dpkg-deb"


def test_the_command_builds_what_is_named(capsys, offline):
    buildable("plain-c")
    assert cli.main(["peers", "build", "plain-c", "std-sort"]) == 0
    assert capsys.readouterr().out == (
        "plain-c: built, keeps the contract\nstd-sort: built, keeps the contract\n"
    )
    assert cli.main(["tracker", "check", "peer:plain-c"]) == 0


def test_the_command_refuses_in_a_line(capsys, tmp_path):
    assert cli.main(["peers", "build", "none"]) == 2
    assert cli.main(["peers", "build", "plain-c", "std-sort", "--source", str(tmp_path)]) == 2
    heard = capsys.readouterr().err.splitlines()
    assert heard[0].startswith("dirtylab peers: 'none': no peer; must be one of ")
    assert heard[1] == "dirtylab peers: --source: is for one NAME, not for 2"
    assert cli.main(["peers", "build", "plain-c", "--source", str(tmp_path)]) == 1
    assert "plain-c: needs no sources" in capsys.readouterr().out


def test_ctrl_c_keeps_what_is_built(monkeypatch, capsys, offline):
    buildable("plain-c")
    real = building.build

    def interrupted(name, source=None):
        if name == "std-sort":
            raise KeyboardInterrupt
        return real(name, source)

    monkeypatch.setattr(building, "build", interrupted)
    assert cli.main(["peers", "build", "plain-c", "std-sort"]) == 130
    heard = capsys.readouterr()
    assert "plain-c: built" in heard.out
    assert "interrupted; 1 of 2 are done and stay" in heard.err


@pytest.mark.parametrize("spoilt", ["", "[]", '{"library": 3}'])
def test_a_spoilt_note_means_not_built(spoilt, offline):
    library = buildable("plain-c")
    (sources.folder() / "plain-c.json").write_text(spoilt)
    assert building.state("plain-c").library is None
    assert building.build("plain-c") == library
    assert json.loads((sources.folder() / "plain-c.json").read_text())["own"] == ""


def test_the_shims_compile_without_a_warning(tmp_path):
    for name in SELF_CONTAINED:
        one = recipes.PEERS[name]
        if building.state(name).missing:
            continue
        language = building._language(one, tmp_path)
        words = compiler.find_compiler(language, building.SHIMS / one.shim)
        command = [*words, *language.flags, "-Wextra", "-Werror", str(building.SHIMS / one.shim)]
        done = subprocess.run([*command, "-o", tmp_path / "x.so"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
