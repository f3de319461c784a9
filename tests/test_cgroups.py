"""A cgroup of its own for each child: born inside, ended as a whole, removed."""

import asyncio
import errno
import os
import pathlib
import signal

import pytest

import procession
from children import SLEEP, TRUE, end, is_gone, python, sh, state, until
from helpers.cgroups import is_populated, members, own_cgroup
from procession import Limits, _cgroup

OWN = own_cgroup()
ROADS = {"clone": {}, "fork": {"preexec_fn": int}}
MEBIBYTE = 1 << 20

needs_cgroup = pytest.mark.skipif(OWN is None, reason="no cgroup v2 that can be written to")

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture(params=ROADS)
def road(request):
    """Return the options by which a child is made one way or the other."""
    return ROADS[request.param]


@pytest.fixture
def directory():
    """Make a cgroup below which others are made; fail if one is left there."""
    path = f"{OWN}/tests-{os.getpid()}"
    os.mkdir(path)
    yield path
    left = members(path)
    for leaf in left:
        _cgroup.kill_leaf(leaf)
        while not _cgroup.remove_leaf(leaf):
            pass
    os.rmdir(path)
    assert left == []


async def start(*argv, directory, stdout=procession.PIPE, **options):
    limits = Limits(cgroup=directory, **options.pop("limits", {}))
    return await procession.create_subprocess_exec(*argv, stdout=stdout, limits=limits, **options)


async def output_of(*argv, directory, **options):
    process = await start(*argv, directory=directory, **options)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


def has_controller(name):
    return name in pathlib.Path(f"{OWN}/cgroup.subtree_control").read_text().split()


@needs_cgroup
async def test_each_child_is_born_in_a_cgroup_of_its_own(directory, road):
    name = directory.rpartition("/")[2].encode()
    seen = [
        await output_of("cat", "/proc/self/cgroup", directory=directory, **road) for _ in range(3)
    ]

    leaves = {line for output in seen for line in output.splitlines() if line.startswith(b"0::")}
    assert len(leaves) == 3
    assert all(name in leaf for leaf in leaves)


@needs_cgroup
async def test_what_a_child_starts_is_in_there_and_ended_with_it(directory, road):
    script = "setsid sleep 3600 & (setsid sleep 3600 &) & echo $$; exec sleep 3600"
    process = await start(*sh(script), directory=directory, **road)
    await process.stdout.readline()

    assert process._child.cgroup.kill()

    assert await process.stdout.read() == b""
    assert await process.wait() == -signal.SIGKILL
    await until(lambda: _cgroup.sweep() or members(directory) == [])


@needs_cgroup
@pytest.mark.parametrize("how", ["a run", "a process"])
async def test_the_cgroup_tells_of_those_who_have_shaken_off_the_mark(directory, how):
    code = """
import os, resource, signal, sys
resource.prlimit(0, 10, (1, -1))  # RLIMIT_LOCKS
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        signal.pause()
    os._exit(0)
os.wait()
signal.pause()
"""
    if how == "a run":
        limits = Limits(cgroup=directory)
        with pytest.raises(procession.CommandTimedOut) as caught:
            await procession.run(
                python(code), stdout=procession.PIPE, limits=limits, timeout=1, grace=0.05
            )
        escaped = int(caught.value.output)
    else:
        process = await start(*python(code), directory=directory)
        escaped = int(await process.stdout.readline())
        assert escaped in dict(process.descendants())
        assert escaped in dict(await process.terminate_tree(grace=0.05))

    assert state(escaped) in ("", "Z")
    await until(lambda: _cgroup.sweep() or members(directory) == [])


@needs_cgroup
async def test_a_cgroup_goes_when_the_last_that_is_in_there_has_gone(directory):
    process = await start(*sh("sleep 3600 & echo $!"), directory=directory)
    orphan = int(await process.stdout.readline())
    await process.wait()
    (leaf,) = members(directory)

    assert await output_of("echo", "another", directory=directory) == b"another\n"
    assert members(directory) == [leaf]
    os.kill(orphan, signal.SIGKILL)
    await until(lambda: not is_populated(leaf))
    await output_of(*TRUE, directory=directory)

    assert members(directory) == []


@needs_cgroup
async def test_a_spawn_that_fails_leaves_no_cgroup(directory, road):
    with pytest.raises(FileNotFoundError):
        await start("no-such-program", directory=directory, **road)
    with pytest.raises(OSError, match="cannot set limit cpus"):
        await start(*TRUE, directory=directory, limits={"cpus": [8191]}, **road)
    with pytest.raises(ValueError, match="embedded null byte"):
        await start("true", "\0", directory=directory, **road)

    await until(lambda: _cgroup.sweep() or members(directory) == [])


@needs_cgroup
async def test_a_spawn_that_is_cancelled_leaves_no_cgroup(directory, road):
    for turns in range(5):
        spawning = asyncio.ensure_future(start(*SLEEP, directory=directory, **road))
        for _ in range(turns):
            await asyncio.sleep(0)
        spawning.cancel()
        await asyncio.wait([spawning])
        if not spawning.cancelled():
            await end(spawning.result())

    await until(lambda: _cgroup.sweep() or members(directory) == [])


@needs_cgroup
def test_a_loop_that_is_closed_leaves_no_cgroup(directory):
    async def main():
        return (await start(*SLEEP, directory=directory)).pid

    with pytest.warns(ResourceWarning, match="still running"):
        pid = asyncio.run(main())

    assert is_gone(pid)
    _cgroup.sweep()
    assert members(directory) == []


@needs_cgroup
async def test_a_forked_process_does_not_remove_the_cgroups_of_its_parent(directory):
    process = await start("cat", directory=directory, stdin=procession.PIPE)
    leaf = process._child.cgroup
    leaves = members(directory)

    pid = os.fork()
    if pid == 0:
        leaf.leave()
        os._exit(not os.path.exists(leaf.path))
    _, status = os.waitpid(pid, 0)

    assert (status, members(directory)) == (0, leaves)
    process.stdin.close()
    assert await process.wait() == 0


@needs_cgroup
@pytest.mark.skipif(OWN and has_controller("memory"), reason="the memory controller is there")
async def test_without_the_controllers_the_limits_are_those_of_the_process(directory):
    limits = {"memory": 512 * MEBIBYTE, "processes": 5000}

    output = await output_of(*sh("ulimit -v"), directory=directory, limits=limits)

    assert output == b"524288\n"


@needs_cgroup
@pytest.mark.skipif(OWN and not has_controller("memory"), reason="no memory controller")
async def test_a_cgroup_that_needs_more_memory_is_ended_and_known_for_it(directory):
    pathlib.Path(f"{directory}/cgroup.subtree_control").write_text("+memory")
    limits = {"memory": 64 * MEBIBYTE}

    process = await start(*python("bytearray(1 << 30)"), directory=directory, limits=limits)

    assert await process.wait() == -signal.SIGKILL
    assert process._child.cgroup.oom_killed()


@needs_cgroup
@pytest.mark.skipif(OWN and not has_controller("pids"), reason="no pids controller")
async def test_a_cgroup_has_no_more_processes(directory):
    pathlib.Path(f"{directory}/cgroup.subtree_control").write_text("+pids")

    process = await start(
        *sh("/bin/true; echo started"), directory=directory, limits={"processes": 1}
    )

    assert (await process.communicate())[0] == b""
    assert process.returncode != 0


def test_kills_for_want_of_memory_are_read_from_the_kernels_file(tmp_path):
    assert _cgroup.oom_kills(str(tmp_path)) == 0
    for text, count in (
        ("low 0\nhigh 0\nmax 24\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n", 0),
        ("low 0\n", 0),
    ):
        (tmp_path / "memory.events").write_text(text)
        assert _cgroup.oom_kills(str(tmp_path)) == count


async def test_a_directory_that_is_no_cgroup_is_an_error_that_names_the_limit(tmp_path, road):
    for place in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="cannot set limit cgroup") as caught:
            await start(*TRUE, directory=place, **road)
        assert caught.value.limit_name == "cgroup"
        assert caught.value.errno in (errno.ENOENT, errno.ENOTDIR)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_directory_that_cannot_be_written_to_is_an_error_that_names_the_limit():
    with pytest.raises(PermissionError, match="cannot set limit cgroup"):
        await start(*TRUE, directory="/sys/fs/cgroup")
