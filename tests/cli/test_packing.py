"""Several rows for one job: nothing lost, nothing that does not fit, what cannot fit alone."""

import errno
import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.sources import input_options
from procession.cli.arguments.values import Jobs
from procession.cli.inputs.packing import Packer, packer_of
from procession.cli.inputs.sizes import Sizes, longest_argument, may_need_shell, room_for_arguments

ROOM = 10_000
MUCH = 2_000_000

values = st.text("ab'é\udc80 ", max_size=6)
rows = st.lists(st.lists(values, min_size=1, max_size=3).map(tuple))
words = st.lists(
    st.sampled_from(["echo", "{}", "x{}y", "{.}{/}", "{2}", "{#}-{}", "{-1}", "{%}", "|", "é"]),
    min_size=1,
    max_size=4,
)


def pack(packer, rows, size=1000):
    jobs = []
    for begin in range(0, len(rows), size):
        jobs += packer.add(rows[begin : begin + size])
    return jobs + packer.end()


def packed(words, values, slots=None, most=None, **options):
    """Return the values of each job, all of which are single."""
    sizes = Sizes(words, **{"room": ROOM, **options})
    return pack(Packer(most, sizes, slots), [(value,) for value in values])


@given(words, rows, st.integers(1, 9), st.none() | st.integers(1, 5), st.none() | st.integers(1, 4))
def test_nothing_is_lost_or_out_of_order(words, rows, size, most, slots):
    packer = Packer(most, Sizes(words, room=ROOM, max_chars=60), slots)

    jobs = pack(packer, rows, size)

    assert [value for job in jobs for value in job] == [value for row in rows for value in row]
    assert all(jobs)


@given(rows, st.integers(2, 5))
def test_jobs_have_as_many_rows_as_wanted_whatever_the_pieces(rows, most):
    sizes = Sizes(["echo"], room=ROOM)
    one, other = Packer(most, sizes), Packer(most, sizes)

    jobs = pack(one, rows)

    assert jobs == pack(other, rows, 1)
    assert len(jobs) == -(-len(rows) // most)


@given(words, st.lists(values), st.booleans(), st.integers(40, 200))
def test_command_lines_have_no_more_characters_than_wanted(words, values, repeats, most):
    words = [word for word in words if word != "|"]
    jobs = packed(["true", *words], values, repeats=repeats, max_chars=most)

    for job in jobs:
        assert len(job) == 1 or size_of(["true", *words], job, repeats) <= most


def size_of(words, values, repeats):
    """Return the characters of a command line without a shell: a model."""
    if not any("{" in word for word in words):
        words = [*words, "{}"]
    line = []
    for word in words:
        word = word.replace("{2}", values[1] if len(values) > 1 else "")
        word = word.replace("{-1}", values[-1])
        whole = word.replace("{#}", "1").replace("{%}", "1")
        whole = whole.replace("{.}", "{}").replace("{/}", "{}")
        if "{}" not in whole:
            line.append(whole)
        elif repeats or whole == "{}":
            line += [whole.replace("{}", value) for value in values]
        else:
            line.append(whole.replace("{}", " ".join(values)))
    return sum(len(os.fsencode(word)) + 1 for word in line)


def test_as_many_values_as_fit_are_taken():
    assert packed(["echo"], list("abcdefgh"), max_chars=13) == [tuple("abcd"), tuple("efgh")]
    assert packed(["echo"], list("abcdefgh"), max_chars=14) == [tuple("abcd"), tuple("efgh")]
    assert packed(["echo"], list("abcdef"), max_chars=15) == [tuple("abcde"), ("f",)]


def test_bytes_count_not_characters():
    assert packed(["echo"], ["éé", "é"], max_chars=12) == [("éé",), ("é",)]
    assert packed(["echo"], ["éé", "é"], max_chars=13) == [("éé", "é")]


def test_a_value_that_takes_more_than_there_is_is_a_job_by_itself():
    assert packed(["echo"], ["a", "b" * 50, "c", "d"], max_chars=20) == [
        ("a",),
        ("b" * 50,),
        ("c", "d"),
    ]


def test_a_value_that_no_child_can_be_given_is_a_job_by_itself():
    huge = "x" * longest_argument()

    assert packed(["true"], ["a", huge, "b"], room=MUCH) == [("a",), (huge,), ("b",)]
    assert packed(["true"], ["a", huge[1:], "b"], room=MUCH) == [("a", huge[1:], "b")]
    with pytest.raises(OSError) as caught:
        subprocess.run(["true", huge])
    assert caught.value.errno == errno.E2BIG


def test_the_rows_of_the_last_job_are_divided_among_the_slots():
    numbers = list("123456789")

    assert packed(["echo"], numbers, slots=4) == [
        tuple("123"),
        tuple("456"),
        tuple("789"),
    ]
    assert packed(["echo"], numbers, slots=2, most=5) == [tuple("12345"), tuple("67"), tuple("89")]
    assert packed(["echo"], list("12345"), slots=2, most=5) == [tuple("123"), tuple("45")]
    assert packed(["echo"], ["1"], slots=4) == [("1",)]


def test_one_row_a_job_is_passed_on_as_it_is():
    some = [("a",), ("b",)]

    assert packer_of(input_options(), ["echo"]).add(some) is some


@pytest.mark.parametrize(
    "words, may",
    [
        (["rm", "{}"], False),
        (["rm"], False),
        (["./a-b_c"], False),
        ([], True),
        (["rm {}"], True),
        (["exit"], True),
        (["A={}", "env"], True),
        (["wc", "<", "{}"], True),
        (["a", "2>&1"], True),
        (["a", "&&", "b"], True),
        (["a", "{}", ">{}.out"], True),
    ],
)
def test_where_a_shell_may_be_needed_its_line_is_one_argument(words, may):
    assert may_need_shell(words) is may
    assert (Sizes(words, room=MUCH).limit == longest_argument()) is may


def test_values_that_are_joined_in_a_word_are_one_argument():

    assert Sizes(["true", "x{}y"], room=MUCH).limit == longest_argument()
    assert Sizes(["true", "x{}y"], room=MUCH, repeats=True).limit == MUCH


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 7, 100, 5000])
@pytest.mark.parametrize("environment", [[], ["MORE=" + "x" * 100_000, "AND="]])
def test_what_is_packed_can_be_run_and_is_nearly_all_that_can(length, environment):
    options = input_options(context_replace=True, env=environment, jobs=Jobs(1))
    some = [("x" * length,)] * (2 * room_for_arguments() // (length + 9))
    env = {**os.environb, **dict(pair.encode().split(b"=") for pair in environment)}

    jobs = pack(packer_of(options, ["true"]), some)

    subprocess.run(["true", *jobs[0]], env=env, check=True)
    missing = 4096 // (length + 9) + 2
    with pytest.raises(OSError) as caught:
        subprocess.run(["true", *jobs[0], *["x" * length] * missing], env=env)
    assert caught.value.errno == errno.E2BIG


@pytest.mark.slow
@pytest.mark.parametrize("value", ["it's", "'''''", "a b", '$"`\\', "é"])
def test_what_is_packed_for_a_shell_fits_however_it_is_quoted(value):
    some = [(value,)] * (300_000 // len(value))
    jobs = pack(packer_of(input_options(context_replace=True), ["true {} | cat"]), some)

    for quoted in ("'" + value.replace("'", "'\"'\"'") + "'", "\"'" + value + "'\""):
        line = f"true {' '.join([quoted] * len(jobs[0]))} | cat"
        assert len(line.encode()) < longest_argument()
