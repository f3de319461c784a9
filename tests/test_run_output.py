"""The output that run() returns, for any script and any bound, compared with a model."""

import asyncio
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import procession
from children import CAT, sh

PIPE = subprocess.PIPE
QUICKLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KIB = 1024
# Where reads end, and where the memory for it grows.
BORDERS = [0, 1, 2, 4 * KIB, 64 * KIB, 128 * KIB, 192 * KIB, 256 * KIB, 300_000]


@pytest.fixture
def loop():
    """Return a loop that lives as long as the examples."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def near(borders):
    return st.builds(
        lambda border, offset: max(border + offset, 0), st.sampled_from(borders), st.integers(-3, 3)
    )


def data_of(size):
    """Return bytes of which no two places look alike."""
    return b"".join(b"%07d\n" % i for i in range(size // 8 + 1))[:size]


def kept(data, max_output, overflow="truncate"):
    """Return (what is kept of an output, how many bytes are left out)."""
    left_out = max(len(data) - max_output, 0)
    if not left_out:
        return data, 0
    tail = 0 if overflow == "end" else max_output // 2
    head = max_output - tail
    if not tail:
        return data[:head], left_out
    return (
        data[:head] + b"\n[... %d bytes left out ...]\n" % left_out + data[len(data) - tail :],
        left_out,
    )


@QUICKLY
@given(size=near(BORDERS), max_output=near(BORDERS))
def test_of_a_large_output_head_and_tail_are_kept(loop, size, max_output):
    data = data_of(size)
    result = loop.run_until_complete(
        procession.run(CAT, input=data, stdout=PIPE, max_output=max_output)
    )

    assert (result.stdout, result.truncated) == kept(data, max_output)
    assert result.ok


@QUICKLY
@given(pieces=st.lists(st.integers(1, 9), max_size=12), max_output=st.integers(0, 40))
def test_of_an_output_in_pieces_head_and_tail_are_kept(loop, pieces, max_output):
    """One write a piece, some of which are read together."""
    text = data_of(sum(pieces)).replace(b"\n", b".").decode()
    words = []
    for size in pieces:
        words.append(text[:size])
        text = text[size:]
    script = "".join(f"printf %s {word}; printf %s {word} >&2; " for word in words)
    result = loop.run_until_complete(
        procession.run(sh(script or ":"), capture_output=True, max_output=max_output)
    )

    output, left_out = kept("".join(words).encode(), max_output)
    assert (result.stdout, result.stderr) == (output, output)
    assert result.truncated == 2 * left_out


@QUICKLY
@given(size=near(BORDERS), max_output=near(BORDERS))
def test_of_an_output_that_ends_the_command_the_head_is_kept(loop, size, max_output):
    """It may end by itself before it has heard of that."""
    data = data_of(size)
    result = loop.run_until_complete(
        procession.run(CAT, input=data, stdout=PIPE, max_output=max_output, overflow="end")
    )

    assert result.stdout == kept(data, max_output, "end")[0]
    assert (result.reason == "output limit") == (size > max_output)
    assert (result.truncated > 0) == (size > max_output)


# Scripts: what each step writes to which output, or how it waits.
STEPS = st.one_of(
    st.builds(
        "printf '%s\\n' {} {}".format,
        st.text("abc\u00fc", min_size=1, max_size=8),
        st.sampled_from(["", ">&2"]),
    ),
    st.builds("head -c {} /dev/zero {}".format, near(BORDERS), st.sampled_from(["", ">&2"])),
    st.builds("printf 'a\\r\\nb\\rc' {}".format, st.sampled_from(["", ">&2"])),
    st.just("sleep 0.002"),
    st.just("cat"),
    st.just('read line; echo "$line"'),
    st.just("(echo early; sleep 0.01; echo late) & wait"),
    st.just("exec 3>&1 1>&2 2>&3 3>&-"),
    st.just("echo $((1 / 2)); false"),
)
ENDS = st.one_of(
    st.builds("exit {}".format, st.integers(0, 255)),
    st.builds("kill -{} $$".format, st.sampled_from([1, 2, 9, 13, 15])),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "stdout": st.sampled_from([PIPE, subprocess.DEVNULL]),
        "stderr": st.sampled_from([PIPE, subprocess.DEVNULL, subprocess.STDOUT]),
        "errors": st.sampled_from(["replace", "backslashreplace"]),
        "check": st.booleans(),
        "timeout": st.just(1000),
        "start_new_session": st.booleans(),
    },
)


def outcome_of_subprocess(script, options):
    try:
        result = subprocess.run(sh(script), **options)
    except subprocess.CalledProcessError as error:
        return "failed", error.returncode, error.stdout, error.stderr
    return "done", result.returncode, result.stdout, result.stderr


async def outcome_of_run(script, options):
    try:
        result = await procession.run(sh(script), **options)
    except subprocess.CalledProcessError as error:
        return "failed", error.returncode, error.stdout, error.stderr
    return "done", result.returncode, result.stdout, result.stderr


@QUICKLY
@given(
    steps=st.lists(STEPS, max_size=5),
    end=ENDS,
    options=OPTIONS,
    input=st.one_of(st.just(""), st.text("ab\n", max_size=50), near(BORDERS).map("x".__mul__)),
)
def test_whatever_a_script_does_it_is_what_subprocess_returns(loop, steps, end, options, input):
    script = "; ".join([*steps, end])
    given = {"stdout": PIPE, "stderr": PIPE, **options}
    given["input"] = input if "errors" in options else input.encode()

    outcome = loop.run_until_complete(outcome_of_run(script, given))

    assert outcome == outcome_of_subprocess(script, given)
