"""--halt: the forms that GNU parallel has, when they apply, and the exit status they give."""

import re

import pytest

from helpers.ended import ended, run_parallel
from procession.cli.control.halting import Halt, Halting
from procession.cli.errors import UsageError


def feed(text, returncodes, total=None):
    """Return (number of the job that halts, what is said, status)."""
    halting = Halting(Halt.parse(text), total)
    found = (None, None)
    for number, returncode in enumerate(returncodes, 1):
        verdict = halting.add(ended(number, returncode=returncode))
        if verdict is not None:
            assert found == (None, None)
            found = (number, verdict)
    assert halting.reached == (found[0] is not None)
    return (*found, halting.status)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("never", None),
        ("0", None),
        ("1", Halt("soon", "fail", 1)),
        ("2", Halt("now", "fail", 1)),
        ("-1", Halt("soon", "success", 1)),
        ("-2", Halt("now", "success", 1)),
        ("10%", Halt("soon", "fail", 10, True)),
        ("now,fail=1", Halt("now", "fail", 1)),
        ("soon,success=30", Halt("soon", "success", 30)),
        ("now,done=100%", Halt("now", "done", 100, True)),
    ],
)
def test_the_forms_of_gnu_parallel_are_understood(text, expected):
    assert Halt.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "soon,", "now,fail", "now,fail=", "now,fail=x", "now,fail=-1", "3", "-3",
        "fail=1", "later,fail=1", "now,fails=1", "now,fail=1.5%", "now, fail=1", "now,fail=1\n",
        "now,fail=²", "now,fail=0", "now,fail=0%", "0%", "now,done=101%", "never,fail=1",
        "now,fail=" + "9" * 5000,
    ],
)  # fmt: skip
def test_another_form_is_an_error(text):
    with pytest.raises(UsageError, match=f"--halt {re.escape(text)}: "):
        Halt.parse(text)


@pytest.mark.parametrize(
    "text, returncodes, expected",
    [
        ("never", [1, 1], (None, None, None)),
        ("now,fail=1", [0, 0, 3, 4], (3, "now", 3)),
        ("soon,fail=1", [0, -9, 4], (2, "soon", 137)),
        ("now,fail=2", [3, 0, 4, 5], (3, "now", 2)),
        ("now,success=1", [1, 2, 0, 0], (3, "now", 0)),
        ("now,success=2", [1, 0, 0], (3, "now", 0)),
        ("soon,done=1", [9, 1], (1, "soon", 9)),
        ("soon,done=1", [0, 1], (1, "soon", 0)),
        ("soon,done=3", [1, 0, 1], (3, "soon", 2)),
        ("now,fail=200", [1] * 200, (200, "now", 101)),
        ("now,fail=3", [1, 1], (None, None, None)),
        ("now,success=1", [1, 1], (None, None, None)),
    ],
)
def test_numbers_of_jobs(text, returncodes, expected):
    assert feed(text, returncodes) == expected


@pytest.mark.parametrize(
    "text, total, returncodes, expected",
    [
        ("now,fail=50%", 6, [1, 0, 1, 0, 1, 1], (5, "now", 50)),
        ("now,fail=7%", 100, [1] * 10, (7, "now", 7)),
        ("now,fail=1%", 3, [0, 1], (2, "now", 34)),
        ("soon,done=50%", 3, [1, 0, 1], (2, "soon", 34)),
        ("now,success=50%", 4, [0, 1, 0], (3, "now", 0)),
        ("now,fail=90%", 3, [1, 1, 0], (None, None, 67)),
        ("now,success=50%", 3, [1, 1, 0], (None, None, 67)),
        ("now,success=50%", 1000, [0, 0, 1], (None, None, 34)),
        ("now,fail=1%", 0, [], (None, None, 0)),
        ("now,fail=1%", None, [1, 1], (None, None, 100)),
    ],
)
def test_percentages_are_of_all_jobs(text, total, returncodes, expected):
    assert feed(text, returncodes, total) == expected


def test_a_total_that_becomes_known_later_may_be_what_halts():
    halting = Halting(Halt.parse("now,fail=10%"), None)
    for _ in range(3):
        assert halting.add(ended(returncode=1)) is None

    assert halting.set_total(40) is None
    assert halting.set_total(30) == "now"
    assert halting.set_total(30) is None
    assert halting.status == 10


def test_jobs_that_were_ended_for_it_do_not_count():
    halting = Halting(Halt.parse("now,fail=2"), None)

    assert halting.add(ended(returncode=-15, reason="cancelled")) is None
    assert halting.add(ended(returncode=1)) is None
    assert halting.add(ended(returncode=1)) == "now"
    assert halting.add(ended(returncode=-15)) is None
    assert halting.status == 2


@pytest.mark.parametrize(
    "returncode, reason, status",
    [
        (0, "timeout", 255),
        (-15, "timeout", 255),
        (127, "spawn error", 127),
        (126, "spawn error", 126),
        (-9, "out of memory", 255),
    ],
)
def test_a_job_that_did_not_end_by_itself_has_failed(returncode, reason, status):
    halting = Halting(Halt.parse("now,fail=1"), None)

    assert halting.add(ended(returncode=returncode, reason=reason)) == "now"
    assert halting.status == status


SAME = [
    ("now,fail=1", "1 0 3"),
    ("now,fail=1", "0 0 0"),
    ("soon,fail=2", "1 0 3 4"),
    ("now,success=1", "1 2 0 3"),
    ("now,success=1", "1 2 3"),
    ("now,done=1", "0 1"),
    ("now,done=1", "7 1"),
    ("now,done=2", "7 1 1"),
    ("now,fail=50%", "1 0 1 0 1 1"),
    ("now,fail=90%", "1 1 0"),
    ("now,success=50%", "1 1 0"),
    ("1", "3 4"),
    ("-2", "3 0"),
    ("10%", "1 0 0"),
]


@pytest.mark.slow
@pytest.mark.parametrize("text, codes", SAME)
def test_gnu_parallel_runs_as_many_jobs_and_has_the_same_status(tmp_path, text, codes):
    codes = [int(code) for code in codes.split()]
    log = tmp_path / "log"
    theirs = run_parallel(
        "--halt", text, "-j1", "--joblog", str(log), "exit", ":::", *map(str, codes)
    )

    number, _, status = feed(text, codes, len(codes))

    # What the command ends with where the rule does not say.
    if status is None:
        status = sum(code != 0 for code in codes)
    assert theirs.returncode == status
    assert len(log.read_text().splitlines()) - 1 == (number or len(codes))
