"""What a child that cannot be started raises: exactly what subprocess.Popen raises."""

import contextlib
import errno
import fcntl
import os
import pathlib
import subprocess
import sys

import pytest

from children import CAT, ENV, TRUE, output_of, script

UNPRIVILEGED = os.geteuid() != 0


def described(error):
    """Return what a program can see of an exception: class, message and details.

    How an overflow is worded is left to the interpreter, which is not of one mind.
    """
    if isinstance(error, OverflowError):
        return type(error), ""
    names = ("errno", "strerror", "filename", "filename2")
    return type(error), str(error), *(getattr(error, name, None) for name in names)


@pytest.fixture(autouse=True)
def one_road(monkeypatch):
    """Keep Popen off posix_spawn, whose errors differ a little by version."""
    monkeypatch.setattr(subprocess, "_USE_POSIX_SPAWN", False)


def descriptors():
    names = os.listdir("/proc/self/fd")
    return {int(name) for name in names if os.path.lexists(f"/proc/self/fd/{name}")}


def popens_answer(argv, shell=False, **options):
    """Return what Popen raises, or the exit status."""
    command = argv[0] if shell else argv
    before = descriptors()
    try:
        process = subprocess.Popen(command, shell=shell, bufsize=0, **options)
    except Exception as error:
        # Popen forgets its pipes where an option is refused after they were made.
        for fd in descriptors() - before:
            with contextlib.suppress(OSError):
                os.close(fd)
        return described(error)
    with process:
        process.communicate()
    return process.returncode


async def answer(impl, argv, shell=False, **options):
    """Return what impl raises, or the exit status."""
    name = "create_subprocess_shell" if shell else "create_subprocess_exec"
    try:
        process = await getattr(impl, name)(*argv, **options)
    except Exception as error:
        return described(error)
    await process.communicate()
    return process.returncode


async def assert_as_popen(impl, *argv, error=None, **options):
    """Compare the outcome with Popen's, without and with pipes."""
    for stream in (subprocess.DEVNULL, subprocess.PIPE):
        given = {"stdin": stream, "stdout": stream, "stderr": stream, **options}
        expected = popens_answer(argv, **given)

        assert await answer(impl, argv, **given) == expected
        if error is not None:
            assert issubclass(expected[0], error)


@pytest.fixture
def places(tmp_path):
    """Make one of each thing that cannot be run or entered."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "plain").write_text("text")
    script(tmp_path / "not-executable", "echo never").chmod(0o644)
    script(tmp_path / "no-interpreter", "").write_text("#!/nonexistent/sh\n")
    script(tmp_path / "no-shebang", "").write_text("echo never\n")
    script(tmp_path / "empty", "").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing", FileNotFoundError),
        ("missing/deeper", FileNotFoundError),
        ("plain/below", NotADirectoryError),
        ("not-executable", PermissionError),
        ("directory", PermissionError),
        ("no-interpreter", FileNotFoundError),
        ("no-shebang", OSError),
        ("empty", OSError),
        ("loop", OSError),
        ("x" * 300, OSError),
    ],
)
async def test_a_program_that_cannot_be_run(impl, places, name, error):
    program = places / name

    for kind in (str, os.fsencode, pathlib.Path):
        await assert_as_popen(impl, kind(str(program)), "argument", error=error)


@pytest.mark.parametrize("program", ["", ".", "/", "no-such-program", "./nowhere"])
async def test_a_program_that_cannot_be_found(impl, program):
    await assert_as_popen(impl, program, error=OSError)


async def test_programs_on_a_path_that_cannot_be_run(impl, places):
    for name in ("not-executable", "no-shebang", "directory", "nowhere"):
        for path in (f"{places}", f"{places}:/nonexistent", f"{places}/plain", ""):
            await assert_as_popen(impl, name, env={"PATH": path}, error=OSError)


async def test_an_executable_that_cannot_be_run(impl, places):
    for name in ("missing", "not-executable"):
        for kind in (str, os.fsencode, pathlib.Path):
            executable = kind(str(places / name))
            await assert_as_popen(impl, "true", executable=executable, error=OSError)


async def test_a_shell_that_cannot_be_run(impl, places):
    await assert_as_popen(
        impl, "true", shell=True, executable=str(places / "missing"), error=OSError
    )


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing", FileNotFoundError),
        ("plain", NotADirectoryError),
        ("loop", OSError),
        ("x" * 300, OSError),
    ],
)
async def test_a_cwd_that_cannot_be_entered(impl, places, name, error):
    for kind in (str, os.fsencode, pathlib.Path):
        await assert_as_popen(impl, "true", cwd=kind(str(places / name)), error=error)


async def test_cwd_is_to_blame_before_the_program(impl, places):
    await assert_as_popen(impl, str(places / "missing"), cwd=str(places / "plain"), error=OSError)


async def test_a_relative_program_is_to_blame_within_cwd(impl, places):
    await assert_as_popen(impl, "./missing", cwd=str(places), error=FileNotFoundError)


async def test_an_empty_cwd(impl):
    await assert_as_popen(impl, "true", cwd="", error=FileNotFoundError)


async def test_an_argument_list_that_is_too_long(impl):
    await assert_as_popen(impl, "true", "x" * (1 << 18), error=OSError)


async def test_an_environment_that_is_too_long(impl):
    await assert_as_popen(impl, *ENV, env={"A": "x" * (1 << 18)}, error=OSError)


@pytest.mark.parametrize(
    "argv",
    [("tr\0ue",), ("true", "a\0b"), (b"tr\0ue",), ("true", b"\0"), ("\0",)],
    ids=repr,
)
async def test_nul_in_the_command(impl, argv):
    await assert_as_popen(impl, *argv, error=ValueError)


async def test_nul_in_a_shell_command(impl):
    await assert_as_popen(impl, "echo \0", shell=True, error=ValueError)


@pytest.mark.parametrize(
    "options",
    [
        {"env": {"A\0": "1"}},
        {"env": {"A": "1\0"}},
        {"env": {b"A": b"\0"}},
        {"cwd": "/\0"},
        {"cwd": b"/\0"},
        {"executable": "/bin/\0true"},
    ],
    ids=repr,
)
async def test_nul_in_an_option(impl, options):
    await assert_as_popen(impl, "true", **options, error=ValueError)


@pytest.mark.parametrize("name", ["A=B", b"A=", "=", "=A", "=A=", ""], ids=repr)
async def test_an_equals_sign_in_the_name_of_a_variable(impl, name):
    error = ValueError if name[:1] in ("A", b"A") else None

    await assert_as_popen(impl, *ENV, env={name: "1"}, error=error)


@pytest.mark.parametrize(
    "argv",
    [(None,), (5,), ("true", None), ("true", 5), ("true", ["a"]), (bytearray(b"true"),)],
    ids=repr,
)
async def test_a_command_of_other_types(impl, argv):
    await assert_as_popen(impl, *argv, error=TypeError)


@pytest.mark.parametrize(
    "options",
    [
        {"env": {"A": 1}},
        {"env": {1: "A"}},
        {"env": {None: "A"}},
        {"env": {"A": None}},
        {"env": 5},
        {"env": [("A", "1")]},
        {"env": "A=1"},
        {"cwd": 5},
        {"cwd": 1.5},
        {"cwd": ["/"]},
        {"executable": 5},
        {"executable": ["/bin/true"]},
    ],
    ids=repr,
)
async def test_options_of_other_types(impl, options):
    await assert_as_popen(impl, *TRUE, **options)


@pytest.fixture
def closed_descriptor():
    """Return a number too high to be taken by chance."""
    fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 500)
    os.close(fd)
    return fd


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
async def test_a_closed_descriptor_as_a_stream(impl, stream, closed_descriptor):
    options = {stream: closed_descriptor}
    expected = popens_answer(CAT, **options)

    assert errno.EBADF in expected
    assert await answer(impl, CAT, **options) == expected


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.parametrize("value", [-5, 1 << 20, 1 << 40, "name", 1.5, object], ids=repr)
async def test_a_stream_that_is_no_stream(impl, stream, value):
    await assert_as_popen(impl, *CAT, **{stream: value})


async def test_a_closed_file_as_a_stream(impl, tmp_path):
    with open(tmp_path / "file", "wb") as file:
        pass

    await assert_as_popen(impl, *CAT, stdout=file, error=ValueError)


@pytest.mark.parametrize(
    "fds",
    [(-1,), (1 << 20,), (1 << 40,), ("1",), (1.5,), (None,), 5, "1", (3, -2)],
    ids=repr,
)
async def test_bad_pass_fds(impl, fds):
    await assert_as_popen(impl, *TRUE, pass_fds=fds)


async def test_a_closed_descriptor_in_pass_fds(impl, closed_descriptor):
    fds = [closed_descriptor]

    await assert_as_popen(impl, *TRUE, pass_fds=fds, error=OSError)


BAD_VALUES = ["nobody-of-that-name", -1, -2, 1 << 32, 1 << 40, 1.5, b"root", [0], ""]


@pytest.mark.parametrize("option", ["user", "group"])
@pytest.mark.parametrize("value", BAD_VALUES, ids=repr)
async def test_a_bad_user_or_group(impl, option, value):
    await assert_as_popen(impl, *TRUE, **{option: value}, error=Exception)


@pytest.mark.parametrize("value", [*BAD_VALUES, 0, "root"], ids=repr)
async def test_bad_extra_groups(impl, value):
    groups = {"extra_groups": [value] if value != 0 else 0}
    await assert_as_popen(impl, *TRUE, **groups)


async def test_extra_groups_given_as_a_string(impl):
    for groups in ("root", b"root"):
        await assert_as_popen(impl, *TRUE, extra_groups=groups)


async def test_too_many_extra_groups(impl):
    await assert_as_popen(impl, *TRUE, extra_groups=range(70_000), error=ValueError)


@pytest.mark.skipif(not UNPRIVILEGED, reason="root may change credentials")
async def test_credentials_that_are_not_allowed(impl):
    for options in ({"user": 0}, {"group": 0}, {"extra_groups": [0]}, {"user": 65534}):
        await assert_as_popen(impl, *TRUE, **options, error=PermissionError)


@pytest.mark.parametrize("value", [-2, 1 << 20, 1 << 40, "022", 1.5, None], ids=repr)
async def test_a_bad_umask(impl, value):
    await assert_as_popen(impl, *TRUE, umask=value)


@pytest.mark.parametrize("value", [-2, 0, 1, 1 << 30, 1 << 40, "1", 1.5, None], ids=repr)
async def test_a_bad_pipesize(impl, value):
    await assert_as_popen(impl, *TRUE, pipesize=value)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Popen has no process_group")
@pytest.mark.parametrize("value", [-2, 1, 1 << 22, "0", 1.5, None], ids=repr)
async def test_a_bad_process_group(impl, value):
    await assert_as_popen(impl, *TRUE, process_group=value)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Popen has no process_group")
async def test_a_process_group_in_a_new_session(impl):
    options = {"process_group": 0, "start_new_session": True}
    await assert_as_popen(impl, *TRUE, **options)


async def test_windows_options_are_refused(impl):
    for options in ({"startupinfo": object()}, {"creationflags": 1}):
        await assert_as_popen(impl, *TRUE, **options, error=ValueError)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
async def test_a_preexec_fn_that_cannot_be_called(impl):
    await assert_as_popen(impl, *TRUE, preexec_fn=5, error=Exception)


async def test_a_program_that_stays_open_for_writing_is_busy(impl, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(pathlib.Path("/bin/true").read_bytes())
    program.chmod(0o755)

    with open(program, "ab"):
        await assert_as_popen(impl, str(program), error=OSError)
        assert errno.ETXTBSY in await answer(impl, [str(program)])
    assert await output_of(impl, str(program)) == b""
