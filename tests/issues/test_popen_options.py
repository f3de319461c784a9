"""Statements about options, descriptors and the state in which a child starts."""

import os
import signal
import subprocess
import sys
import tempfile

from helpers.own_interpreter import own_interpreter


async def output_of(sp, *argv, **options):
    child = await sp.create_subprocess_exec(*argv, stdout=sp.PIPE, **options)
    output, _ = await child.communicate()
    return output


@own_interpreter()
async def test_05_only_pass_fds_are_inherited(sp):
    inheritable = os.open("/", os.O_RDONLY)
    passed = os.open("/", os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    script = "ls -d /proc/self/fd/[3-9] /proc/self/fd/[1-9]?; true"

    names = await output_of(sp, "sh", "-c", script, pass_fds=[passed], stderr=sp.DEVNULL)

    assert names.split() == [b"/proc/self/fd/%d" % passed]


@own_interpreter()
async def test_26_a_child_can_reopen_its_stdio(sp):
    child = await sp.create_subprocess_shell(
        "cat /dev/stdin /proc/self/fd/0; echo out >/dev/stdout; echo err >/dev/stderr",
        stdin=sp.PIPE,
        stdout=sp.PIPE,
        stderr=sp.PIPE,
    )

    result = await child.communicate(b"in\n")

    assert result == (b"in\nout\n", b"err\n")


@own_interpreter()
async def test_27_stdio_blocks_on_both_sides(sp):
    child = await sp.create_subprocess_shell(
        "cat /proc/$$/fdinfo/0 /proc/$$/fdinfo/1 /proc/$$/fdinfo/2",
        stdin=sp.PIPE,
        stdout=sp.PIPE,
        stderr=sp.PIPE,
    )
    output, _ = await child.communicate()
    lines = [line.split() for line in output.splitlines()]
    flags = [int(value, 8) for name, value in lines if name == b"flags:"]

    assert len(flags) == 3
    assert not any(flag & os.O_NONBLOCK for flag in flags)
    assert all(os.get_blocking(fd) for fd in range(3))


@own_interpreter()
async def test_31_all_posix_keywords_of_popen_work(sp):
    with tempfile.TemporaryDirectory() as directory:
        directory = os.path.realpath(directory)
        output = await output_of(
            sp,
            "called-so",
            "-c",
            "echo $0 $PWD $NAME; umask; ulimit -n; cat /proc/self/stat",
            executable="/bin/sh",
            cwd=directory,
            env={"NAME": "value", "PATH": os.environ["PATH"]},
            umask=0o27,
            restore_signals=False,
            start_new_session=True,
            close_fds=True,
            pipesize=1 << 16,
        )
    first, umask, _, stat = output.decode().splitlines()

    assert first.split()[1:] == [directory, "value"]
    assert int(umask, 8) == 0o27
    assert stat.split()[4] == stat.split()[5] != str(os.getpgid(0))


@own_interpreter()
async def test_31_process_group_is_set(sp):
    options = {"process_group": 0} if sys.version_info >= (3, 11) else {}

    stat = await output_of(sp, "cat", "/proc/self/stat", **options)

    pid, group = (stat.split()[i] for i in (0, 4))
    assert (pid == group) == bool(options)


@own_interpreter()
async def test_31_user_and_groups_are_set(sp):
    if os.getuid():
        options = {"user": os.getuid(), "group": os.getgid()}
    else:
        options = {"user": 65534, "group": 65533, "extra_groups": [7, 8]}

    status = await output_of(sp, "cat", "/proc/self/status", **options)

    expected = subprocess.check_output(["cat", "/proc/self/status"], **options)
    assert identity(status) == identity(expected)


def identity(status):
    names = (b"Uid:", b"Gid:", b"Groups:")
    return [line.split() for line in status.splitlines() if line.startswith(names)]


@own_interpreter()
async def test_32_nuls_and_equals_signs_are_refused(sp):
    wrong = [
        (["echo", "a\0b"], {}),
        (["ec\0ho"], {}),
        (["echo"], {"cwd": "/\0tmp"}),
        (["echo"], {"env": {"A": "a\0b"}}),
        (["echo"], {"env": {"A\0": "b"}}),
        (["echo"], {"env": {"A=B": "c"}}),
        (["echo"], {"executable": "/bin/ec\0ho"}),
    ]
    for argv, options in wrong:
        refused = False
        try:
            await sp.create_subprocess_exec(*argv, **options)
        except ValueError:
            refused = True
        assert refused, (argv, options)


@own_interpreter()
async def test_40_a_child_starts_with_the_signals_that_popen_gives(sp):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda *args: None)
    argv = ["cat", "/proc/self/status"]

    for options in ({}, {"restore_signals": False}, {"start_new_session": True}):
        status = await output_of(sp, *argv, **options)

        assert signals(status) == signals(subprocess.check_output(argv, **options))


def signals(status):
    """Return the blocked and ignored signals, but for the two of the C library."""
    lines = dict(line.split(b":\t", 1) for line in status.splitlines())
    libc = 1 << 31 | 1 << 32
    return [int(lines[name], 16) & ~libc for name in (b"SigBlk", b"SigIgn")]


@own_interpreter()
async def test_48_extra_info_is_that_of_asyncio(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    transport = child._transport

    assert transport.get_pid() == child.pid
    assert transport.get_returncode() is None
    assert transport.get_extra_info("subprocess").pid == child.pid
    assert transport.get_extra_info("no such info", "default") == "default"
    for fd in (0, 1):
        pipe = transport.get_pipe_transport(fd).get_extra_info("pipe")
        assert os.readlink(f"/proc/self/fd/{pipe.fileno()}").startswith("pipe:")
    assert transport.get_pipe_transport(2) is None
    assert child.stdin.get_extra_info("pipe") is not None
    await child.communicate(b"")
    assert transport.get_returncode() == 0


@own_interpreter()
async def test_65_swapped_and_shared_descriptors_arrive_right(sp):
    def read(fd):
        os.close(writers.pop(fd))
        with os.fdopen(fd, "rb") as file:
            return file.read()

    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
    writers = {r1: w1, r2: w2}
    saved = [os.dup(1), os.dup(2)]
    os.dup2(w1, 1)
    os.dup2(w2, 2)
    try:
        swapped = await sp.create_subprocess_shell("echo out; echo err >&2", stdout=2, stderr=1)
        await swapped.wait()
        shared = await sp.create_subprocess_shell(
            "echo out; echo err >&2", stdout=2, stderr=sp.STDOUT
        )
        await shared.wait()
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)

    assert (read(r1), read(r2)) == (b"err\n", b"out\nout\nerr\n")
