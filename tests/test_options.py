"""Each of Popen's POSIX options, seen from inside the child."""

import asyncio
import grp
import os
import pathlib
import pwd
import signal
import subprocess
import sys

import pytest

from children import (
    CAT,
    ENV,
    SLEEP,
    TRUE,
    credentials,
    end,
    group_and_session,
    output_of,
    popen_output_of,
    python,
    script,
    sh,
    signal_state,
)

STATUS = ("cat", "/proc/self/status")
DESCRIPTORS = ("ls", "/proc/self/fd")
STAT = ("cat", "/proc/self/stat")

needs_process_group = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Popen has process_group from 3.11 on"
)


@pytest.fixture
def inheritable_pipe(pipe):
    for fd in pipe:
        os.set_inheritable(fd, True)
    return pipe


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
async def test_executable_replaces_the_program_but_not_its_name(impl, kind):
    output = await output_of(impl, "a name", "-c", "echo $0", executable=kind("/bin/sh"))

    assert output == b"a name\n"


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
async def test_executable_of_a_shell_command_is_the_shell(impl, tmp_path, kind):
    shell = script(tmp_path / "shell", 'printf %s "$0 $*"')

    process = await impl.create_subprocess_shell(
        "command line", executable=kind(str(shell)), stdout=impl.PIPE
    )
    output, _ = await process.communicate()

    assert output == f"{shell} -c command line".encode()


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
async def test_cwd_is_where_the_child_starts(impl, tmp_path, kind):
    directory = tmp_path / "ünder"
    directory.mkdir()

    output = await output_of(impl, *sh("pwd -P"), cwd=kind(str(directory)))

    assert output.decode().strip() == str(directory.resolve())


async def test_a_relative_program_is_looked_up_in_cwd(impl, tmp_path):
    script(tmp_path / "tool", "echo found")

    assert await output_of(impl, "./tool", cwd=tmp_path) == b"found\n"


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"A": "1", "B": "", "C": "a=b"},
        {b"A": b"\xff", "B": "ä"},
        {"A": pathlib.Path("/x")},
    ],
    ids=["empty", "str", "bytes", "path"],
)
async def test_env_is_the_whole_environment(impl, env):
    output = await output_of(impl, *ENV, env=env)

    expected = [os.fsencode(key) + b"=" + os.fsencode(env[key]) for key in env]
    assert output.splitlines() == expected


async def test_without_env_the_environment_is_inherited(impl, monkeypatch):
    monkeypatch.setenv("PROCESSION_TEST", "inherited")

    assert b"PROCESSION_TEST=inherited" in (await output_of(impl, *ENV)).splitlines()


@pytest.mark.parametrize("kind", [str, os.fsencode])
async def test_the_program_is_looked_up_in_the_path_of_env(impl, tmp_path, kind):
    script(tmp_path / "tool-of-env", "echo found")
    env = {kind("PATH"): kind(f"/nonexistent:{tmp_path}")}

    assert await output_of(impl, "tool-of-env", env=env) == b"found\n"


async def test_the_program_is_looked_up_on_the_default_path_without_one(impl):
    assert await output_of(impl, "echo", "found", env={"A": "1"}) == b"found\n"


async def test_a_file_that_is_not_executable_is_passed_over_on_the_path(impl, tmp_path):
    for name, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / name).mkdir()
        script(tmp_path / name / "tool", f"echo {name}").chmod(mode)
    env = {"PATH": f"{tmp_path}/first:{tmp_path}/second"}

    assert await output_of(impl, "tool", env=env) == b"second\n"


@pytest.mark.parametrize("close_fds", [True, False])
async def test_close_fds_decides_over_inheritable_descriptors(impl, inheritable_pipe, close_fds):
    output = await output_of(impl, *DESCRIPTORS, close_fds=close_fds)

    inherited = {str(fd).encode() for fd in inheritable_pipe} & set(output.split())
    assert len(inherited) == (0 if close_fds else 2)
    assert output == popen_output_of(*DESCRIPTORS, close_fds=close_fds)


async def test_the_child_has_the_descriptors_that_popen_gives(impl):
    for options in (
        {},
        {"stdin": subprocess.PIPE},
        {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT},
        {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "close_fds": False},
    ):
        expected = popen_output_of(*DESCRIPTORS, **options)

        assert await output_of(impl, *DESCRIPTORS, **options) == expected


async def test_siblings_do_not_hold_each_others_pipes(impl):
    first = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE, stdout=impl.PIPE)
    second = await impl.create_subprocess_exec(
        *SLEEP, stdin=impl.PIPE, stdout=impl.PIPE, close_fds=False
    )

    first.stdin.close()

    assert await first.stdout.read() == b""
    assert await first.wait() == 0
    await end(second)


async def test_pass_fds_reach_the_child_and_stay_as_they_are(impl, pipe):
    reading, writing = pipe

    process = await impl.create_subprocess_exec(
        *sh("echo passed >/proc/self/fd/$1", str(writing)), pass_fds=[writing]
    )
    await process.wait()

    assert os.read(reading, 100) == b"passed\n"
    assert not os.get_inheritable(writing)


@pytest.mark.parametrize("fds", [(0,), (1,), (2,), (0, 1, 2), (2, 0, 0)], ids=str)
async def test_pass_fds_may_overlap_the_standard_streams(impl, fds):
    expected = popen_output_of(*DESCRIPTORS, pass_fds=fds)

    assert await output_of(impl, *DESCRIPTORS, pass_fds=fds) == expected


async def test_pass_fds_may_be_the_streams_themselves(impl, pipe):
    reading, writing = pipe

    process = await impl.create_subprocess_exec(
        *sh("echo one; echo two >&2; echo three >/proc/self/fd/$1", str(writing)),
        stdout=writing,
        stderr=writing,
        pass_fds=(writing, writing),
    )
    await process.wait()

    assert os.read(reading, 100) == b"one\ntwo\nthree\n"


async def test_pass_fds_override_close_fds_with_a_warning(impl, inheritable_pipe):
    _, writing = inheritable_pipe

    with pytest.warns(RuntimeWarning, match="pass_fds overriding close_fds"):
        output = await output_of(impl, *DESCRIPTORS, close_fds=False, pass_fds=[writing])

    descriptors = set(output.decode().split())
    assert {str(fd) for fd in inheritable_pipe} & descriptors == {str(writing)}


@pytest.mark.parametrize("restore_signals", [True, False])
async def test_restore_signals_gives_the_dispositions_that_popen_gives(impl, restore_signals):
    expected = popen_output_of(*STATUS, restore_signals=restore_signals)

    output = await output_of(impl, *STATUS, restore_signals=restore_signals)

    assert signal_state(output) == signal_state(expected)
    _, ignored, _ = signal_state(output)
    assert bool(ignored & 1 << signal.SIGPIPE - 1) is not restore_signals


async def test_the_child_inherits_mask_and_ignored_signals_but_no_handler(impl):
    previous = signal.signal(signal.SIGUSR1, lambda *_: None)
    ignored = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGRTMIN])

    try:
        expected = signal_state(popen_output_of(*STATUS))
        output = signal_state(await output_of(impl, *STATUS))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, previous)
        signal.signal(signal.SIGUSR2, ignored)

    assert output == expected
    assert output[0] & 1 << signal.SIGALRM - 1


async def test_start_new_session_makes_the_child_a_session_leader(impl):
    ours = group_and_session(await output_of(impl, *STAT))
    own = group_and_session(await output_of(impl, *STAT, start_new_session=True))

    assert ours[1:] == (os.getpgid(0), os.getsid(0))
    assert own == (own[0],) * 3


@needs_process_group
async def test_process_group_zero_makes_the_child_a_group_leader(impl):
    pid, group, session = group_and_session(await output_of(impl, *STAT, process_group=0))

    assert (group, session) == (pid, os.getsid(0))


@needs_process_group
async def test_process_group_joins_a_group(impl):
    leader = await impl.create_subprocess_exec(*SLEEP, process_group=0)

    stat = await output_of(impl, *STAT, process_group=leader.pid)

    assert group_and_session(stat)[1] == leader.pid
    await end(leader)


@pytest.mark.parametrize("umask", [0, 0o027, 0o777])
async def test_umask_is_set_in_the_child_only(impl, umask):
    ours = os.umask(0o022)
    os.umask(ours)

    output = await output_of(impl, *sh("umask"), umask=umask)

    assert int(output, 8) == umask
    assert int(await output_of(impl, *sh("umask")), 8) == ours


async def test_pipesize_is_the_size_of_each_pipe(impl):
    code = "import fcntl; print(*(fcntl.fcntl(fd, 1032) for fd in range(3)))"
    process = await impl.create_subprocess_exec(
        *python(code),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
        stderr=impl.PIPE,
        pipesize=4096,
    )

    output, _ = await process.communicate()

    assert output.split() == [b"4096"] * 3


async def test_the_childs_streams_are_blocking(impl):
    flags_of_each = "for fd in 0 1 2; do grep flags /proc/self/fdinfo/$fd; done"
    process = await impl.create_subprocess_exec(
        *sh(flags_of_each), stdin=impl.PIPE, stdout=impl.PIPE, stderr=impl.PIPE
    )

    output, _ = await process.communicate()

    flags = [int(line.split()[1], 8) for line in output.splitlines()]
    assert [value & os.O_NONBLOCK for value in flags] == [0, 0, 0]


async def test_the_child_can_open_its_streams_by_name(impl):
    process = await impl.create_subprocess_exec(
        *sh("cat /dev/stdin >/dev/stdout; echo err >/dev/stderr"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
        stderr=impl.PIPE,
    )

    assert await process.communicate(b"through") == (b"through", b"err\n")


def names_and_numbers():
    nobody = pwd.getpwnam("nobody")
    group = grp.getgrgid(nobody.pw_gid)
    return [
        {"user": nobody.pw_uid},
        {"user": nobody.pw_name},
        {"group": group.gr_gid},
        {"group": group.gr_name},
        {"extra_groups": []},
        {"extra_groups": [group.gr_name, 12345]},
        {"user": nobody.pw_name, "group": 4321, "extra_groups": (7, 8, 9)},
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change credentials")
@pytest.mark.parametrize("options", names_and_numbers(), ids=str)
async def test_user_and_groups_are_those_asked_for(impl, options):
    status = await output_of(impl, *STATUS, **options)

    expected = popen_output_of(*STATUS, **options)
    assert credentials(status) == credentials(expected)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change credentials")
async def test_the_parent_keeps_its_credentials(impl):
    before = (os.getresuid(), os.getresgid(), os.getgroups())

    await output_of(impl, *STATUS, user=65534, group=65534, extra_groups=[1])

    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
    assert os.access("/proc/self/environ", os.R_OK)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
async def test_preexec_fn_runs_in_the_child(impl):
    def preexec():
        os.umask(0o123)
        os.write(1, b"%d " % os.getpid())

    process = await impl.create_subprocess_exec(
        *sh("echo $$ $(umask)"), stdout=impl.PIPE, preexec_fn=preexec
    )
    output, _ = await process.communicate()

    assert output == b"%d %d 0123\n" % (process.pid, process.pid)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
async def test_an_exception_in_preexec_fn_is_a_subprocess_error(impl):
    def preexec():
        raise RuntimeError("in the child")

    with pytest.raises(subprocess.SubprocessError) as caught:
        await impl.create_subprocess_exec(
            *TRUE, stdin=impl.PIPE, stdout=impl.PIPE, preexec_fn=preexec
        )

    assert type(caught.value) is subprocess.SubprocessError
    assert str(caught.value) == "Exception occurred in preexec_fn."


async def test_many_options_at_once(impl, tmp_path, inheritable_pipe):
    options = {
        "cwd": tmp_path,
        "env": {"A": "1"},
        "umask": 0o077,
        "start_new_session": True,
        "pass_fds": inheritable_pipe,
        "executable": "/bin/sh",
    }
    command = ("name", "-c", "umask; pwd; echo $A; ls /proc/self/fd")

    outputs = await asyncio.gather(*(output_of(impl, *command, **options) for _ in range(5)))

    assert set(outputs) == {popen_output_of(*command, **options)}


@pytest.mark.parametrize("change", ["set", "remove"])
async def test_what_preexec_fn_does_to_the_environment_counts(impl, monkeypatch, change):
    monkeypatch.setenv("FRUIT", "pear")

    def preexec():
        if change == "set":
            os.environ["FRUIT"] = "apple"
        else:
            del os.environ["FRUIT"]

    output = await output_of(impl, *sh("echo [$FRUIT]"), preexec_fn=preexec)
    given = await output_of(impl, *sh("echo [$FRUIT]"), preexec_fn=preexec, env={"FRUIT": "fig"})

    assert output == (b"[apple]\n" if change == "set" else b"[]\n")
    assert given == b"[fig]\n"
