"""Holds the C core to its rules: what the child may call, what a file may contain."""

import os
import pathlib
import re
import runpy
import shutil
import subprocess
from collections import Counter

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORE = ROOT / "csrc"
SOURCES = sorted(CORE.glob("psn_*.c"))
FILES = sorted(CORE.iterdir())

CC = os.environ.get("CC", "cc")

# Between clone and exec nothing else is safe.
CHILD_MAY_CALL = {"syscall", "__errno_location"}
CHILDS = ("psn_child", "psn_limits")

# "Dumpable" and the disposition of a signal are properties of the process.
MAY_KEEP_STATE = {"psn_creds", "psn_sigchld"}

needs_compiler = pytest.mark.skipif(
    shutil.which(CC) is None or shutil.which("nm") is None,
    reason="no C compiler or no nm",
)
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
each_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)


def symbols_of(source, directory, *flags):
    """Compile a file and return its symbols as (name, type of nm) pairs."""
    compiled = directory / f"{source.stem}.o"
    subprocess.run(
        [
            CC,
            "-std=c11",
            "-fPIC",
            "-fno-stack-protector",
            *flags,
            f"-I{CORE}",
            "-c",
            source,
            "-o",
            compiled,
        ],
        check=True,
    )
    listing = subprocess.run(
        ["nm", "-P", compiled], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [tuple(line.split()[:2]) for line in listing.splitlines()]


def code_of(file):
    """Return the text of a C file without its comments."""
    return re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)


@needs_compiler
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_child_calls_nothing_but_the_kernel(level, tmp_path):
    symbols = [
        symbol for stem in CHILDS for symbol in symbols_of(CORE / f"{stem}.c", tmp_path, level)
    ]

    defined = {name for name, kind in symbols if kind == "T"}
    undefined = {name for name, kind in symbols if kind == "U"}

    assert undefined - defined - {"_GLOBAL_OFFSET_TABLE_"} == CHILD_MAY_CALL


@needs_compiler
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@each_source
def test_source_has_no_mutable_static_data(source, level, tmp_path):
    symbols = symbols_of(source, tmp_path, level)

    mutable = {name for name, kind in symbols if kind in "bBdDC"}

    assert bool(mutable) == (source.stem in MAY_KEEP_STATE), mutable


@needs_compiler
@each_source
def test_source_shows_only_names_of_its_own(source, tmp_path):
    symbols = symbols_of(source, tmp_path, "-O2")

    shown = {name for name, kind in symbols if kind in "TBDRC"}

    own = ("psn_stack_",) if source.stem == "psn_spawn" else ()
    assert all(name.startswith((source.stem, *own)) for name in shown), shown


@each_file
def test_file_does_not_know_python(file):
    assert "Python.h" not in file.read_text()


@each_source
def test_source_has_few_conditionals(source):
    assert len(re.findall(r"^\s*#\s*if", source.read_text(), flags=re.MULTILINE)) <= 3


@each_file
def test_file_is_small(file):
    assert len(file.read_text().splitlines()) <= 800


@each_source
def test_source_includes_its_own_header_first(source):
    first, second = re.findall(r'^#include "(.*)"', code_of(source) + '\n#include ""', re.M)[:2]

    assert f"{source.stem}.h" in (first, second)


@pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="no setup.py")
def test_each_source_is_in_exactly_one_extension(monkeypatch):
    setuptools = pytest.importorskip("setuptools")
    build = pytest.importorskip("Cython.Build")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **options: None)
    monkeypatch.setattr(build, "cythonize", lambda extensions, **options: extensions)
    monkeypatch.syspath_prepend(str(ROOT))

    modules = runpy.run_path(str(ROOT / "setup.py"))["MODULES"]

    uses = Counter(
        pathlib.Path(source).name
        for sources in modules.values()
        for source in sources
        if pathlib.Path(source).parent.name == CORE.name
    )
    assert uses == Counter(source.name for source in SOURCES)
