"""Trackers of one's own: compiled, loaded, and convicted of each way to be wrong."""

import pathlib
import re

import pytest

from dirtylab import cli, native
from dirtylab.native import compiler
from dirtylab.native import contract as checking
from dirtylab.native.errors import TrackerError

EXAMPLES = pathlib.Path(native.__file__).parent / "examples"
BITMAP = (EXAMPLES / "bitmap.c").read_text()
TAKE = "out[found++] = 64 * w + (uint64_t)__builtin_ctzll(self->word[w]);"
FREE = "create, free, insert"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler.cache_folder.cache_clear()
    yield
    compiler.cache_folder.cache_clear()


def needs(example):
    language = compiler.LANGUAGES[example.suffix]
    try:
        compiler.find_compiler(language, example)
    except TrackerError as why:
        pytest.skip(str(why))


def changed(old, new, text=BITMAP):
    assert old in text
    return text.replace(old, new)


def broken_properties(path, **options):
    library = compiler.library_of(path)
    found = list(checking.check_library(library, **options))
    return {one.property: one.broken for one in found if one.broken}, found


@pytest.mark.parametrize("example", sorted(EXAMPLES.iterdir()), ids=lambda path: path.suffix)
def test_the_examples_are_short_and_keep_the_contract(example):
    needs(example)
    assert len(example.read_text().splitlines()) <= 40
    found = native.check(example)
    assert [str(one) for one in found if one.broken] == []
    assert len(found) >= 10
    assert {"unique", "sorted", "no leak", "bytes right"} <= {one.property for one in found}


MUTANTS = {
    "loses the last page": (TAKE, "if (w + 1 < self->words || self->words < 2) " + TAKE),
    "invents a frame": (TAKE, TAKE + " if (found == 50) out[found - 1] ^= 1;"),
    "gives a frame twice": (
        "self->word[w] &= self->word[w] - 1)",
        "self->word[w] &= (found % 7 ? self->word[w] - 1 : ~0ull))",
    ),
    "descends": ("64 * w +", "64 * (self->words - 1 - w) +"),
    "writes past room": ("if (found == room) return found;", "if (found > room) return room;"),
    "drops what has no room": (
        "if (found == room) return found;",
        "if (found == room) { memset(self->word, 0, 8 * self->words); return found; }",
    ),
    "clears nothing": ("memset(((struct bitmap *)p)->word, 0,", "memset(&p, 0, 0 *"),
    "bytes of a word too few": ("+ 8 * ((const struct bitmap *)p)->words", "+ 0 * (p != 0)"),
    "leaks": (FREE, "create, nothing, insert"),
    "crashes": (TAKE, "if (w > 40) *(volatile int *)16 = 1; " + TAKE),
    "aborts": (TAKE, "if (w > 40) abort(); " + TAKE),
    "hangs": (TAKE, 'while (w > 40) __asm__ volatile(""); ' + TAKE),
    "shares a global": ("self->word[", "shared["),
    "reads past the input": (
        "i < n; i++) self",
        "i < n + (n > 0); i++) if (i < n || frames[i]) self",
    ),
    "writes to the input": (
        "self->word[frames[i] / 64] |=",
        "((uint64_t *)frames)[i] += (i == 5), self->word[frames[i] / 64] |=",
    ),
    "keeps what was harvested": (
        "self->word[w]; self->word[w] &= self->word[w] - 1)",
        "bits; bits &= bits - 1)",
    ),
}
EXPECTED = {
    "loses the last page": ("no frame lost", "lost"),
    "invents a frame": ("no frame invented", "never inserted"),
    "gives a frame twice": ("unique", "twice"),
    "descends": ("sorted", "comes before"),
    "writes past room": ("output within room", "beyond it"),
    "drops what has no room": ("output within room", "lost in harvests"),
    "clears nothing": ("usable after clear", "after clear"),
    "bytes of a word too few": ("bytes right", "grew by"),
    "leaks": ("no leak", "bytes more"),
    "crashes": ("no frame lost", "SIGSEGV"),
    "aborts": ("no frame lost", "SIGABRT"),
    "hangs": ("no frame lost", "hangs"),
    "shares a global": ("trackers independent", "changed"),
    "reads past the input": ("no frame lost", "SIG"),
    "writes to the input": ("no frame lost", "wrote to the frames"),
    "keeps what was harvested": ("harvest empties", "second harvest"),
}


def mutant(name):
    old, new = MUTANTS[name]
    if name == "shares a global":
        text = changed("self->word[", "shared[")
        text = text.replace("((struct bitmap *)p)->word, 0", "shared, 0")
        return text.replace("static void *c", "static uint64_t shared[300000];\nstatic void *c")
    if name == "keeps what was harvested":
        text = changed("for (; " + old, "for (uint64_t bits = self->word[w]; " + new)
        return text.replace("__builtin_ctzll(self->word[w])", "__builtin_ctzll(bits)")
    text = changed(old, new)
    helper = "static void nothing(void *p) { (void)p; }\n" if name == "leaks" else ""
    return text.replace("static const struct", helper + "static const struct", 1)


@pytest.mark.parametrize("name", MUTANTS)
def test_each_way_to_be_wrong_is_found(name, tmp_path):
    source = tmp_path / "mine.c"
    source.write_text(mutant(name))
    wrong, found = broken_properties(source, time_limit=1.0 if name == "hangs" else 30.0)
    expected, words = EXPECTED[name]
    assert words in wrong.get(expected, ""), wrong
    assert len(found) >= 8, "the other properties are checked as well"


def test_a_source_is_compiled_once_and_anew_when_it_changes(tmp_path):
    source = tmp_path / "mine.c"
    source.write_text(BITMAP)
    first = compiler.library_of(source)
    made = first.stat().st_mtime_ns
    assert compiler.library_of(source) == first
    assert first.stat().st_mtime_ns == made
    source.write_text(BITMAP.replace("c-bitmap", "d-bitmap"))
    assert compiler.library_of(source) != first


def test_a_header_of_ones_own_counts_as_source(tmp_path):
    source, header = tmp_path / "mine.c", tmp_path / "own.h"
    source.write_text('#include "own.h"\n' + BITMAP.replace('"c-bitmap"', "NAME"))
    header.write_text('#define NAME "one"\n')
    first = compiler.library_of(source)
    header.write_text('#define NAME "two"\n')
    assert checking.trackers_of(compiler.library_of(source)) == ["two"]
    assert checking.trackers_of(first) == ["one"]


def test_the_compilers_own_words_are_shown(tmp_path):
    source = tmp_path / "mine.c"
    source.write_text("int f(void) { return nonsense; }\n")
    with pytest.raises(TrackerError, match=r"(?s)mine\.c: .* refused it\n.*nonsense"):
        compiler.library_of(source)
    source.write_text(BITMAP.replace("memset(", "no_such_function("))
    with pytest.raises(TrackerError, match="no_such_function"):
        compiler.library_of(source)
    assert list(compiler.cache_folder().iterdir()) == []


def test_no_compiler_is_one_line(tmp_path, monkeypatch):
    source = tmp_path / "mine.c"
    source.write_text(BITMAP)
    monkeypatch.setenv("CC", "no-such-compiler-here")
    with pytest.raises(TrackerError, match="no compiler found") as caught:
        compiler.library_of(source)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(TrackerError, match=r"must end in \.c, "):
        compiler.library_of(tmp_path / "mine.txt")
    with pytest.raises(FileNotFoundError, match="no such file"):
        compiler.library_of(tmp_path / "none.c")
    (tmp_path / "bad.so").write_text("no library")
    with pytest.raises(TrackerError, match="can't be loaded"):
        checking.trackers_of(compiler.library_of(tmp_path / "bad.so"))


WRONG_TABLES = {
    "abi=7": ("DIRTYLAB_ABI, sizeof table", "7, sizeof table"),
    "bytes_of_table=8": ("sizeof table", "8"),
    "flags=0x403": ("DIRTYLAB_SORTED |", "1024 | DIRTYLAB_SORTED |"),
    "insert: must not be NULL": ("free, insert", "free, NULL"),
    "name=": ('"c-bitmap"', '"a b"'),
    "name=None": ('"c-bitmap"', "NULL"),
    "returned NULL": ("return all;", "(void)all; return NULL;"),
    "names of their own": ("{&table, NULL}", "{&table, &table, NULL}"),
    "exports no dirtylab_trackers": ("dirtylab_trackers(void) {", "other(void) {"),
    "loading ended by SIGABRT": ("return all;", "(void)all; abort();"),
}


@pytest.mark.parametrize("words", WRONG_TABLES)
def test_a_wrong_table_is_refused_in_one_line(words, tmp_path):
    source = tmp_path / "mine.c"
    source.write_text(changed(*WRONG_TABLES[words]))
    with pytest.raises(TrackerError, match=re.escape(words)) as caught:
        native.check(source)
    assert "\n" not in str(caught.value)


def test_the_header_compiles_as_strict_c_and_as_c_plus_plus(tmp_path):
    for suffix in (".c", ".cc"):
        needs(tmp_path / f"x{suffix}")
        source = tmp_path / f"strict{suffix}"
        source.write_text(
            '#include "dirtylab.h"\nstatic struct dirtylab_tracker t;\n'
            "const struct dirtylab_tracker *const *dirtylab_trackers(void)"
            "{ static const struct dirtylab_tracker *const a[] = {&t, 0};"
            " return a; }\n"
        )
        assert compiler.library_of(source).exists()
    assert (native.include() / "dirtylab.h").is_file()


def test_the_command_writes_an_example_that_passes_its_check(tmp_path, capsys):
    needs(tmp_path / "x.c")
    mine = tmp_path / "mine.c"
    assert cli.main(["tracker", "new", str(mine)]) == 0
    assert cli.main(["tracker", "new", str(mine)]) == 1, "never over a file that is there"
    assert "File exists" in capsys.readouterr().err
    assert cli.main(["tracker", "check", str(mine)]) == 0
    heard = capsys.readouterr()
    assert "c-bitmap\n  ok      no frame lost\n" in heard.out
    assert heard.err == ""
    mine.write_text(mutant("leaks"))
    assert cli.main(["tracker", "check", str(mine)]) == 1
    assert re.search(r"FAILED  no leak: [\d,]+ bytes more after", capsys.readouterr().out)


def test_the_command_ends_in_a_line_where_there_is_nothing_to_check(tmp_path, capsys):
    assert cli.main(["tracker", "check", str(tmp_path / "none.c")]) == 1
    assert cli.main(["tracker", "new", str(tmp_path / "mine.txt")]) == 2
    assert "must be .c, .cc, .rs" in capsys.readouterr().err
    (tmp_path / "wrong.c").write_text("int f(void) { return nonsense; }\n")
    assert cli.main(["tracker", "check", str(tmp_path / "wrong.c")]) == 1
    assert "nonsense" in capsys.readouterr().err
