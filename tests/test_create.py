"""create_subprocess_exec and create_subprocess_shell: commands, streams, refusals."""

import asyncio
import contextlib
import logging
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from children import CAT, TIMEOUT, TRUE, end, flood, output_of, script, sh

STREAMS = ("stdin", "stdout", "stderr")
REFUSED = [
    {"text": True},
    {"universal_newlines": True},
    {"encoding": "utf-8"},
    {"errors": "strict"},
    {"bufsize": 1},
    {"bufsize": -1},
]
AUDITED = []

# Seconds that a finished spawn waits for an earlier one.
WAITED_FOR = 0.02


@pytest.fixture(scope="module")
def audit_hook():
    """Note the arguments of each subprocess.Popen event; a hook is for ever."""

    def note(event, arguments):
        if event == "subprocess.Popen":
            AUDITED.append(arguments)

    sys.addaudithook(note)


async def outcome_of(call, *args, **options):
    """Return the class and the message of the error, or the exit status."""
    try:
        process = await call(*args, **options)
    except Exception as error:
        return type(error), error.args[:2]
    await process.communicate()
    return process.returncode


async def test_exec_runs_a_program_with_its_arguments(impl):
    output = await output_of(impl, *sh('echo "$1+$2"', "a b", "*"))

    assert output == b"a b+*\n"


async def test_shell_runs_a_command_line(impl):
    process = await impl.create_subprocess_shell(
        "echo one; echo two | tr t T; exit 3", stdout=impl.PIPE
    )

    output, errors = await process.communicate()

    assert (output, errors, process.returncode) == (b"one\nTwo\n", None, 3)


async def test_shell_takes_a_command_line_of_bytes(impl):
    process = await impl.create_subprocess_shell(b"echo \xff", stdout=impl.PIPE)

    output, _ = await process.communicate()

    assert output == b"\xff\n"


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
async def test_program_and_arguments_are_str_bytes_or_path(impl, tmp_path, kind):
    program = script(tmp_path / "prögram", 'printf %s "$0 $1"')

    output = await output_of(impl, kind(str(program)), kind("ärgument"))

    assert output == f"{program} ärgument".encode()


async def test_arguments_of_different_kinds_mix(impl):
    output = await output_of(impl, b"/bin/echo", "str", b"bytes", pathlib.Path("path"), "")

    assert output == b"str bytes path \n"


async def test_surrogate_escapes_reach_the_child_as_the_bytes_they_stand_for(impl):
    output = await output_of(impl, "printf", "%s", "\udcff\udc80")

    assert output == b"\xff\x80"


async def test_none_inherits_the_parents_streams(impl):
    process = await impl.create_subprocess_exec(
        *sh("readlink /proc/self/fd/0; readlink /proc/self/fd/2"), stdout=impl.PIPE
    )

    output, _ = await process.communicate()

    expected = [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 2)]
    assert output.decode().splitlines() == expected
    assert process.stdin is None and process.stderr is None


async def test_pipe_gives_streams_of_asyncios_classes(impl):
    process = await impl.create_subprocess_exec(
        *CAT, stdin=impl.PIPE, stdout=impl.PIPE, stderr=impl.PIPE
    )

    assert isinstance(process.stdin, asyncio.StreamWriter)
    assert isinstance(process.stdout, asyncio.StreamReader)
    assert isinstance(process.stderr, asyncio.StreamReader)
    await end(process)


async def test_devnull_is_empty_and_swallows(impl):
    process = await impl.create_subprocess_exec(
        *sh(
            "cat; echo out; echo err >&2; for fd in 0 1 2; do"
            " test /proc/self/fd/$fd -ef /dev/null || exit 1; done"
        ),
        stdin=impl.DEVNULL,
        stdout=impl.DEVNULL,
        stderr=impl.DEVNULL,
    )

    assert await process.communicate() == (None, None)
    assert process.returncode == 0


async def test_stderr_goes_where_stdout_goes(impl):
    process = await impl.create_subprocess_exec(
        *sh("echo one; echo two >&2; echo three"),
        stdout=impl.PIPE,
        stderr=impl.STDOUT,
    )

    assert process.stderr is None
    assert await process.communicate() == (b"one\ntwo\nthree\n", None)


async def test_stderr_goes_where_an_inherited_stdout_goes(impl):
    process = await impl.create_subprocess_exec(
        *sh("test /proc/self/fd/1 -ef /proc/self/fd/2"), stderr=impl.STDOUT
    )

    assert await process.wait() == 0


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
async def test_stdout_constant_elsewhere_is_refused_as_popen_refuses_it(impl, stream):
    def popen():
        with subprocess.Popen(TRUE, **{stream: subprocess.STDOUT}) as process:
            return process.wait()

    try:
        expected = popen()
    except (OSError, ValueError) as error:
        expected = type(error), error.args[:2]

    outcome = await outcome_of(impl.create_subprocess_exec, *TRUE, **{stream: impl.STDOUT})

    assert outcome == expected


@pytest.mark.parametrize("as_descriptor", [True, False])
async def test_streams_are_descriptors_or_files(impl, tmp_path, as_descriptor):
    paths = [tmp_path / name for name in STREAMS]
    paths[0].write_bytes(b"input")
    modes = ("rb", "wb", "wb")
    with contextlib.ExitStack() as stack:
        opened = zip(paths, modes, strict=True)
        files = [stack.enter_context(path.open(mode)) for path, mode in opened]
        given = [file.fileno() for file in files] if as_descriptor else files

        process = await impl.create_subprocess_exec(
            *sh("cat; echo err >&2"), **dict(zip(STREAMS, given, strict=True))
        )
        await process.wait()

        assert all(os.fstat(file.fileno()) for file in files)

    assert (paths[1].read_bytes(), paths[2].read_bytes()) == (b"input", b"err\n")


async def test_a_stream_is_anything_with_a_fileno(impl, pipe):
    class Wrapper:
        def __init__(self, fd):
            self.fd = fd

        def fileno(self):
            return self.fd

    reading, writing = pipe

    process = await impl.create_subprocess_exec("echo", "x", stdout=Wrapper(writing))
    await process.wait()

    assert os.read(reading, 10) == b"x\n"


async def test_stdout_and_stderr_can_share_a_descriptor(impl, pipe):
    reading, writing = pipe

    process = await impl.create_subprocess_exec(
        *sh("echo out; echo err >&2"), stdout=writing, stderr=writing
    )
    await process.wait()

    assert os.read(reading, 100) == b"out\nerr\n"


async def test_the_parents_own_streams_can_be_swapped(impl, pipe):
    reading, writing = pipe
    links = "readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2"

    process = await impl.create_subprocess_exec(
        *sh(f'links=$({links}); echo "$links" >/proc/self/fd/$1', str(writing)),
        stdin=1,
        stdout=2,
        stderr=0,
        pass_fds=[writing],
    )
    await process.wait()

    expected = [os.readlink(f"/proc/self/fd/{fd}") for fd in (1, 2, 0)]
    assert os.read(reading, 1000).decode().splitlines() == expected


async def test_the_process_is_an_instance_of_asyncios_class(impl):
    process = await impl.create_subprocess_exec(*TRUE)

    assert isinstance(process, asyncio.subprocess.Process)
    assert isinstance(process, impl.Process)
    await process.wait()


def test_the_constants_are_popens(impl):
    assert (impl.PIPE, impl.STDOUT, impl.DEVNULL) == (
        subprocess.PIPE,
        subprocess.STDOUT,
        subprocess.DEVNULL,
    )


@pytest.mark.parametrize("value", ["none", "running"])
async def test_the_loop_argument_is_accepted(impl, value):
    loop = None if value == "none" else asyncio.get_running_loop()

    process = await impl.create_subprocess_exec(*TRUE, loop=loop)
    assert await process.wait() == 0
    process = await impl.create_subprocess_shell("exit 2", loop=loop)
    assert await process.wait() == 2


async def test_the_loop_argument_must_be_the_running_loop(impl):
    other = asyncio.new_event_loop()

    try:
        with pytest.raises(ValueError, match="loop"):
            await impl.create_subprocess_exec(*TRUE, loop=other)
    finally:
        other.close()


@pytest.mark.parametrize("options", REFUSED, ids=str)
async def test_text_and_buffering_are_refused_in_asyncios_words(impl, options):
    for name, args in (("exec", TRUE), ("shell", ("true",))):
        name = f"create_subprocess_{name}"
        expected = await outcome_of(getattr(asyncio, name), *args, **options)

        assert await outcome_of(getattr(impl, name), *args, **options) == expected
        assert expected[0] is ValueError


@pytest.mark.parametrize(("name", "shell"), [("exec", True), ("shell", False)])
async def test_the_other_kind_of_command_is_refused(impl, name, shell):
    name = f"create_subprocess_{name}"
    expected = await outcome_of(getattr(asyncio, name), "true", shell=shell)

    assert await outcome_of(getattr(impl, name), "true", shell=shell) == expected
    assert expected[0] is ValueError


async def test_refused_options_are_accepted_where_they_ask_for_nothing(impl):
    process = await impl.create_subprocess_exec(
        *TRUE,
        text=False,
        universal_newlines=False,
        encoding=None,
        errors=None,
        bufsize=0,
        shell=False,
    )

    assert await process.wait() == 0


@pytest.mark.parametrize("command", [None, 5, ["true"], pathlib.Path("/bin/true")])
async def test_a_shell_command_that_is_no_string_is_refused(impl, command):
    expected = await outcome_of(asyncio.create_subprocess_shell, command)

    assert await outcome_of(impl.create_subprocess_shell, command) == expected
    assert expected == (ValueError, ("cmd must be a string",))


async def test_an_unknown_keyword_is_a_type_error(impl):
    for call in (impl.create_subprocess_exec, impl.create_subprocess_shell):
        with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
            await call("true", nonsense=1)


async def test_a_program_is_required(impl):
    with pytest.raises(TypeError, match="program"):
        await impl.create_subprocess_exec()


async def test_the_limit_reaches_the_readers(impl):
    process = await impl.create_subprocess_exec("echo", "0123456789", stdout=impl.PIPE, limit=5)

    with pytest.raises(ValueError, match="longer than limit"):
        await process.stdout.readline()
    await process.communicate()


async def test_a_limit_of_zero_is_refused(impl):
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        await impl.create_subprocess_exec(*CAT, stdout=impl.PIPE, limit=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cwd": "/", "env": {"A": "1"}},
        {"executable": "/bin/true"},
        {"executable": pathlib.Path("/bin/true"), "cwd": pathlib.Path("/")},
        {"executable": b"/bin/true", "env": {b"A": b"1"}},
    ],
    ids=str,
)
async def test_the_audit_event_is_popens(impl, audit_hook, options):
    for program in ("true", b"/bin/true", pathlib.Path("/bin/true")):
        AUDITED.clear()
        with subprocess.Popen([program, "a", b"b"], **options) as process:
            process.wait()
        process = await impl.create_subprocess_exec(program, "a", b"b", **options)
        await process.wait()

        assert len(AUDITED) == 2
        assert AUDITED[0] == AUDITED[1]


async def test_the_audit_event_of_a_shell_command_is_popens(impl, audit_hook):
    for command in ("true; true", b"true"):
        AUDITED.clear()
        with subprocess.Popen(command, shell=True) as process:
            process.wait()
        process = await impl.create_subprocess_shell(command)
        await process.wait()

        assert len(AUDITED) == 2
        assert AUDITED[0] == AUDITED[1]


async def test_children_that_are_started_together_are_returned_in_order(impl):
    rounds = []

    async def start(number):
        process = await impl.create_subprocess_exec(*TRUE)
        rounds[-1].append(number)
        await process.wait()

    for _ in range(20):
        rounds.append([])
        begin = time.monotonic()
        await asyncio.gather(*map(start, range(8)))
        if time.monotonic() - begin > WAITED_FOR:
            # One may have been so slow that it was not waited for.
            rounds.pop()

    assert rounds == [list(range(8))] * len(rounds)


async def test_the_limit_of_a_shell_command_may_be_given_by_position(impl):
    process = await impl.create_subprocess_shell("cat", None, impl.PIPE, None, 12345)
    await end(process)

    assert process.stdout._limit == 12345


@pytest.mark.parametrize("limit", [sys.maxsize, 2**70])
async def test_a_limit_may_be_as_large_as_one_likes(impl, limit):
    process = await impl.create_subprocess_exec(*flood(300_000), stdout=impl.PIPE, limit=limit)

    # Only what is read ahead lets it end.
    assert await asyncio.wait_for(process.wait(), TIMEOUT) == 0
    assert len(await process.stdout.read()) == 300_000
    assert process.stdout._limit == limit


async def test_a_file_without_a_descriptor_is_no_redirection(impl):
    class File:
        def fileno(self):
            return -1

    process = await impl.create_subprocess_exec(*TRUE, stdin=File(), stdout=File(), stderr=File())

    assert await process.wait() == 0


async def test_an_unknown_keyword_is_reported_as_popen_does(impl):
    with pytest.raises(TypeError, match=r"Popen\.__init__\(\) got an unexpected keyword.*'color'"):
        await impl.create_subprocess_exec(*TRUE, color="red")


@pytest.mark.parametrize("call", ["create_subprocess_exec", "create_subprocess_shell"])
async def test_debug_mode_logs_the_start_and_the_end(impl, call, caplog):
    caplog.set_level(logging.DEBUG, "asyncio")
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        process = await getattr(impl, call)("cat", stdin=impl.PIPE, stdout=impl.PIPE)
        await process.communicate(b"through")
        await asyncio.sleep(0)
    finally:
        loop.set_debug(False)

    said = caplog.text
    caplog.clear()
    title = "execute program" if call == "create_subprocess_exec" else "run shell command"
    program = "cat" if call == "create_subprocess_exec" else ".*"
    assert re.search(f"{title} 'cat' stdin=<pipe> stdout=<pipe>", said)
    assert re.search(f"process '?{program}'? created: pid {process.pid}", said)
    assert re.search(f"{title} 'cat': <.*{process.pid}", said)
    assert re.search(f"{process.pid}.* exited with return code 0", said)
