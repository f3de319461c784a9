"""The spawner's code in every order of events, up to a bound: see tests/model."""

import re

import pytest

from helpers.compiler import CC, CHECKED, CORE, ENVIRONMENT, TESTS, call, needs_compiler

MODEL = TESTS / "model"

# The real code; all that it stands on is in world.c.
UNDER_TEST = ("psn_spawner.c", "psn_crew.c", "psn_job.c", "psn_argv.c", "psn_stdio.c")

LEAST = 200_000
PATIENCE = 110

# What is used after it was freed is used at once.
QUICK = {**ENVIRONMENT, "ASAN_OPTIONS": "quarantine_size_mb=8"}


@needs_compiler
@pytest.mark.slow
def test_each_job_is_taken_once_or_buried_once_in_every_order(tmp_path):
    program = tmp_path / "interleavings"
    wrapped = re.findall(r"__wrap_(\w+)\(", (MODEL / "world.c").read_text())
    sources = [*sorted(MODEL.glob("*.c")), *(CORE / name for name in UNDER_TEST)]
    wraps = [f"-Wl,--wrap={name}" for name in sorted(set(wrapped))]

    call(CC, *CHECKED, "-O2", *sources, *wraps, "-pthread", "-o", program)

    said = call(program, env=QUICK, patience=PATIENCE)
    (total,) = re.findall(r"(\d+) +orders in all", said)
    assert int(total) > LEAST
