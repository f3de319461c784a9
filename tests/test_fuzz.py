"""What fuzzers have found worth keeping is run with every compiler: see tests/fuzz."""

import runpy

import pytest

from helpers.compiler import CC, CHECKED, CORE, ENVIRONMENT, TESTS, call, needs_compiler

FUZZ = TESTS / "fuzz"
TARGETS = runpy.run_path(str(FUZZ / "run.py"))["TARGETS"]


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_of_a_target_passes(name, tmp_path):
    program = tmp_path / name
    sources = [FUZZ / f"fuzz_{name}.c", *(CORE / source for source in TARGETS[name])]
    inputs = sorted((FUZZ / "corpus" / name).iterdir())

    call(CC, *CHECKED, *sources, FUZZ / "replay.c", "-o", program)

    assert call(program, *inputs, env=ENVIRONMENT) == f"{len(inputs)} inputs\n"
    assert inputs


def test_every_target_is_run():
    assert set(TARGETS) == {path.stem.removeprefix("fuzz_") for path in FUZZ.glob("fuzz_*.c")}
