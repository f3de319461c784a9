"""Arguments from the words after the command, from files and from standard input."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import aclosing

import pytest

from children import TIMEOUT
from helpers.sources import as_stdin, input_options, stdin_of, values_of
from procession.cli.arguments.values import Jobs
from procession.cli.errors import UsageError
from procession.cli.inputs.sources import Sources

NOBODY = 65534


@pytest.fixture
def file(tmp_path):
    """Write a file; return its path as a word."""

    def write(name, data):
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


@pytest.fixture
def opened():
    """Open sources that are closed after the test."""
    all_opened = []

    def open_sources(*positional, **options):
        all_opened.append(Sources(input_options(**options), positional))
        return all_opened[-1]

    yield open_sources
    for sources in all_opened:
        sources.close()
        sources.close()


def rows(*lines):
    return [tuple(line.split()) for line in lines]


def test_the_words_before_the_first_mark_are_the_template(opened):
    assert opened("echo", "{}", ":::", "a", ":::+", "b").words == ["echo", "{}"]


async def test_arguments_are_taken_as_they_are():
    odd = ["", " ", "-n", "a\nb", "a,b", "\udcff", "it's", "x" * (2 << 20)]

    assert await values_of("echo", ":::", *odd, delimiter=",") == [(value,) for value in odd]


async def test_marks_may_be_mixed(file):
    one, two = file("one", b"1\n2\n"), file("two", b"x\ny\nz\n")

    found = await values_of("echo", ":::", "a", "b", "::::", one, "::::+", two)

    assert found == rows("a 1 x", "a 2 y", "b 1 x", "b 2 y")


async def test_files_of_one_mark_are_sources_each(file):
    one, two = file("one", b"1\n2\n"), file("two", b"x\ny\n")

    assert await values_of("::::", one, two) == rows("1 x", "1 y", "2 x", "2 y")
    assert await values_of(":::", "a", "::::+", one, two) == rows("a 1 x")


async def test_files_of_options_come_first_and_can_be_linked_to(file):
    one, two = file("one", b"1\n2\n"), file("two", b"x\ny\n")

    assert await values_of(":::", "a", arg_file=[one, two]) == rows(
        "1 x a", "1 y a", "2 x a", "2 y a"
    )
    assert await values_of(":::+", "a", "b", arg_file=[one]) == rows("1 a", "2 b")


async def test_linked_sources_are_recycled_when_all_are():
    found = await values_of(":::", "a", "b", "c", ":::", "1", "2", ":::+", "x", link=True)

    assert found == rows("a 1 x", "b 2 x", "c 1 x")


async def test_a_mark_without_arguments_is_no_job_and_not_standard_input():
    assert await values_of("echo", ":::") == []


@pytest.mark.parametrize("positional", [(), ("::::",), ("::::", "-")])
async def test_standard_input_is_read_where_nothing_else_is(file, positional):
    with stdin_of(file("lines", b"a\n\nb")):
        assert await values_of("echo", *positional) == [("a",), ("",), ("b",)]


async def test_standard_input_is_read_from_where_it_stands(file, opened):
    with stdin_of(file("lines", b"a\nb\nc\n")):
        os.lseek(0, 2, os.SEEK_SET)
        sources = opened("echo")

        assert await sources.count() == 2
        assert await values_of("echo") == rows("b", "c")


async def test_standard_input_may_be_a_later_source(file):
    with stdin_of(file("lines", b"1\n2\n")):
        assert await values_of(":::", "a", "b", "::::", "-") == rows("a 1", "a 2", "b 1", "b 2")


async def test_standard_input_may_be_a_socket():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"a\nb")
        theirs.shutdown(socket.SHUT_WR)
        with as_stdin(ours.fileno()):
            assert await values_of("echo") == rows("a", "b")


async def test_standard_input_may_be_the_null_device(opened):
    with stdin_of("/dev/null"):
        assert await values_of("echo") == []
        assert not opened("echo").is_terminal


def test_a_terminal_as_standard_input_is_known(opened):
    master, terminal = os.openpty()
    try:
        with as_stdin(terminal):
            assert opened("echo").is_terminal
            assert opened("cat", pipe=True).is_terminal
            assert not opened("echo", ":::", "a").is_terminal
    finally:
        os.close(master)
        os.close(terminal)


def test_standard_input_can_be_one_source_only():
    with pytest.raises(UsageError, match="one source only"):
        Sources(input_options(arg_file=["-"]), ["echo", "::::", "-"])


@pytest.mark.slow
def test_a_closed_standard_input_is_refused_though_another_file_has_its_number(file):
    path = file("other", b"a\n")
    code = f"""
import os
from helpers.sources import input_options
from procession.cli.errors import UsageError
from procession.cli.inputs.sources import Sources
assert os.open({path!r}, os.O_RDONLY) == 0
try:
    Sources(input_options(), ["echo"])
except UsageError as error:
    print(error)
"""
    assert own_python(code, '"$@" <&-') == "cannot read standard input: it is closed\n"


def own_python(code, shell):
    """Run code in an interpreter of its own, which a shell starts as "$@"."""
    result = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )
    return result.stdout


@pytest.mark.parametrize(
    "name, reason",
    [("nowhere", "No such file or directory"), (".", "Is a directory"), ("a/b", "No such file")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    missing = str(tmp_path / name)

    with pytest.raises(UsageError) as caught:
        Sources(input_options(), ["echo", "::::", "/dev/null", missing])

    assert missing in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = tmp_path / "closed"
    path.touch(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(UsageError, match=f"cannot read {path}: Permission denied"):
            Sources(input_options(), ["echo", "::::", str(path)])
    finally:
        os.seteuid(user)


def test_blocks_of_input_have_no_other_source():
    for positional, files in ([":::", "a"], []), ([], ["f"]):
        with pytest.raises(UsageError, match="--pipe"):
            Sources(input_options(pipe=True, arg_file=files), ["cat", *positional])


async def test_blocks_of_input_are_left_to_others(opened):
    sources = opened("cat", pipe=True)

    assert (sources.words, sources.total, await sources.count()) == (["cat"], None, None)


async def test_an_error_while_reading_names_its_source():
    # Nothing is mapped at its beginning.
    with pytest.raises(OSError) as caught:
        await values_of("echo", "::::", "/proc/self/mem")

    assert str(caught.value).endswith("Input/output error: '/proc/self/mem'")


def test_a_standard_input_for_writing_is_refused(pipe):
    _, writing = pipe
    with as_stdin(writing), pytest.raises(UsageError, match="it is open for writing only"):
        Sources(input_options(), ["echo"])


@pytest.mark.parametrize(
    "text, data",
    [
        (",", b"a,b\n,"),
        ("\\t", b"a\tb\n"),
        ("\\n", b"a\nb\n"),
        ("\\0", b"a\0b\n"),
        ("\\x2c", b"a,b\n"),
        ("\\054", b"a,b\n"),
        ("\\\\", b"a\\b\n"),
        ("\\", b"a\\b\n"),
        ("ab", b"1ab2\n"),
        ("é", "1é2è".encode()),
        ("\\xff", b"1\xff2\xfe"),
        ("\udcff", b"1\xff2\xfe"),
    ],
)
async def test_values_end_with_the_delimiter(file, text, data):
    found = await values_of("echo", "::::", file("data", data), delimiter=text)

    assert len(found) == 2


@pytest.mark.parametrize("text", ["", "\\q", "\\x"])
def test_a_delimiter_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="delimiter"):
        Sources(input_options(delimiter=text), ["echo", ":::", "a"])


async def test_null_ends_values_that_have_newlines(file):
    assert await values_of("::::", file("data", b"a\nb\0\0c"), null=True) == [
        ("a\nb",),
        ("",),
        ("c",),
    ]


async def test_columns_are_values_without_blanks_around_them():
    found = await values_of(":::", " a, b\t,", "c", "", colsep=",")

    assert found == [("a", "b", ""), ("c",), ("",)]


async def test_a_group_of_the_separator_is_a_column_too():
    assert await values_of(":::", "a,b;c", colsep="(,)|(;)") == [("a", ",", "", "b", "", ";", "c")]


async def test_blank_values_are_left_out_if_wanted(file):
    path = file("data", b"\n a\n \t\n\nb\n")

    assert await values_of("::::", path, no_run_if_empty=True) == [(" a",), ("b",)]
    assert await values_of(":::", "", "::::", path, no_run_if_empty=True) == [
        ("", " a"),
        ("", "b"),
    ]
    assert await values_of(":::", "", no_run_if_empty=True) == []


async def test_shuffled_jobs_are_all_jobs_in_the_same_order_each_time(file):
    path = file("data", b"".join(b"%d\n" % number for number in range(5000)))

    first = await values_of("::::", path, max_args=2, shuf=True)

    assert first == await values_of("::::", path, max_args=2, shuf=True)
    plain = await values_of("::::", path, max_args=2)
    assert first != plain
    assert sorted(first) == sorted(plain)


async def test_what_is_known_is_yielded_before_more_is_read(pipe):
    reading, writing = pipe
    with as_stdin(reading):
        sources = Sources(input_options(), ["echo", "::::", "-", ":::", "1", "2"])
        async with aclosing(sources.batches()) as batches:
            for name in "abc":
                os.write(writing, f"{name}\n".encode())
                batch = await asyncio.wait_for(anext(batches), TIMEOUT)
                assert batch == rows(f"{name} 1", f"{name} 2")
        sources.close()


async def test_jobs_of_two_are_yielded_when_there_are_two(pipe):
    reading, writing = pipe
    with as_stdin(reading):
        sources = Sources(input_options(max_args=2), ["echo"])
        async with aclosing(sources.batches()) as batches:
            os.write(writing, b"a\nb\n")
            assert await asyncio.wait_for(anext(batches), TIMEOUT) == rows("a b")
        sources.close()


async def test_a_named_pipe_without_a_writer_keeps_nobody_waiting(tmp_path, opened):
    path = str(tmp_path / "fifo")
    os.mkfifo(path)

    sources = opened("echo", "::::", path)
    first = asyncio.ensure_future(anext(sources.batches()))
    await asyncio.sleep(0)
    with open(path, "wb") as fifo:
        fifo.write(b"a\n")
        fifo.flush()
        assert await asyncio.wait_for(first, TIMEOUT) == rows("a")


async def test_batches_are_of_a_thousand_at_most(file):
    sources = Sources(input_options(), ["::::", file("data", b"\n" * 30_000)])
    sizes = [len(batch) async for batch in sources.batches()]
    sources.close()

    assert sum(sizes) == 30_000
    assert max(sizes) == 1000
    assert min(sizes) > 0


async def test_an_endless_source_ends_with_what_is_linked_to_it(tmp_path):
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        with as_stdin(endless.stdout.fileno()):
            found = await values_of("::::", "-", ":::+", "a", "b")
        endless.stdout.close()

    assert found == rows("y a", "y b")


@pytest.mark.parametrize(
    "options, total",
    [
        ({}, 6),
        ({"link": True}, 3),
        ({"max_args": 4}, 2),
        ({"max_replace_args": 0}, 6),
        ({"context_replace": True}, None),
        ({"replace_many": True, "max_args": 4}, None),
        ({"replace_many": True, "max_args": 1}, 6),
        ({"no_run_if_empty": True}, None),
        ({"shuf": True}, 6),
    ],
)
async def test_the_number_of_jobs_is_known_as_early_as_can_be(opened, file, options, total):
    words = [":::", "a", "b", "c", ":::", "1", "2"]
    files = [file("three", b"a\nb\nc"), file("two", b"1\n2\n")]

    given = opened(*words, **options)
    read = opened("::::", *files, **options)

    assert (given.total, read.total) == (total, None)
    assert await read.count() == read.total == total
    jobs = [len(batch) async for batch in read.batches()]
    assert sum(jobs) == read.total
    assert total in (None, sum(jobs))


async def test_the_number_of_jobs_from_a_pipe_is_known_at_its_end(pipe, opened):
    reading, writing = pipe
    os.write(writing, b"a\nb\n")
    with as_stdin(reading):
        sources = opened("echo")
        assert await sources.count() is None
        os.close(writing)
        assert [batch async for batch in sources.batches()] == [rows("a", "b")]

    assert sources.total == await sources.count() == 2


async def test_packed_columns_are_all_values_of_a_job():
    assert await values_of(":::", "a,b", "c", "d", colsep=",", max_replace_args=2) == rows(
        "a b c", "d"
    )


async def test_values_of_no_job_are_counted_only():
    assert await values_of(":::", "a", "b", max_args=0) == [(), ()]


async def test_the_last_values_are_divided_among_the_slots():
    numbers = [str(number) for number in range(1, 11)]

    found = await values_of("echo", ":::", *numbers, context_replace=True, jobs=Jobs(3))

    assert found == rows("1 2 3 4", "5 6 7 8", "9 10")


async def test_cancelled_while_it_waits_it_can_be_closed(pipe):
    reading, _ = pipe
    with as_stdin(reading):
        sources = Sources(input_options(), ["echo"])
        async with aclosing(sources.batches()) as batches:
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        sources.close()


@pytest.mark.slow
def test_a_million_lines_take_no_more_memory_than_a_few_thousand():
    code = """
import asyncio
from helpers.leftovers import resident
from helpers.sources import input_options
from procession.cli.inputs.sources import Sources

async def main():
    jobs = most = 0
    sources = Sources(input_options(max_args=MAX_ARGS), ["echo"])
    async for batch in sources.batches():
        if not jobs:
            before = resident()
        if jobs % 50_000 < 1000:
            most = max(most, resident() - before)
        jobs += len(batch)
    print(jobs, most)

asyncio.run(main())
"""
    for max_args, expected in (1, 1_000_000), (3, 333_334):
        output = own_python(code.replace("MAX_ARGS", str(max_args)), 'seq 1000000 | "$@"')
        jobs, growth = map(int, output.split())
        assert jobs == expected
        assert growth < 4 << 20
