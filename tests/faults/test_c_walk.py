"""The same without Python: the core as a library, with sanitizers, which walk.c walks."""

import pathlib
import re
from errno import EINTR

import pytest

from faults.plausible import PLAUSIBLE
from helpers.compiler import CC, CHECKED, CORE, ENVIRONMENT, TESTS, call, needs_compiler

HERE = pathlib.Path(__file__).parent

pytestmark = [pytest.mark.slow, needs_compiler]


def write_plausible(path):
    """Write what plausible.py knows as struct initializers."""
    names = re.findall(r'^CALL\((\w+), "(.+)"\)$', (HERE / "faults_calls.h").read_text(), re.M)
    kinds = {name: kind for kind, name in names}
    lines = [
        f"{{FAULTS_{kinds[name]}, {err}, {int(err == EINTR)}}},"
        for name, errors in PLAUSIBLE.items()
        for err in errors
    ]
    path.write_text("\n".join(lines) + "\n")


def test_every_fault_of_the_core_has_its_outcome(tmp_path, record_property):
    write_plausible(tmp_path / "plausible.h")
    library, program = tmp_path / "libcore.so", tmp_path / "walk"
    own = [f"-I{HERE}", f"-I{TESTS / 'c'}", f"-I{tmp_path}"]

    call(CC, *CHECKED, "-fPIC", "-shared", *sorted(CORE.glob("psn_*.c")), "-o", library)
    call(CC, *CHECKED, *own, *sorted(HERE.glob("*.c")), library, "-pthread", "-o", program)
    said = call(program, cwd=tmp_path, env={**ENVIRONMENT, "LD_LIBRARY_PATH": tmp_path})

    record_property("faults", int(said.split()[0]))
