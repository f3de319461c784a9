"""Limits of a child: each met by a child, errors named, nothing touched in the parent."""

import asyncio
import errno
import os
import pathlib
import resource
import shutil
import signal

import pytest

import procession
from children import fields_of, python, sh
from helpers.compiler import CC, call, needs_compiler
from procession import Limits

MEBIBYTE = 1 << 20

# Nothing that is preloaded, and needs address space without end.
ENVIRONMENT = {"PATH": os.defpath}

STATUS = ("cat", "/proc/self/status")

ROADS = {"clone": {}, "fork": {"preexec_fn": int}}

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture(params=ROADS)
def road(request):
    """Return the options by which a child is made one way or the other."""
    return ROADS[request.param]


async def outcome_of(*argv, limits, **options):
    """Run a command; return its returncode and what it wrote to stdout and stderr."""
    process = await procession.create_subprocess_exec(
        *argv,
        stdout=procession.PIPE,
        stderr=procession.PIPE,
        env=ENVIRONMENT,
        limits=limits,
        **options,
    )
    output, errors = await process.communicate()
    return process.returncode, output, errors


async def output_of(*argv, limits, **options):
    """The same for a command that must succeed; return what it wrote to stdout."""
    returncode, output, errors = await outcome_of(*argv, limits=limits, **options)
    assert (returncode, errors) == (0, b"")
    return output


def usable_nice():
    return min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)


def own_oom_score_adj():
    return int(pathlib.Path("/proc/self/oom_score_adj").read_text())


@pytest.mark.slow
async def test_a_child_that_spins_is_told_by_sigxcpu(road):
    returncode, _, _ = await outcome_of(
        *sh("while :; do :; done"), limits=Limits(cpu_seconds=1), **road
    )

    assert returncode == -signal.SIGXCPU


@pytest.mark.slow
async def test_a_child_that_does_not_hear_sigxcpu_is_killed_a_second_later():
    spinning = sh("trap '' XCPU; while :; do :; done")

    returncode, _, _ = await outcome_of(*spinning, limits=Limits(cpu_seconds=1))

    assert returncode == -signal.SIGKILL
    assert await output_of(*sh("ulimit -St; ulimit -Ht"), limits=Limits(cpu_seconds=7)) == b"7\n8\n"


async def test_a_child_cannot_allocate_more_than_its_memory(road):
    allocate = "dd if=/dev/zero of=/dev/null count=1 bs="

    fits, _, _ = await outcome_of(*sh(allocate + "1M"), limits=Limits(memory=64 * MEBIBYTE), **road)
    returncode, _, errors = await outcome_of(
        *sh(allocate + "80M"), limits=Limits(memory=64 * MEBIBYTE), **road
    )

    assert (fits, returncode) == (0, 1)
    assert b"memory" in errors


async def test_a_program_that_does_not_fit_does_not_start():
    returncode, output, _ = await outcome_of(*sh("echo started"), limits=Limits(memory=10_000))

    assert returncode in (-signal.SIGKILL, -signal.SIGSEGV)
    assert output == b""


@pytest.mark.slow
async def test_a_child_cannot_open_more_files(road):
    code = (
        "import os\n"
        "try:\n"
        "    while True:\n"
        "        last = os.dup(1)\n"
        "except OSError as error:\n"
        "    print(error.errno, last)\n"
    )

    output = await output_of(*python(code), limits=Limits(open_files=20), **road)

    assert output == b"%d 19\n" % errno.EMFILE


async def test_few_open_files_are_enough_for_what_is_passed_on(pipe, road):
    _, writing = pipe
    given = [os.dup(writing) for _ in range(40)]

    try:
        output = await output_of(
            *sh("ulimit -n; echo passed >/proc/self/fd/$1", str(given[-1])),
            limits=Limits(open_files=12),
            pass_fds=given,
            **road,
        )
    finally:
        for fd in given:
            os.close(fd)

    assert output == b"12\n"
    assert os.read(pipe[0], 100) == b"passed\n"


async def test_a_child_cannot_start_more_processes(road):
    options = {"user": 65534, **road} if os.geteuid() == 0 else road

    returncode, output, errors = await outcome_of(
        *sh("/bin/true; echo started"), limits=Limits(processes=1), **options
    )

    assert returncode > 0
    assert (output, b"fork" in errors) == (b"", True)


async def test_a_file_does_not_grow_beyond_its_size(tmp_path, road):
    writing = sh('exec head -c 5000 /dev/zero >"$1"', str(tmp_path / "file"))

    returncode, _, _ = await outcome_of(*writing, limits=Limits(file_size=1000), **road)

    assert returncode == -signal.SIGXFSZ
    assert (tmp_path / "file").stat().st_size == 1000


async def test_without_a_signal_a_file_that_grows_too_large_is_an_error(tmp_path):
    writing = sh('head -c 5000 /dev/zero >"$1"', str(tmp_path / "file"))

    returncode, _, errors = await outcome_of(
        *writing, limits=Limits(file_size=1000), restore_signals=False
    )

    assert returncode == 1
    assert os.strerror(errno.EFBIG).encode() in errors


def writes_cores_here():
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    return pattern[0] not in "|/" and hard == resource.RLIM_INFINITY


@pytest.mark.skipif(not writes_cores_here(), reason="cores are not written to the directory")
async def test_a_child_that_crashes_leaves_no_core(tmp_path, road):
    crash = sh("kill -ABRT $$")
    for limit, files in ((0, 0), (resource.RLIM_INFINITY, 1)):
        returncode, _, _ = await outcome_of(*crash, limits=Limits(core=limit), cwd=tmp_path, **road)

        assert returncode == -signal.SIGABRT
        assert len(list(tmp_path.iterdir())) == files


@needs_compiler
@pytest.mark.slow
async def test_a_stack_does_not_grow_beyond_its_size(tmp_path, road):
    source, program = tmp_path / "deep.c", tmp_path / "deep"
    source.write_text(
        "static int dive(volatile char *above, int depth) {\n"
        "    volatile char frame[4096];\n"
        "    frame[0] = *above;\n"
        "    return depth == 0 ? frame[0] : dive(frame, depth - 1) + frame[0];\n"
        "}\n"
        "int main(void) { char top = 0; return dive(&top, 500); }\n"
    )
    call(CC, "-O0", source, "-o", program)

    deep, _, _ = await outcome_of(program, limits=Limits(stack=4 * MEBIBYTE), **road)
    too_deep, _, _ = await outcome_of(program, limits=Limits(stack=MEBIBYTE), **road)

    assert (deep, too_deep) == (0, -signal.SIGSEGV)


async def test_the_nice_value_is_the_one_asked_for(road):
    nice = usable_nice()

    assert await output_of("nice", limits=Limits(nice=nice), **road) == b"%d\n" % nice


async def test_the_child_runs_on_the_cpus_asked_for(road):
    cpu = max(os.sched_getaffinity(0))

    status = await output_of(*STATUS, limits=Limits(cpus=[cpu]), **road)

    assert b"Cpus_allowed_list:\t%d\n" % cpu in status


@pytest.mark.skipif(shutil.which("ionice") is None, reason="no ionice")
@pytest.mark.parametrize(
    ("io_priority", "seen"),
    [
        ("idle", b"idle\n"),
        ("best-effort", b"best-effort: prio 4\n"),
        (("best-effort", 7), b"best-effort: prio 7\n"),
    ],
    ids=str,
)
async def test_the_io_priority_is_the_one_asked_for(io_priority, seen, road):
    assert await output_of("ionice", limits=Limits(io_priority=io_priority), **road) == seen


async def test_the_oom_score_is_adjusted_in_the_child_only(road):
    before = own_oom_score_adj()
    limits = Limits(oom_score_adj=min(1000, before + 123))

    output = await output_of("cat", "/proc/self/oom_score_adj", limits=limits, **road)

    assert int(output) == limits.oom_score_adj
    assert own_oom_score_adj() == before


async def test_no_new_privileges_can_be_gained(road):
    status = await output_of(*STATUS, limits=Limits(no_new_privileges=True), **road)

    assert b"NoNewPrivs:\t1\n" in status


@pytest.mark.parametrize("infinity", [-1, 2**64 - 1, resource.RLIM_INFINITY])
def test_no_limit_is_what_any_python_calls_infinity(infinity):
    limits = Limits(memory=infinity, core=(0, infinity))

    assert limits == Limits(memory=-1, core=(0, -1))


async def test_a_pair_is_a_soft_and_a_hard_limit(road):
    limits = Limits(open_files=(10, 20), core=[0, resource.RLIM_INFINITY])

    output = await output_of(*sh("ulimit -Sn; ulimit -Hn; ulimit -Sc"), limits=limits, **road)

    assert output == b"10\n20\n0\n"


async def test_all_limits_hold_together(road):
    limits = Limits(
        cpu_seconds=60,
        memory=512 * MEBIBYTE,
        open_files=64,
        processes=1000,
        file_size=MEBIBYTE,
        core=0,
        stack=MEBIBYTE,
        nice=usable_nice(),
        cpus=os.sched_getaffinity(0),
        io_priority="idle",
        oom_score_adj=min(1000, own_oom_score_adj() + 1),
        die_with_parent=True,
        no_new_privileges=True,
    )

    ulimits = "ulimit -t; ulimit -v; ulimit -n; ulimit -c; ulimit -s; nice"
    output = await output_of(*sh(ulimits), limits=limits, **road)

    assert output.split() == [b"60", b"524288", b"64", b"0", b"1024", b"%d" % usable_nice()]


async def test_the_parent_has_the_limits_that_it_had():
    kinds = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]

    def state():
        return (
            [resource.getrlimit(kind) for kind in kinds],
            os.getpriority(os.PRIO_PROCESS, 0),
            os.sched_getaffinity(0),
            own_oom_score_adj(),
            fields_of(pathlib.Path("/proc/self/status").read_bytes())[b"NoNewPrivs"],
        )

    before = state()
    await test_all_limits_hold_together({})

    assert state() == before


async def test_every_call_takes_limits():
    limits = Limits(open_files=11)
    script = "test $(ulimit -n) = 11"

    process = await procession.create_subprocess_shell(script, limits=limits)
    assert await process.wait() == 0
    for start, command in (
        (procession.subprocess_exec, sh(script)),
        (procession.subprocess_shell, (script,)),
    ):
        transport, _ = await start(asyncio.SubprocessProtocol, *command, limits=limits)
        assert await transport._wait() == 0
        transport.close()


BAD = [
    ("cpu_seconds", "1", TypeError),
    ("cpu_seconds", 1.5, TypeError),
    ("memory", True, TypeError),
    ("memory", -2, ValueError),
    ("memory", 1 << 63, ValueError),
    ("open_files", (20, 10), ValueError),
    ("open_files", (-1, 10), ValueError),
    ("open_files", (1, 2, 3), ValueError),
    ("open_files", (1, None), TypeError),
    ("processes", [], ValueError),
    ("file_size", b"1", TypeError),
    ("core", {}, TypeError),
    ("stack", 1j, TypeError),
    ("nice", 20, ValueError),
    ("nice", (1, 2), TypeError),
    ("cpus", [], ValueError),
    ("cpus", [-1], ValueError),
    ("cpus", [8192], ValueError),
    ("cpus", 3, TypeError),
    ("cpus", "0", TypeError),
    ("cpus", ["0"], TypeError),
    ("io_priority", "slow", ValueError),
    ("io_priority", ("idle", 8), ValueError),
    ("io_priority", 3, TypeError),
    ("io_priority", ("idle", "7"), TypeError),
    ("oom_score_adj", 1001, ValueError),
    ("die_with_parent", 1, TypeError),
    ("no_new_privileges", "yes", TypeError),
    ("cgroup", 5, TypeError),
    ("cgroup", b"/", TypeError),
    ("cgroup", "", ValueError),
    ("cgroup", "/\0", ValueError),
]


@pytest.mark.parametrize(("name", "value", "error"), BAD, ids=str)
def test_a_value_that_no_child_could_have_is_refused_by_name(name, value, error):
    with pytest.raises(error, match=name):
        Limits(**{name: value})


def test_limits_are_values():
    limits = Limits(cpus=[1, 0, 1], io_priority="idle", memory=[1, 2], cgroup=pathlib.Path("/x"))

    assert limits == Limits(cpus=(0, 1), io_priority=("idle", 0), memory=(1, 2), cgroup="/x")
    assert hash(limits) == hash(Limits(cpus={0, 1}, io_priority="idle", memory=(1, 2), cgroup="/x"))
    assert Limits() == Limits(nice=None)
    with pytest.raises(AttributeError):
        limits.nice = 5
    with pytest.raises(TypeError):
        Limits(5)


async def test_limits_of_another_type_are_refused():
    with pytest.raises(TypeError, match=r"procession\.Limits"):
        await procession.create_subprocess_exec("true", limits={"nice": 5})


async def test_what_cannot_be_set_is_named_and_nothing_is_left(road):
    limits = Limits(open_files=100, cpus=[8191], nice=usable_nice())

    with pytest.raises(OSError) as caught:
        await outcome_of("true", limits=limits, **road)

    assert caught.value.errno == errno.EINVAL
    assert caught.value.strerror == "cannot set limit cpus: Invalid argument"
    assert caught.value.limit_name == "cpus"
    assert not hasattr(caught.value, "limit")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change credentials")
async def test_privileges_are_used_before_they_are_given_away(road):
    nice = os.getpriority(os.PRIO_PROCESS, 0) - 1

    output = await output_of("nice", limits=Limits(nice=nice), user=65534, group=65534, **road)

    assert int(output) == nice
