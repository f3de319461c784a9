"""Output is whole, never mixed, in order where that is asked for; as GNU parallel prints it."""

import asyncio
import json
import os
import resource
import shutil
import subprocess
from argparse import Namespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import procession
from children import sh
from procession.cli.errors import UsageError
from procession.cli.output import order
from procession.cli.output.output import discard, make
from procession.cli.output.printer import HIGH, Printer
from procession.cli.output.spool import IN_MEMORY
from procession.cli.output.tags import tagged, tagged_lines
from procession.cli.run.jobs import Ended, Job

OK = procession.Completed(["true"], 0, pid=7)


def options(**given):
    """Return what the options' parser does, for what matters here."""
    names = ("ungroup", "line_buffer", "keep_order", "quiet")
    return Namespace(**{**dict.fromkeys(names, False), "results": None, "format": "text", **given})


class Run:
    """Jobs whose output goes to two files, or to one."""

    def __init__(self, folder, tag_of=None, together=False, **given):
        self.paths = [folder / "out", folder / "err"]
        self.files = [path.open("wb") for path in self.paths]
        loop = asyncio.get_running_loop()
        self.printers = [Printer(loop, file.fileno()) for file in self.files]
        if together:
            self.printers[1] = self.printers[0]
        self.output = make(options(**given), *self.printers, tag_of)
        self.jobs = {}

    def begin(self, number, attempt=1):
        job = Job(number, (str(number),), f"job {number}", number, attempt, 0.0, None)
        self.jobs[number] = job
        return self.output.begin(job)

    def end(self, number):
        job = self.jobs.pop(number)
        self.output.end(Ended(job, OK, *self.output.spools(job)))

    def do(self, number, out=b"", err=b""):
        """Run a job at once."""
        sinks = self.begin(number)
        for sink, data in zip(sinks, (out, err), strict=True):
            if data:
                sink(data)
        self.end(number)

    def shell(self, number, script):
        done = subprocess.run(["/bin/sh", "-c", script, "sh", str(number)], capture_output=True)
        self.do(number, done.stdout, done.stderr)

    async def seen(self):
        """Return what has been printed so far."""
        for printer in self.printers:
            await printer.drain(0)
        return tuple(path.read_bytes() for path in self.paths)

    async def close(self):
        self.output.finish()
        for printer, file in zip(self.printers, self.files, strict=True):
            await printer.aclose()
            file.close()

    async def finish(self):
        await self.close()
        return tuple(path.read_bytes() for path in self.paths)


@pytest.fixture
async def start(tmp_path):
    """Return a function that begins a run, which is closed after the test."""
    runs = []

    def start(**given):
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        runs.append(Run(folder, **given))
        return runs[-1]

    yield start
    for run in runs:
        await run.close()


def tag_of(job):
    return f"t{job.number}"


async def test_a_job_is_printed_when_it_has_ended(start):
    run = start()
    out, err = run.begin(1)
    out(b"a")
    err(b"e\n")
    out(b"b\n")
    assert await run.seen() == (b"", b"")

    run.end(1)

    assert await run.seen() == (b"ab\n", b"e\n")


async def test_jobs_are_printed_as_they_end(start):
    run = start()
    first, second = run.begin(1)[0], run.begin(2)[0]
    first(b"1a\n")
    second(b"2a\n")
    first(b"1b\n")
    second(b"2b\n")
    run.end(2)
    run.end(1)

    assert await run.seen() == (b"2a\n2b\n1a\n1b\n", b"")


async def test_in_one_place_standard_output_comes_before_errors(start):
    run = start(together=True)
    out, err = run.begin(1)
    err(b"e\n")
    out(b"o\n")
    run.end(1)

    assert await run.seen() == (b"o\ne\n", b"")


async def test_only_the_last_attempt_is_printed(start):
    run = start()
    run.begin(1)[0](b"x" * IN_MEMORY * 2)
    run.begin(1, attempt=2)[1](b"second")
    run.begin(1, attempt=3)[0](b"third")
    run.end(1)

    assert await run.seen() == (b"third", b"")


async def test_the_order_of_the_jobs_is_kept(start):
    run = start(keep_order=True)
    for number in range(1, 6):
        out, err = run.begin(number)
        out(b"%d\n" % number)
        err(b"e%d\n" % number)
    run.end(2)
    run.end(4)
    assert await run.seen() == (b"", b"")
    run.end(1)
    assert await run.seen() == (b"1\n2\n", b"e1\ne2\n")
    run.end(5)
    run.end(3)

    assert await run.seen() == (b"1\n2\n3\n4\n5\n", b"e1\ne2\ne3\ne4\ne5\n")


async def test_order_is_that_of_beginning_so_that_numbers_may_be_missing(start):
    run = start(keep_order=True)
    outs = {number: run.begin(number)[0] for number in (3, 7, 9)}
    outs[9](b"9")
    run.end(9)
    outs[7](b"7")
    run.begin(3, attempt=2)[0](b"3")
    run.end(3)
    run.end(7)

    assert await run.seen() == (b"379", b"")


@pytest.mark.parametrize("line_buffer", [False, True])
async def test_what_was_held_back_is_printed_at_the_end(start, line_buffer):
    run = start(keep_order=True, line_buffer=line_buffer)
    for number in range(1, 4):
        run.begin(number)[0](b"%d\n" % number)
    run.end(2)

    out, _ = await run.finish()

    assert out == (b"1\n2\n3\n" if line_buffer else b"2\n")


@pytest.mark.slow
@pytest.mark.parametrize("line_buffer", [False, True])
async def test_many_results_that_wait_take_few_descriptors(start, line_buffer):
    run = start(keep_order=True, line_buffer=line_buffer)
    data = b"x" * IN_MEMORY + b"\n"
    files = order.OWN_FILES + 3
    before = len(os.listdir("/proc/self/fd"))
    run.begin(1)
    for number in range(2, 2 + files):
        run.begin(number)[0](b"%d" % number + data)
        run.end(number)
    assert len(os.listdir("/proc/self/fd")) == before + order.OWN_FILES + 1

    run.end(1)

    out, _ = await run.seen()
    assert out == b"".join(b"%d" % number + data for number in range(2, 2 + files))
    assert len(os.listdir("/proc/self/fd")) == before


async def test_many_results_that_wait_take_little_memory(start, monkeypatch):
    monkeypatch.setattr(order, "IN_MEMORY", 1000)
    run = start(keep_order=True, tag_of=tag_of)
    before = len(os.listdir("/proc/self/fd"))
    run.begin(1)
    for number in range(2, 100):
        run.do(number, b"x" * 99 + b"\n", b"y\n")
    assert len(os.listdir("/proc/self/fd")) == before + 1

    run.end(1)

    numbers = range(2, 100)
    assert await run.seen() == (
        b"".join(b"t%d\t" % number + b"x" * 99 + b"\n" for number in numbers),
        b"".join(b"t%d\ty\n" % number for number in numbers),
    )
    assert len(os.listdir("/proc/self/fd")) == before


async def test_results_wait_where_they_are_if_there_is_no_room_elsewhere(start, monkeypatch):
    monkeypatch.setattr(order, "IN_MEMORY", 1000)
    run = start(keep_order=True)
    run.begin(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        for number in range(2, 7):
            run.do(number, b"%d" % number * 600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run.end(1)

    assert await run.seen() == (b"".join(b"%d" % n * 600 for n in range(2, 7)), b"")


async def test_lines_are_printed_as_they_come_and_only_whole(start):
    run = start(line_buffer=True)
    first, second = run.begin(1)[0], run.begin(2)[0]
    first(b"one")
    second(b"two\nthr")
    assert await run.seen() == (b"two\n", b"")
    first(b" more\nfour\nfi")
    second(b"ee\n")
    first(b"ve\n")
    run.end(1)
    run.end(2)

    assert await run.seen() == (b"two\none more\nfour\nthree\nfive\n", b"")


@pytest.mark.slow
async def test_lines_of_real_children_at_once_are_whole_and_all_there(start):
    async def work(number):
        child = await procession.create_subprocess_exec(
            *sh('seq -f "$1-%g" 20000; seq -f "$1-e%g" 9 >&2', str(number)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        sinks = run.begin(number)
        await asyncio.gather(*map(relay, (child.stdout, child.stderr), sinks))
        await child.wait()
        run.end(number)

    async def relay(stream, sink):
        while data := await stream.read(10_000):
            sink(data)

    run = start(line_buffer=True, tag_of=tag_of)
    await asyncio.gather(*(work(number) for number in range(4)))

    out, err = await run.seen()
    for seen, form, count in ((out, "{0}-{1}", 20_000), (err, "{0}-e{1}", 9)):
        lines = seen.decode().splitlines()
        assert len(lines) == 4 * count
        for number in range(4):
            own = [line for line in lines if line.startswith(f"t{number}\t")]
            expected = [form.format(number, n) for n in range(1, count + 1)]
            assert own == [f"t{number}\t{line}" for line in expected]


async def test_a_last_line_without_its_end_is_printed_as_it_is_at_the_end(start):
    run = start(line_buffer=True)
    out, err = run.begin(1)
    err(b"e1\ne2")
    out(b"o1\no2")
    assert await run.seen() == (b"o1\n", b"e1\n")
    run.end(1)

    assert await run.seen() == (b"o1\no2", b"e1\ne2")


async def test_all_attempts_of_a_job_are_seen_by_lines(start):
    run = start(line_buffer=True)
    run.begin(1)[0](b"first\npart")
    run.begin(1, attempt=2)[0](b"second\n")
    run.end(1)

    assert await run.seen() == (b"first\npartsecond\n", b"")


@pytest.mark.parametrize("tag", [None, tag_of])
async def test_a_line_of_any_length_comes_whole_while_others_go_on(start, tag):
    run = start(line_buffer=True, tag_of=tag)
    first, second = run.begin(1)[0], run.begin(2)[0]
    for _ in range(40):
        first(b"x" * 65536)
        second(b"short\n")
    seen, _ = await run.seen()
    first(b"end\nnext")
    run.end(2)
    run.end(1)

    one, two = (b"t1\t", b"t2\t") if tag else (b"", b"")
    short = (two + b"short\n") * 40
    assert seen == short
    assert await run.seen() == (
        short + one + b"x" * 65536 * 40 + b"end\n" + one + b"next",
        b"",
    )


async def test_in_order_the_first_job_prints_live_and_others_wait(start):
    run = start(line_buffer=True, keep_order=True, together=True)
    sinks = {number: run.begin(number) for number in (1, 2, 3)}
    for line in (b"a\n", b"b\n"):
        for number, (out, err) in sinks.items():
            out(b"%d" % number + line)
            err(b"e%d" % number + line)
    first = b"1a\ne1a\n1b\ne1b\n"
    assert await run.seen() == (first, b"")
    sinks[2][0](b"2 part")
    run.end(3)
    run.end(1)
    second = b"2a\ne2a\n2b\ne2b\n"
    assert await run.seen() == (first + second, b"")
    sinks[2][0](b"ial\n")
    assert await run.seen() == (first + second + b"2 partial\n", b"")
    run.end(2)

    third = b"3a\ne3a\n3b\ne3b\n"
    assert await run.seen() == (first + second + b"2 partial\n" + third, b"")


async def test_in_order_a_long_line_waits_as_well(start):
    run = start(line_buffer=True, keep_order=True, tag_of=tag_of)
    run.begin(1)
    out, _ = run.begin(2)
    out(b"x" * IN_MEMORY * 2)
    out(b"\n")
    assert await run.seen() == (b"", b"")
    run.end(2)
    run.end(1)

    assert await run.seen() == (b"t2\t" + b"x" * IN_MEMORY * 2 + b"\n", b"")


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.binary(max_size=6)), max_size=30),
    st.permutations([0, 1, 2]),
    st.booleans(),
)
def test_any_writes_come_whole_by_lines(tmp_path_factory, writes, ends, keep_order):
    async def main():
        run = Run(
            tmp_path_factory.mktemp("run"), line_buffer=True, keep_order=keep_order, tag_of=tag_of
        )
        sinks = [run.begin(number) for number in range(3)]
        for job, fd, data in writes:
            sinks[job][fd](data)
        for job in ends:
            run.end(job)
        return await run.finish()

    # The last of each is a whole line, as what has no end runs into what follows.
    writes = [(job, fd, data.replace(b"a", b"\n")) for job, fd, data in writes]
    writes += [(job, fd, b".\n") for job in range(3) for fd in range(2)]
    seen = asyncio.run(main())
    for job in range(3):
        for fd in range(2):
            written = b"".join(data for *to, data in writes if to == [job, fd])
            tag = b"t%d\t" % job
            lines = [line for line in seen[fd].split(b"\n") if line.startswith(tag)]
            assert lines == [tag + line for line in written.split(b"\n")[:-1]]


async def test_a_tag_comes_before_each_line_of_both_streams(start):
    run = start(tag_of=tag_of)
    run.do(1, b"a\n\nb", b"e\n")
    run.do(2)
    run.do(3, b"\n")

    assert await run.seen() == (b"t1\ta\nt1\t\nt1\tbt3\t\n", b"t1\te\n")


@pytest.mark.parametrize("line_buffer", [False, True])
async def test_a_tag_may_be_any_bytes_and_an_empty_one_is_a_column(start, line_buffer):
    tags = {1: os.fsdecode(b"\xff"), 2: "", 3: "two\nlines"}
    run = start(tag_of=lambda job: tags[job.number], line_buffer=line_buffer)
    for number in tags:
        run.do(number, b"a\nb\n")

    out, _ = await run.seen()
    assert out == b"\xff\ta\n\xff\tb\n\ta\n\tb\ntwo\nlines\ta\ntwo\nlines\tb\n"


async def test_the_tag_is_that_of_the_slot_on_which_the_last_attempt_ran(start):
    run = start(tag_of=lambda job: str(job.attempt))
    run.begin(1)
    run.begin(1, attempt=2)[0](b"x\n")
    run.end(1)

    assert await run.seen() == (b"2\tx\n", b"")


@given(st.lists(st.text("a\n", min_size=1).map(str.encode)))
def test_pieces_are_tagged_as_the_whole(pieces):
    whole = b"".join(pieces)
    expected = tagged_lines(whole, b"T\t") if whole else b""

    assert b"".join(tagged(iter(pieces), b"T\t")) == expected


async def test_jobs_have_our_own_descriptors_if_nothing_is_to_be_grouped(start):
    run = start(ungroup=True)

    assert run.begin(1) == (None, None)
    run.end(1)


async def test_quiet_jobs_are_read_for_nothing(start):
    run = start(quiet=True, line_buffer=True)

    assert run.begin(1) == (discard, discard)
    run.end(1)
    assert await run.seen() == (b"", b"")


@pytest.mark.parametrize("given", [{"quiet": True}, {"line_buffer": True}, {"keep_order": True}])
async def test_results_have_all_output_however_it_is_printed(start, tmp_path, given):
    run = start(results=tmp_path / "results", **given)
    run.begin(1)[0](b"earlier")
    out, err = run.begin(1, attempt=2)
    out(b"o\np")
    err(b"e" * IN_MEMORY * 2)
    spools = run.output.spools(run.jobs[1])

    kept = [b"".join(spool.pieces()) for spool in spools]
    run.end(1)

    assert kept == [b"o\np", b"e" * IN_MEMORY * 2]
    if "quiet" in given:
        assert await run.seen() == (b"", b"")


async def test_lines_that_are_only_printed_are_not_kept(start):
    run = start(line_buffer=True)
    run.begin(1)

    assert run.output.spools(run.jobs[1]) == (None, None)


async def test_a_place_for_results_that_is_none_is_said_at_once(start, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError):
        make(options(results=tmp_path / "file"), None, None)


@pytest.mark.parametrize("keep_order", [False, True])
async def test_records_are_lines_of_json(start, keep_order):
    run = start(format="json", keep_order=keep_order, line_buffer=True, quiet=True)
    second = run.begin(2)[0]
    run.do(1, b"x" * IN_MEMORY * 2, b"\xff")
    second(b"two\n")
    run.end(2)

    out, err = await run.finish()
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["seq"] for record in records] == ([2, 1] if keep_order else [1, 2])
    texts = {record["seq"]: record["stdout"] for record in records}
    assert texts == {1: "x" * IN_MEMORY * 2, 2: "two\n"}
    assert err == b""


async def test_too_much_that_waits_is_full_by_lines_only(start, pipe):
    for line_buffer in (True, False):
        printer = Printer(asyncio.get_running_loop(), pipe[1])
        output = make(options(line_buffer=line_buffer), printer, printer)
        assert not output.is_full
        printer.write(bytes(HIGH * 2))
        assert output.is_full is line_buffer
        reading = asyncio.get_running_loop().run_in_executor(None, drain, pipe[0], HIGH * 2)
        await printer.drain(0)
        await reading
        assert not output.is_full
        await printer.aclose()


def drain(fd, size):
    while size:
        size -= len(os.read(fd, min(size, 65536)))


async def test_all_is_dropped_quietly_once_the_reader_has_gone(start, pipe):
    os.close(pipe[0])
    printer = Printer(asyncio.get_running_loop(), pipe[1])
    broken = []
    printer.on_broken = lambda: broken.append(True)
    for chosen in ({}, {"line_buffer": True}, {"keep_order": True}):
        run = start()
        run.output = make(options(**chosen), printer, printer)
        run.begin(1)
        run.do(2, b"x\n" * IN_MEMORY, b"y\n")
        run.end(1)

    assert broken == [True]
    await printer.aclose()


async def test_a_carriage_return_ends_no_line(start):
    """GNU parallel puts a tag after it as well, and so between it and the newline."""
    for line_buffer in (False, True):
        run = start(tag_of=tag_of, line_buffer=line_buffer)
        run.do(1, b"1\r2\r\n3\r")

        assert await run.seen() == (b"t1\t1\r2\r\nt1\t3\r", b"")


def parallel(*args):
    """Return what GNU parallel prints, standard output and standard error."""
    done = subprocess.run(
        ["parallel", "--will-cite", *args], capture_output=True, stdin=subprocess.DEVNULL
    )
    return done.stdout, done.stderr


SCRIPTS = {
    "lines": "echo a; echo b; echo e >&2",
    "no last newline": "printf 'a\\nb'; printf 'c\\nd' >&2",
    "empty": "true",
    "empty lines": "printf '\\n\\na\\n\\n'",
    "only errors": "echo x >&2",
    "bytes": "printf '\\377\\n\\000\\n'",
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("parallel") is None, reason="there is no GNU parallel")
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize(
    "given, words",
    [
        ({}, ["-j1"]),
        ({"tag_of": lambda job: job.values[0]}, ["-j1", "--tag"]),
        ({"tag_of": lambda job: f"<{job.number}>"}, ["-j1", "--tagstring", "<{#}>"]),
        ({}, ["-j1", "--tagstring", ""]),
        ({"keep_order": True}, ["-j2", "-k"]),
        ({"keep_order": True, "line_buffer": True}, ["-j2", "-k", "--lb"]),
        ({"line_buffer": True}, ["-j1", "--lb"]),
        ({"line_buffer": True, "tag_of": lambda job: job.values[0]}, ["-j1", "--lb", "--tag"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_output_is_that_of_gnu_parallel(start, script, given, words):
    run = start(**given)
    for number in (1, 2):
        run.shell(number, script)

    assert await run.seen() == parallel(*words, f"{script} #", ":::", "1", "2")
