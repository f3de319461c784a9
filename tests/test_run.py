"""run() does what subprocess.run() does, call by call."""

import array
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import warnings

import pytest

import procession
from children import CAT, ENV, TRUE, credentials, flood, python, script, sh
from procession import DEVNULL, PIPE, STDOUT

BOTH = {"stdout": PIPE, "stderr": PIPE}
STATUS = ("cat", "/proc/self/status")
LARGE = 3 << 20

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")

# What an exception tells besides its text.
DETAILS = (
    "errno",
    "strerror",
    "filename",
    "filename2",
    "returncode",
    "cmd",
    "timeout",
    "output",
    "stdout",
    "stderr",
    "encoding",
    "object",
    "start",
    "end",
    "reason",
)


@pytest.fixture(autouse=True)
def one_road(monkeypatch):
    """Keep Popen off posix_spawn, whose errors differ a little by version."""
    monkeypatch.setattr(subprocess, "_USE_POSIX_SPAWN", False)


@pytest.fixture(autouse=True)
def no_warning_of_forks():
    # Python 3.12 warns of subprocess's own fork in a process with threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def returned(result):
    assert isinstance(result, subprocess.CompletedProcess)
    return result.args, result.returncode, result.stdout, result.stderr


def raised(error):
    """Return what a program can see of an exception: class, message and details."""
    kind, text = type(error), str(error)
    if issubclass(kind, subprocess.SubprocessError):
        # Ours are subclasses, with the end of stderr in the message.
        kind = next(base for base in kind.__mro__ if base.__module__ == "subprocess")
        text = text.partition("stderr ends with:")[0].rstrip("; ")
    return kind, text, *(getattr(error, name, None) for name in DETAILS)


def descriptors():
    names = os.listdir("/proc/self/fd")
    return {int(name) for name in names if os.path.lexists(f"/proc/self/fd/{name}")}


def answer_of_subprocess(args, **options):
    before = descriptors()
    try:
        return returned(subprocess.run(args, **options))
    except Exception as error:
        # Popen forgets its pipes where an option is refused after they were made.
        for fd in descriptors() - before:
            with contextlib.suppress(OSError):
                os.close(fd)
        return raised(error)


async def answer_of_run(args, **options):
    try:
        return returned(await procession.run(args, **options))
    except Exception as error:
        return raised(error)


async def assert_same(args, **options):
    """Assert that both give the same answer; return it."""
    expected = answer_of_subprocess(args, **options)

    assert await answer_of_run(args, **options) == expected
    return expected


ARGUMENTS = {
    "a list": (["echo", "a", "b"], {}),
    "a tuple": (("echo", "a"), {}),
    "a generator's worth": (dict.fromkeys(["echo", "a"]), {}),
    "a name": ("true", {}),
    "a name as bytes": (b"true", {}),
    "a path": (pathlib.Path("/bin/true"), {}),
    "paths and bytes": ([pathlib.Path("/bin/echo"), b"\xff", "ü"], {}),
    "a name with spaces": ("echo a", {}),
    "a line for the shell": ("echo $0; exit 3", {"shell": True}),
    "a line as bytes": (b"echo $0", {"shell": True}),
    "a list for the shell": (["echo $0 $1", "zero", "one"], {"shell": True}),
    "another shell": ("echo $0", {"shell": True, "executable": "/bin/bash"}),
    "another program": (["name", "-c", "echo $0"], {"executable": "/bin/sh"}),
    "another program as a path": (["name"], {"executable": pathlib.Path("/bin/true")}),
    "a truth for shell": ("exit 4", {"shell": 1}),
    "a path for the shell": (pathlib.Path("/bin/true"), {"shell": True}),
    "a number": (7, {}),
    "None": (None, {}),
    "a list with a number": (["echo", 7], {}),
    "a list with None": ([None], {}),
    "a nul byte": (["echo", "a\0b"], {}),
    "a nul byte in the program": ("a\0b", {}),
    "an empty name": ("", {}),
    "an empty name in a list": ([""], {}),
    "no program": (["no-such-program", "x"], {}),
    "no program at a path": (["/no/such/program"], {}),
    "no program as bytes": ([b"/no/such/program"], {}),
    "no program as a path": (pathlib.Path("/no/such/program"), {}),
    "no executable": (["echo"], {"executable": "/no/such/program"}),
    "no shell": ("true", {"shell": True, "executable": "/no/such/shell"}),
    "a directory": (["/"], {}),
    "not executable": (["/etc/passwd"], {}),
}


@pytest.mark.parametrize("args, options", ARGUMENTS.values(), ids=ARGUMENTS)
async def test_a_command(args, options):
    await assert_same(args, **options)
    await assert_same(args, capture_output=True, **options)


@pytest.mark.parametrize("shell", [False, True])
async def test_a_command_without_arguments_is_refused(shell):
    with pytest.raises(ValueError, match="at least one argument"):
        await procession.run([], shell=shell)


async def test_a_file_that_cannot_be_run(tmp_path):
    (tmp_path / "plain").write_text("text")
    script(tmp_path / "no-shebang", "").write_text("echo never\n")
    script(tmp_path / "no-interpreter", "").write_text("#!/nonexistent/sh\n")

    for name in ("plain", "no-shebang", "no-interpreter", "missing"):
        await assert_same([str(tmp_path / name)])
        await assert_same([tmp_path / name], capture_output=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"capture_output": True},
        {"stdout": PIPE},
        {"stderr": PIPE},
        {"stdout": DEVNULL, "stderr": PIPE},
        {"stdout": PIPE, "stderr": STDOUT},
        {"stdout": PIPE, "stderr": DEVNULL},
        {"stdout": DEVNULL, "stderr": STDOUT},
        {"stdin": DEVNULL, **BOTH},
        {"stdin": PIPE, **BOTH},
        {"input": b"abc", **BOTH},
        {"input": b"", **BOTH},
        {"input": bytearray(b"abc"), **BOTH},
        {"input": b"abc", "stdout": PIPE},
        {"input": b"abc"},
        {"input": None, "stdin": DEVNULL, **BOTH},
        {"capture_output": True, "bufsize": 0},
        {"capture_output": True, "bufsize": None, "stdin": DEVNULL},
        {"capture_output": True, "input": b"x", "pipesize": 4096},
    ],
    ids=repr,
)
async def test_streams(options):
    given = options if "input" in options else {"stdin": DEVNULL, **options}
    await assert_same(sh("cat; echo error >&2; exit 3"), **given)


async def test_what_is_like_bytes_as_input():
    for data in (memoryview(b"abcdef")[1:3], bytearray(b"abc"), array.array("i", [1, 2, 3])):
        await assert_same(CAT, input=data, stdout=PIPE)


@pytest.mark.parametrize("form", ["descriptor", "file", "raw file"])
@pytest.mark.parametrize("stderr", [None, STDOUT])
async def test_files_as_streams(tmp_path, form, stderr):
    def give(file):
        return file.fileno() if form == "descriptor" else file.raw if form == "raw file" else file

    outputs = []

    async def run(call):
        (tmp_path / "in").write_bytes(b"input\n")
        with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as target:
            result = call(
                sh("cat; echo error >&2"), stdin=give(source), stdout=give(target), stderr=stderr
            )
            outputs.append(returned(result if call is subprocess.run else await result))
        outputs.append((tmp_path / "out").read_bytes())

    await run(subprocess.run)
    await run(procession.run)

    assert outputs[:2] == outputs[2:]


TEXT = "printf 'a\\r\\nb\\rc\\n\\303\\274\\n'; cat >&2"


@pytest.mark.parametrize(
    "options",
    [
        {"text": True},
        {"text": False},
        {"text": 1},
        {"universal_newlines": True},
        {"universal_newlines": True, "text": True},
        {"universal_newlines": False, "text": False},
        {"universal_newlines": False, "encoding": "utf-8"},
        {"encoding": "utf-8"},
        {"encoding": "latin-1"},
        {"encoding": "locale"},
        {"encoding": "ascii", "errors": "replace"},
        {"encoding": "ascii", "errors": "surrogateescape"},
        {"encoding": "ascii"},
        {"errors": "ignore"},
        {"errors": "backslashreplace", "encoding": "ascii"},
        {"encoding": "utf-16"},
    ],
    ids=repr,
)
async def test_text(options):
    script = sh(TEXT)
    is_text = any(options.values())
    await assert_same(script, capture_output=True, stdin=DEVNULL, **options)
    await assert_same(script, capture_output=True, **options, input="x\r\ny" if is_text else b"x")


async def test_text_without_an_output():
    await assert_same(TRUE, text=True)
    await assert_same(("cat",), stdout=PIPE, input="", text=True)
    await assert_same(("cat",), stdout=PIPE, input="ü\n" * 100000, encoding="utf-16")


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "no such encoding", "stdout": PIPE},
        {"encoding": "rot13", "stdout": PIPE},
        {"encoding": 7, "stdout": PIPE},
        {"encoding": "ascii", "errors": 7, "stdout": PIPE},
    ],
    ids=repr,
)
async def test_an_encoding_that_is_none_is_refused(options, tmp_path):
    """subprocess.run() has begun the command by then, and leaves it."""
    touched = tmp_path / "touched"

    expected = answer_of_subprocess(TRUE, **options)

    assert await answer_of_run(["touch", touched], **options) == expected
    assert not touched.exists()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, 0)


async def test_an_error_handler_that_is_none_is_refused():
    with pytest.raises(LookupError, match="unknown error handler name 'nonsense'"):
        await procession.run(TRUE, errors="nonsense", capture_output=True)


BAD_OPTIONS = [
    {"input": b"", "stdin": PIPE},
    {"input": b"", "stdin": DEVNULL},
    {"capture_output": True, "stdout": PIPE},
    {"capture_output": True, "stderr": STDOUT},
    {"text": True, "universal_newlines": False},
    {"text": False, "universal_newlines": True},
    {"bufsize": "large"},
    {"bufsize": 1.0},
    {"pipesize": "large"},
    {"startupinfo": 7},
    {"creationflags": 1},
    {"env": {"A=B": "c"}},
    {"env": {"A": "b\0c"}},
    {"env": {"A": 7}},
    {"env": 7},
    {"cwd": "a\0b"},
    {"cwd": "/no/such/directory"},
    {"cwd": "/etc/passwd"},
    {"cwd": 3.5},
    {"stdin": "text"},
    {"stdout": 3.5},
    {"stdout": 12345},
    {"stderr": ()},
    {"pass_fds": [-1]},
    {"pass_fds": ["a"]},
    {"pass_fds": 7},
    {"user": -1},
    {"user": 1.5},
    {"user": "no-such-user"},
    {"group": -1},
    {"group": "no-such-group"},
    {"extra_groups": "text"},
    {"extra_groups": [-1]},
    {"umask": "text"},
    {"preexec_fn": 7},
    {"no_such_keyword": 1},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=repr)
async def test_what_is_refused(options):
    expected = answer_of_subprocess(TRUE, **options)
    answer = await answer_of_run(TRUE, **options)

    assert issubclass(expected[0], Exception)
    assert answer == expected


@pytest.mark.parametrize(
    "options", [{"retries": 1}, {"backoff": 2.0}, {"priority": 1}, {"weight": 2}], ids=repr
)
async def test_what_only_batches_have_is_refused(options):
    expected = answer_of_subprocess(TRUE, **options)
    answer = await answer_of_run(TRUE, **options)

    assert answer[0] is expected[0] is TypeError
    assert "unexpected keyword argument" in answer[1]


async def test_pass_fds_without_close_fds_is_warned_of_where_it_is_written():
    with pytest.warns(RuntimeWarning, match="pass_fds overriding close_fds") as warned:
        await procession.run(TRUE, pass_fds=[0], close_fds=False)

    assert warned[0].filename == __file__


async def test_the_environment():
    await assert_same(ENV, env={"A": "b", "PATH": "/usr/bin"}, stdout=PIPE)
    await assert_same(ENV, env={b"A": b"\xff"}, stdout=PIPE)
    await assert_same(ENV, env={}, stdout=PIPE)
    await assert_same(["env"], env={"PATH": "/nowhere"}, stdout=PIPE)


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
async def test_the_working_directory(tmp_path, kind):
    script(tmp_path / "tool", "pwd")

    await assert_same(["./tool"], cwd=kind(str(tmp_path)), stdout=PIPE)
    await assert_same(["./tool"], cwd=kind(str(tmp_path / "missing")), stdout=PIPE)


async def test_descriptors_that_are_passed(pipe):
    listing = python("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[3:-1])")
    for fd in pipe:
        os.set_inheritable(fd, True)

    for options in ({}, {"pass_fds": [pipe[1]]}, {"pass_fds": pipe}, {"close_fds": False}):
        await assert_same(listing, stdout=PIPE, **options)


@needs_root
@pytest.mark.parametrize(
    "options",
    [
        {"user": 12345},
        {"user": "nobody"},
        {"group": 12345},
        {"extra_groups": [7, 8]},
        {"user": 12345, "group": 12346, "extra_groups": []},
    ],
    ids=repr,
)
async def test_users_and_groups(options):
    expected = credentials(subprocess.run(STATUS, stdout=PIPE, **options).stdout)

    result = await procession.run(STATUS, stdout=PIPE, **options)

    assert credentials(result.stdout) == expected


async def test_masks_sessions_and_signals():
    await assert_same(sh("umask"), umask=0o26, stdout=PIPE)
    await assert_same(("grep", "Sig[BIC]", "/proc/self/status"), stdout=PIPE)
    await assert_same(("grep", "Sig[BIC]", "/proc/self/status"), stdout=PIPE, restore_signals=False)
    leader = "import os; print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())"
    for options in ({}, {"start_new_session": True}):
        await assert_same(python(leader), stdout=PIPE, **options)
    result = await procession.run(python(leader), stdout=PIPE, process_group=0, text=True)
    assert result.stdout == "False True\n"


def fail():
    raise RuntimeError("not in the child")


async def test_preexec_fn():
    await assert_same(sh("pwd"), stdout=PIPE, preexec_fn=lambda: os.chdir("/usr"))
    await assert_same(sh("pwd"), stdout=PIPE, preexec_fn=fail)


@pytest.mark.parametrize("status", [0, 1, 255])
async def test_check(status):
    script = sh(f"echo output; echo error >&2; exit {status}")

    await assert_same(script, check=True)
    await assert_same(script, check=True, capture_output=True)
    await assert_same(script, check=True, capture_output=True, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 1])
async def test_check_of_a_signal(number):
    await assert_same(sh(f"ulimit -c 0; kill -{int(number)} $$"))
    await assert_same(sh(f"ulimit -c 0; kill -{int(number)} $$"), check=True, stdout=PIPE)


@pytest.mark.parametrize(
    "options",
    [
        {"stdout": PIPE},
        {"capture_output": True},
        {"capture_output": True, "text": True},
        {"capture_output": True, "check": True},
        {"stdout": PIPE, "input": b"never read"},
    ],
    ids=repr,
)
async def test_a_timeout(options):
    await assert_same(sh("exec sleep 3600"), timeout=0.05, **options)


async def test_a_timeout_tells_what_has_come():
    script = sh("printf 'some\\303'; printf error >&2; exec sleep 3600")
    for options in ({}, {"text": True}):
        # Long enough to have come.
        await assert_same(script, timeout=1, capture_output=True, **options)


async def test_a_timeout_that_does_not_strike():
    await assert_same(sh("echo output"), timeout=1000, stdout=PIPE)
    await assert_same(TRUE, timeout=1e100)


async def test_a_timeout_that_is_no_time():
    with pytest.raises(TypeError):
        await procession.run(TRUE, timeout="long")
    with pytest.raises(ValueError, match="nan"):
        await procession.run(TRUE, timeout=float("nan"))


async def test_a_timeout_without_pipes_tells_the_time_that_was_given():
    """subprocess.run() tells what was left of it."""
    with pytest.raises(subprocess.TimeoutExpired, match=r"timed out after 0\.05 seconds"):
        await procession.run(("sleep", "3600"), timeout=0.05)


async def test_a_timeout_of_nothing():
    for timeout in (0, -1):
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            await procession.run(("sleep", "3600"), timeout=timeout)
        assert caught.value.timeout == timeout


async def test_a_child_that_does_not_read_its_input():
    await assert_same(TRUE, input=bytes(LARGE))
    await assert_same(sh("exec <&-; echo output"), input=bytes(LARGE), capture_output=True)
    await assert_same(("head", "-c", "100000"), input=bytes(LARGE), capture_output=True)


async def test_input_that_is_left_at_the_end_is_dropped(pipe):
    """subprocess.run() waits for whoever else could read it."""
    # The shell knows no descriptors of two digits, cat any file.
    holder = sh(f"exec 3<&0; cat /dev/fd/{pipe[0]} & exit 3")

    result = await procession.run(holder, input=bytes(LARGE), pass_fds=[pipe[0]])

    assert result.returncode == 3
    os.write(pipe[1], b"late")


async def test_much_both_ways_blocks_nobody():
    data = bytes(range(256)) * (LARGE // 256)

    await assert_same(CAT, input=data, stdout=PIPE)
    await assert_same(("tee", "/dev/stderr"), input=data, capture_output=True)
    await assert_same(sh("head -c 1000000 /dev/zero; cat >&2"), input=data, capture_output=True)
    await assert_same(flood(LARGE), capture_output=True)


async def test_outputs_that_end_before_the_child_and_after_it():
    await assert_same(sh("echo output; exec >&- 2>&-; sleep 0.05; exit 3"), capture_output=True)
    await assert_same(sh("(sleep 0.05; echo late) & exit 3"), capture_output=True)


async def test_the_standard_streams_are_inherited():
    program = "import asyncio, procession, sys; asyncio.run(procession.run(['cat']))"

    done = subprocess.run(
        [sys.executable, "-c", program], input=b"through", capture_output=True, check=True
    )

    assert (done.stdout, done.stderr) == (b"through", b"")
