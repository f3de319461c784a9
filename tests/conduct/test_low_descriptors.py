"""Descriptors 0 to 2: closed in the parent, passed on, swapped and shared."""

import contextlib
import itertools
import os
import subprocess
import tempfile

from helpers.own_interpreter import own_interpreter

CLOSED = [(0,), (1,), (2,), (0, 1, 2)]


@contextlib.contextmanager
def closed(fds):
    saved = [(fd, os.dup(fd)) for fd in range(3)]
    for fd in fds:
        os.close(fd)
    try:
        yield
    finally:
        for fd, copy in saved:
            os.dup2(copy, fd)
            os.close(copy)


@own_interpreter()
async def test_pipes_work_while_descriptors_are_closed(sp):
    for fds in CLOSED:
        with closed(fds):
            child = await sp.create_subprocess_shell(
                "cat; echo error >&2", stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE
            )
            result = await child.communicate(b"input")

        assert result == (b"input", b"error\n"), fds


@own_interpreter()
async def test_one_pipe_works_while_descriptors_are_closed(sp):
    for fds in CLOSED:
        for fd, name in ((1, "stdout"), (2, "stderr")):
            with closed(fds):
                child = await sp.create_subprocess_shell(
                    f"echo hello >&{fd}",
                    stdin=sp.DEVNULL,
                    **{name: sp.PIPE},
                )
                result = await child.communicate()

            assert b"hello\n" in result, (fds, name)


@own_interpreter()
async def test_a_child_gets_the_low_descriptors_that_popen_gives(sp):
    streams = [{}, {"stdin": sp.DEVNULL}, {"stdout": sp.DEVNULL, "stderr": sp.STDOUT}]
    passed = [(), (0,), (1, 2), (0, 1, 2)]
    for fds, options, pass_fds in itertools.product([(), *CLOSED], streams, passed):
        pass_fds = [fd for fd in pass_fds if fd not in fds]
        names = []
        for spawn in (popen, lambda *args, **kw: ours(sp, *args, **kw)):
            with tempfile.TemporaryFile() as report, closed(fds):
                number = report.fileno()
                await spawn(report_to(number), pass_fds=[*pass_fds, number], **options)
                report.seek(0)
                names.append(report.read())

        assert names[0] == names[1] != b"", (fds, options, pass_fds)


def report_to(fd):
    # The last command keeps the shell from running the others in its own process.
    script = "for n in 0 1 2; do readlink /proc/$$/fd/$n || echo none; done"
    return ["sh", "-c", f"({script}) >/proc/$$/fd/{fd} 2>/dev/null; exit 0"]


async def popen(argv, **options):
    subprocess.run(argv, **options)


async def ours(sp, argv, **options):
    await (await sp.create_subprocess_exec(*argv, **options)).wait()


@own_interpreter()
async def test_low_descriptors_can_be_swapped_and_shared_in_any_way(sp):
    with contextlib.ExitStack() as stack:
        stack.enter_context(closed(()))
        files = [stack.enter_context(tempfile.NamedTemporaryFile()) for _ in range(3)]
        for fd, file in enumerate(files):
            os.dup2(file.fileno(), fd)
        report = stack.enter_context(tempfile.TemporaryFile())

        for streams in itertools.product(range(3), repeat=3):
            report.seek(0)
            report.truncate()
            await ours(
                sp,
                report_to(report.fileno()),
                pass_fds=[report.fileno()],
                **dict(zip(("stdin", "stdout", "stderr"), streams, strict=True)),
            )
            report.seek(0)
            names = report.read().decode().split()

            assert names == [files[fd].name for fd in streams]


@own_interpreter()
async def test_a_low_descriptor_is_passed_on_beside_pipes(sp):
    with closed((0,)), tempfile.TemporaryFile() as file:
        assert file.fileno() == 0
        file.write(b"hello")
        file.seek(0)
        child = await sp.create_subprocess_exec("cat", stdout=sp.PIPE, stderr=sp.PIPE, pass_fds=[0])
        result = await child.communicate()

    assert result == (b"hello", b"")
