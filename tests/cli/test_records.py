"""A job as JSON: all that is known, nothing lost, in pieces whatever its size."""

import base64
import json
import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import procession
from children import sh
from procession.cli.output.records import meta_of, record_of
from procession.cli.output.spool import IN_MEMORY, PIECE, Spool
from procession.cli.run.jobs import Ended, Job


def job_of(number=1, values=("a",), command="true a", slot=1):
    return Job(number, values, command, slot, attempt=1, started=0.0, input=None)


def spool_of(data):
    spool = Spool()
    spool.write(data)
    return spool


def ended_of(out=b"", err=b"", result=None, **fields):
    result = result or procession.Completed(["true"], 0, pid=7, started=5.5, duration=0.25)
    return Ended(job_of(**fields), result, spool_of(out), spool_of(err))


def line_of(ended):
    return b"".join(record_of(ended))


def read(ended):
    """Return the record of a job that is done with."""
    line = line_of(ended)
    ended.stdout.close()
    ended.stderr.close()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


def bytes_of(text):
    """Return the bytes that a string or an object in a record stands for."""
    if isinstance(text, str):
        return text.encode()
    return base64.b64decode(text["base64"], validate=True)


async def test_a_record_tells_what_became_of_a_child():
    result = await procession.run(sh("echo out; echo err >&2; exit 3"), capture_output=True)

    record = read(Ended(job_of(4), result, spool_of(result.stdout), spool_of(result.stderr)))

    assert record["seq"] == 4
    assert record["command"] == "true a"
    assert record["args"] == ["a"]
    assert (record["exit"], record["signal"], record["reason"]) == (3, None, "exit")
    assert (record["error"], record["attempts"], record["slot"]) == (None, 1, 1)
    assert (record["start"], record["seconds"]) == (result.started, result.duration)
    assert record["pid"] == result.pid
    assert (record["user"], record["system"]) == (result.usage.user, result.usage.system)
    assert (record["stdout"], record["stderr"]) == ("out\n", "err\n")


async def test_a_signal_is_no_exit_status():
    result = await procession.run(sh("kill -9 $$"))

    record = read(ended_of(result=result))

    assert (record["exit"], record["signal"], record["reason"]) == (None, 9, "signal")


async def test_a_command_that_cannot_be_started_has_the_status_of_a_shell(tmp_path):
    command = [os.fsencode(tmp_path) + b"/\xff"]
    [result] = [each async for each in procession.map([command], concurrency=1)]

    record = read(ended_of(result=result))

    assert (record["exit"], record["signal"], record["pid"]) == (127, None, None)
    assert record["reason"] == "spawn error"
    assert "No such file" in record["error"]
    assert (record["user"], record["system"], record["max_rss"]) == (None, None, None)


@pytest.mark.slow
async def test_memory_is_told_where_it_is_the_childs_own():
    small = await procession.run(["true"])
    large = await procession.run(
        sh('head -c 200000000 /dev/zero | tail -c 150000000 >"$1"', "/dev/null")
    )

    for result in (small, large):
        usage = result.usage
        known = usage.max_rss > usage.max_rss_floor
        assert read(ended_of(result=result))["max_rss"] == (usage.max_rss if known else None)


def test_output_that_was_not_kept_is_null():
    ended = Ended(job_of(), procession.Completed(["true"], 0, pid=7), None, None)

    record = json.loads(line_of(ended))

    assert (record["stdout"], record["stderr"]) == (None, None)


@pytest.mark.slow
@given(st.binary(max_size=200), st.text(max_size=50))
def test_any_output_comes_back(binary, text):
    record = read(ended_of(binary, text.encode(errors="surrogatepass")))

    assert bytes_of(record["stdout"]) == binary
    assert bytes_of(record["stderr"]) == text.encode(errors="surrogatepass")


@pytest.mark.parametrize(
    "data",
    [
        "é€😀".encode() * (PIECE // 4),
        b"x" + "😀".encode() * (IN_MEMORY // 2),
        b"\xff" * (PIECE * 5 + 1),
        "é".encode() * IN_MEMORY + b"\xc3",
        b'"\\\n\x00\x7f' * IN_MEMORY,
    ],
    ids=["text", "text across pieces", "binary", "text cut short", "escapes"],
)
def test_long_output_comes_back(data):
    assert bytes_of(read(ended_of(data))["stdout"]) == data


def test_long_output_comes_in_pieces():
    ended = ended_of(b"x" * IN_MEMORY * 8)

    assert max(map(len, record_of(ended))) <= PIECE
    ended.stdout.close()


@given(st.lists(st.binary(max_size=20).filter(lambda value: b"\0" not in value), max_size=3))
def test_any_arguments_come_back(values):
    args = tuple(os.fsdecode(value) for value in values)

    record = read(ended_of(values=args, command=" ".join(args)))

    assert [bytes_of(arg) for arg in record["args"]] == values
    assert bytes_of(record["command"]) == b" ".join(values)


def test_meta_is_the_same_without_the_output():
    ended = ended_of(b"out", values=("\udcff", "é"))
    record, meta = read(ended), json.loads(meta_of(ended))

    assert list(record)[-2:] == ["stdout", "stderr"]
    assert meta == {key: value for key, value in record.items() if key not in ("stdout", "stderr")}


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq")
def test_jq_reads_a_record():
    line = line_of(ended_of("é\n\x01".encode(), b"\xff"))

    done = subprocess.run(["jq", "-j", ".stdout"], input=line, capture_output=True, check=True)

    assert done.stdout == "é\n\x01".encode()
