"""GNU parallel makes the same values of the same sources, in the same order."""

import os
import subprocess

import pytest

from children import TIMEOUT
from helpers.parallel import COMMAND, needs_parallel, settings
from helpers.sources import input_options, stdin_of, values_of
from procession.cli.inputs.blocks import blocks, blocks_of_lines
from procession.cli.inputs.packing import repeats

pytestmark = [
    pytest.mark.slow,
    needs_parallel,
]

SHORT = {
    "link": "--link",
    "null": "-0",
    "no_run_if_empty": "-r",
    "context_replace": "-X",
    "replace_many": "-m",
    "delimiter": "-d",
    "colsep": "-C",
    "max_args": "-n",
    "max_replace_args": "-N",
    "max_chars": "-s",
    "arg_file": "-a",
}

FILES = {
    "three": b"1\n2\n3\n",
    "two": b"x\ny",
    "empty": b"",
    "blank": b"\n \na\n\t\n\nb\n",
    "ten": b"".join(b"%d\n" % number for number in range(1, 11)),
    "null": b"a\0b\nc\0",
    "commas": b"a,b\nc,,d\n",
    "columns": b"a1-b1-c1\n a2 - b2 \n\na3--c3-d3\n",
    "long": b"".join(b"%0*d\n" % (number % 17 + 1, number) for number in range(200)),
    "odd": b"a\r\n\xff\n\xc3\xa9\n  x  y  \n",
}

# Places of values in a job that has fewer are empty.
PLACES = 5


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    for name, value in settings().items():
        monkeypatch.setenv(name, value)


def parallel(*words, more=(), **options):
    """Return what GNU parallel prints."""
    argv = [*COMMAND, "-k", "-j", "2", *more]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            argv += [SHORT[name]] if one is True else [SHORT[name], str(one)]
    result = subprocess.run([*argv, *words], stdout=subprocess.PIPE, check=True, timeout=TIMEOUT)
    return os.fsdecode(result.stdout)


async def compare(*words, **options):
    """Compare what stands in each place in each job; return that."""
    template = "printf '%s\\0' " + "'<'".join(f"{{{place + 1}}}" for place in range(PLACES))
    theirs = parallel(template, *words, **options).split("\0")[:-1]

    if os.path.isfile("/proc/self/fd/0"):
        os.lseek(0, 0, os.SEEK_SET)
    jobs = await values_of("printf", *words, **options)

    ours = ["<".join((*job, *[""] * PLACES)[:PLACES]) for job in jobs]
    assert ours == theirs
    return ours


@pytest.mark.parametrize(
    "words",
    [
        "::: a b ::: 1 2 3",
        "::: a b ::: 1 2 ::: x y",
        "::: a b :::+ 1 2 ::: x y",
        "::: a b ::: 1 2 :::+ x y",
        "::: a b c :::+ 1 2",
        "::: a b :::+ 1 2 3 :::+ x y z",
        "::: x y ::: a b c :::+ 1 2 ::: p q :::+ r s t",
        "::: a b :::",
        "::: ::: a b",
        "::: :::",
        ":::",
        "::: a b :::+",
        ":::+ a b ::: c d",
        ":::: three",
        ":::: three two",
        ":::: three ::::+ two",
        ":::: three ::::+ two ten",
        "::: p ::::+ three two",
        "::: p q :::: three ::::+ two ::: r",
        ":::: empty",
        ":::: empty two",
        ":::: two empty",
        ":::: empty empty",
        ":::: empty ::::+ two",
        "::: a b ::::+ empty ::: x y",
        "::: x ::: a b ::::+ empty",
        ":::: odd",
        ":::: blank",
    ],
)
async def test_sources(words):
    await compare(*words.split())


@pytest.mark.parametrize(
    "words",
    [
        "::: a b c ::: 1 2",
        "::: a ::: 1 2 3 ::: x y",
        "::: a b c :::+ 1 2 ::: x y",
        ":::: three two ten",
        ":::: two ::: a b c d e",
    ],
)
async def test_linked_sources(words):
    assert await compare(*words.split(), link=True)


async def test_files_of_options():
    assert await compare(arg_file=["three"])
    assert await compare(":::", "a", "b", arg_file=["three", "two"])


@pytest.mark.parametrize("words", ["", ":::: -", "::: a b :::: -", ":::: - two"])
@pytest.mark.parametrize("name", ["three", "two", "blank", "empty"])
async def test_standard_input(words, name):
    with stdin_of(name):
        await compare(*words.split())


@pytest.mark.parametrize(
    "name, options",
    [
        ("null", {"null": True}),
        ("commas", {"delimiter": ","}),
        ("commas", {"delimiter": ",,"}),
        ("commas", {"delimiter": "\\n"}),
        ("commas", {"delimiter": "\\054"}),
        ("blank", {"no_run_if_empty": True}),
        ("empty", {"no_run_if_empty": True}),
        ("columns", {"colsep": "-"}),
        ("columns", {"colsep": "-+"}),
        ("columns", {"colsep": "([-1])"}),
        ("columns", {"colsep": "-", "no_run_if_empty": True}),
    ],
)
async def test_cutting(name, options):
    await compare("::::", name, **options)


async def test_blank_values_of_several_sources():
    await compare(":::", "", "a", ":::", "", "b", no_run_if_empty=True)


async def test_columns_of_several_sources():
    assert await compare(":::", "a-b", "c", ":::", "d", "e-f-g", colsep="-")
    assert await compare(":::", "a-b", "c", ":::+", "d", "e-f-g", colsep="-")
    assert await compare(":::", "a-b", "c", ":::", "d", "e-f", "g", colsep="-", link=True)


@pytest.mark.parametrize(
    "words, options",
    [
        (":::: ten", {"max_replace_args": 4}),
        (":::: ten", {"max_args": 4}),
        ("::: a b c ::: 1 2 3", {"max_replace_args": 2}),
        ("::: a b c ::: 1 2 3", {"max_args": 2}),
        ("::: a b c ::: 1 2 3", {"max_replace_args": 2, "link": True}),
        ("::: a-b c d e-f", {"max_replace_args": 2, "colsep": "-"}),
        (":::: blank", {"max_args": 2}),
        (":::: blank", {"max_args": 2, "no_run_if_empty": True}),
    ],
)
async def test_places_in_packs(words, options):
    assert await compare(*words.split(), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"context_replace": True},
        {"replace_many": True},
        {"replace_many": True, "max_args": 4},
        {"context_replace": True, "max_args": 5},
        {"context_replace": True, "max_args": 7},
        {"max_args": 4},
        {"max_args": 10},
        {"max_replace_args": 4},
        {"max_replace_args": 4, "replace_many": True},
        {"max_args": 1},
        {"max_chars": 20},
        *({"context_replace": True, "max_chars": most} for most in range(12, 28, 5)),
        {"replace_many": True, "max_chars": 14, "max_args": 3},
        {"max_args": 4, "max_chars": 14},
    ],
)
@pytest.mark.parametrize("template", ["{}", "x{}y", "{} {}z"])
async def test_packs(template, options):
    words = ["echo", *template.split()]
    theirs = parallel(*words, "::::", "ten", **options).splitlines()

    jobs = await values_of(*words, "::::", "ten", **options)

    def written(word, job):
        if not repeats(input_options(**options)):
            return word.replace("{}", " ".join(job))
        return " ".join(word.replace("{}", value) for value in job)

    assert theirs == [" ".join(written(word, job) for word in words[1:]) for job in jobs]


@pytest.mark.parametrize("size", [20, 64, 100, 5000])
@pytest.mark.parametrize("name", ["ten", "long", "odd", "two", "empty"])
async def test_blocks(name, size):
    with stdin_of(name):
        theirs = parallel("cat; printf '\\0'", more=["--pipe", "--block", str(size)])
        os.lseek(0, 0, os.SEEK_SET)
        ours = [os.fsdecode(block) async for block in blocks(0, size)]

    assert ours == theirs.split("\0")[:-1]


@pytest.mark.parametrize("lines", [1, 3, 100])
@pytest.mark.parametrize("name", ["ten", "two", "empty"])
async def test_blocks_of_lines(name, lines):
    with stdin_of(name):
        theirs = parallel("cat; printf '\\0'", more=["--pipe", "-N", str(lines)])
        os.lseek(0, 0, os.SEEK_SET)
        ours = [os.fsdecode(block) async for block in blocks_of_lines(0, lines)]

    assert ours == theirs.split("\0")[:-1]
