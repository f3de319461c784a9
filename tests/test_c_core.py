"""Builds the C core with sanitizers and runs its C tests."""

import fcntl
import os
import shutil
import subprocess

import pytest

from helpers.compiler import (
    CC,
    CHECKED,
    CORE,
    ENVIRONMENT,
    STRICT,
    TESTS,
    call,
    needs_compiler,
)

PROGRAMS = sorted((TESTS / "c").glob("test_*.c"))

RACING = [*STRICT, "-UNDEBUG", "-O1", "-g"]

# ThreadSanitizer's view of a thread is shared with a child that runs on its memory: the
# code that runs there is not instrumented, and clone(2) is called past the sanitizer.
CHILDS = {"psn_child.c", "psn_clone3.c", "psn_limits.c", "psn_spawn.c"}
PAST_THE_SANITIZER = "-Dclone=__clone"

# It takes a process for one with a single descriptor table, so that two threads which use
# the same number of different tables seem to race where one of them closes it.
TWO_TABLES = "race:psn_table.c\nrace:psn_sys.h\n"

pytestmark = needs_compiler


@pytest.fixture(scope="session")
def core(tmp_path_factory):
    """Return an archive of the sanitized core: a program takes what it needs of it.

    It is made once, by whichever of the processes that pytest-xdist starts comes first.
    """
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent
    archive = directory / "core.a"
    with open(directory / "core.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            objects = tmp_path_factory.mktemp("core")
            call(CC, *CHECKED, "-c", *sorted(CORE.glob("psn_*.c")), cwd=objects)
            call("ar", "rcs", archive, *sorted(objects.glob("*.o")))
    return archive


@pytest.mark.slow
@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem[5:])
def test_program(source, core, tmp_path):
    program = tmp_path / source.stem

    call(CC, *CHECKED, source, core, "-pthread", "-o", program)

    call(program, cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["test_spawner", "test_crew"])
def test_threads_have_no_data_race(stem, tmp_path):
    # The sanitizer of some compilers dies of the address layout of newer kernels.
    fixed_layout = ["setarch", "-R"] if shutil.which("setarch") else []
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    build = [CC, "-fsanitize=thread", empty, "-o", tmp_path / "empty"]
    run = [*fixed_layout, tmp_path / "empty"]
    for command in build, run:
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no working ThreadSanitizer")
    program = tmp_path / stem
    own = [path for path in sorted(CORE.glob("psn_*.c")) if path.name in CHILDS]
    rest = [path for path in sorted(CORE.glob("psn_*.c")) if path.name not in CHILDS]

    call(CC, *RACING, PAST_THE_SANITIZER, "-c", *own, cwd=tmp_path)
    call(
        CC,
        *RACING,
        "-fsanitize=thread",
        TESTS / f"c/{stem}.c",
        *rest,
        *sorted(tmp_path.glob("*.o")),
        "-pthread",
        "-o",
        program,
    )

    suppressions = tmp_path / "suppressions"
    suppressions.write_text(TWO_TABLES)
    options = {**os.environ, "TSAN_OPTIONS": f"suppressions={suppressions}"}
    call(*fixed_layout, program, cwd=tmp_path, stdin=subprocess.DEVNULL, env=options)


def test_every_file_of_the_core_has_its_program():
    stems = {path.stem.replace("psn_", "test_") for path in CORE.glob("psn_*.c")}

    assert stems == {path.stem for path in PROGRAMS}
