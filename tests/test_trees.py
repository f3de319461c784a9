"""The tree of a child: found whatever it has become, ended with nothing left."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys

import pytest

from children import CAT, SLEEP, TRUE, is_stopped, python, script, sh, state, until
from procession import Process
from procession import subprocess as sp
from procession.trees import Descendant

PR_SET_CHILD_SUBREAPER = 36
RLIMIT_LOCKS = 10
SOON = 0.1
LONG = 20.0

# A child of the child, one in a session of its own, and a daemon; each tells its number.
FAMILY = """
sleep 3600 & echo $!
setsid sh -c 'echo $$; exec sleep 3600' &
(setsid sh -c 'echo $$; exec sleep 3600' &)
"""


def is_dead(pid):
    return state(pid) in ("", "Z", "X")


def all_dead(pids):
    return all(map(is_dead, pids))


async def start_family(then="wait", before="", **options) -> tuple[Process, set[int]]:
    child = await sp.create_subprocess_exec(
        *sh(f"{before}\n{FAMILY}\n{then}"), stdout=sp.PIPE, **options
    )
    pids = {int(await child.stdout.readline()) for _ in range(3)}
    return child, pids


def numbers(found):
    return {pid for pid, _ in found}


@pytest.fixture
def reaper():
    """Make this process the one that orphans become children of."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


# descendants()


async def test_descendants_are_found_whatever_their_session_and_parent():
    child, pids = await start_family()

    await until(lambda: child.descendants() == sorted((pid, "sleep") for pid in pids))

    assert all(type(found) is Descendant for found in child.descendants())
    child.kill_tree()
    await child.wait()


async def test_descendants_of_a_child_that_has_ended_are_its_orphans():
    child, pids = await start_family("exit 3")
    assert await child.wait() == 3

    assert numbers(child.descendants()) == pids

    assert numbers(child.kill_tree()) == pids
    await until(lambda: all_dead(pids))
    assert child.descendants() == []


async def test_two_children_have_trees_of_their_own():
    (one, ones), (other, others) = await start_family(), await start_family()

    assert numbers(one.kill_tree()) == {one.pid, *ones}

    assert numbers(other.descendants()) == others
    assert numbers(other.kill_tree()) == {other.pid, *others}
    await asyncio.gather(one.wait(), other.wait())


async def test_who_has_set_the_limit_itself_is_found_while_the_parents_lead_there():
    code = f"""
import resource, signal, subprocess
resource.setrlimit({RLIMIT_LOCKS}, (5, -1))
print(subprocess.Popen(["setsid", "sleep", "3600"]).pid, flush=True)
signal.pause()
"""
    child = await sp.create_subprocess_exec(*sh(f"{sys.executable} -c '{code}'; :"), stdout=sp.PIPE)
    grandchild = int(await child.stdout.readline())

    killed = numbers(child.kill_tree())

    assert child.pid in killed
    assert grandchild in killed
    await child.wait()
    await until(lambda: is_dead(grandchild))


@pytest.mark.parametrize("options", [{}, {"preexec_fn": os.getpid}, {"close_fds": False}], ids=str)
async def test_however_a_child_is_made_its_tree_is_known(options):
    child, pids = await start_family("exit", **options)
    await child.wait()

    assert numbers(child.kill_tree()) == pids


async def test_the_parents_own_limit_stays():
    before = subprocess.check_output(["cat", "/proc/self/limits"])
    child = await sp.create_subprocess_exec("cat", "/proc/self/limits", stdout=sp.PIPE)

    output, _ = await child.communicate()

    assert subprocess.check_output(["cat", "/proc/self/limits"]) == before
    lines = {tuple(text.splitlines()[0].split()): text for text in (before, output)}
    assert len(lines) == 1
    differing = set(output.splitlines()) ^ set(before.splitlines())
    assert [line[:14] for line in differing] == [b"Max file locks"] * 2


@pytest.mark.slow
async def test_a_forked_process_gives_marks_of_its_own():
    code = """
import asyncio, os, sys
import procession

async def main():
    child = await procession.create_subprocess_exec("grep", "locks", "/proc/self/limits")
    assert await child.wait() == 0

asyncio.run(main())
if os.fork() == 0:
    asyncio.run(main())
    os._exit(0)
asyncio.run(main())
assert os.wait()[1] == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )

    marks = [line.split()[3] for line in done.stdout.splitlines()]
    assert len(set(marks)) == 3


# kill_tree()


async def test_kill_tree_returns_all_that_it_has_ended():
    child, pids = await start_family()

    killed = child.kill_tree()

    assert killed[0].pid == child.pid
    assert numbers(killed) == {child.pid, *pids}
    assert await child.wait() == -signal.SIGKILL
    await until(lambda: all_dead(pids))
    assert child.descendants() == child.kill_tree() == []


async def test_kill_tree_ends_who_is_stopped():
    child, pids = await start_family()
    child.send_signal(signal.SIGSTOP)
    await until(lambda: is_stopped(child.pid))

    child.kill_tree()

    assert await child.wait() == -signal.SIGKILL
    await until(lambda: all_dead(pids))


async def test_where_nobody_is_left_nobody_is_ended():
    child = await sp.create_subprocess_exec(*TRUE)
    await child.wait()

    assert child.kill_tree() == await child.terminate_tree() == child.descendants() == []


async def test_a_tree_that_goes_on_forking_is_ended(tmp_path):
    path = script(tmp_path / "again", 'read line < /dev/zero & setsid "$0" & exit')
    child = await sp.create_subprocess_exec(str(path), stdout=sp.DEVNULL)
    await child.wait()
    await until(lambda: len(child.descendants()) > 5)

    child.kill_tree()

    await until(lambda: child.descendants() == [])


async def test_orphans_that_become_our_children_are_reaped(reaper):
    child, pids = await start_family("exit")
    await child.wait()

    assert numbers(child.kill_tree()) == pids

    await until(lambda: all(state(pid) == "" for pid in pids))


async def test_strangers_among_our_children_are_left_alone():
    stranger = subprocess.Popen(SLEEP)
    child, _ = await start_family()

    child.kill_tree()
    await child.wait()

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


# terminate_tree()


async def test_terminate_tree_ends_all_by_sigterm_where_they_let_it():
    child, pids = await start_family()

    assert await child.terminate_tree() == []

    assert child.returncode == -signal.SIGTERM
    assert all_dead(pids)


async def test_a_shell_does_not_go_on_with_its_next_command(tmp_path):
    path = tmp_path / "next"
    child = await sp.create_subprocess_exec(*sh(f"echo; sleep 3600; echo > {path}"), stdout=sp.PIPE)
    await child.stdout.readline()

    assert await child.terminate_tree(LONG) == []

    assert not path.exists()


async def test_who_ignores_sigterm_is_killed_after_the_grace():
    child, pids = await start_family(before="trap '' TERM")

    killed = await child.terminate_tree(SOON)

    assert numbers(killed) == {child.pid, *pids}
    assert child.returncode == -signal.SIGKILL
    assert all_dead(pids)


async def test_only_those_are_returned_that_had_to_be_killed():
    child = await sp.create_subprocess_exec(
        *sh("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 3600; done' & wait"),
        stdout=sp.PIPE,
    )
    stubborn = int(await child.stdout.readline())

    killed = await child.terminate_tree(SOON)

    assert child.returncode == -signal.SIGTERM
    assert stubborn in numbers(killed)
    assert child.pid not in numbers(killed)


async def test_what_a_child_does_to_clean_up_is_left_to_it():
    child = await sp.create_subprocess_exec(
        *sh("trap 'sleep 0.2; echo clean; exit 0' TERM; sleep 3600 & echo; wait"),
        stdout=sp.PIPE,
    )
    await child.stdout.readline()
    # Before its exec it has the shell's trap, and would lose the signal with it.
    await until(lambda: [name for _, name in child.descendants()] == ["sleep"])

    assert await child.terminate_tree(LONG) == []

    assert (await child.stdout.read(), child.returncode) == (b"clean\n", 0)


async def test_the_grace_of_the_process_holds_where_none_is_given():
    child, _ = await start_family(before="trap '' TERM")
    child.grace = SOON

    assert child.pid in numbers(await child.terminate_tree())


async def test_cancelled_terminate_tree_kills_all_at_once():
    child, pids = await start_family(before="trap '' TERM")
    ending = asyncio.ensure_future(child.terminate_tree(LONG))
    await asyncio.sleep(0)

    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending

    assert await child.wait() == -signal.SIGKILL
    await until(lambda: all_dead(pids))


async def test_terminate_tree_ends_what_a_child_has_left_behind(reaper):
    child, pids = await start_family("exit", before="trap '' TERM")
    await child.wait()

    assert numbers(await child.terminate_tree(SOON)) == pids

    await until(lambda: all(state(pid) == "" for pid in pids))


async def test_a_wait_is_told_of_the_end_by_terminate_tree():
    child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE)
    waiting = asyncio.ensure_future(child.wait())
    await asyncio.sleep(0)

    await child.terminate_tree()

    assert await waiting == -signal.SIGTERM
    await child.communicate()


async def test_a_grandchild_of_another_interpreter_is_found():
    code = "import subprocess; print(subprocess.Popen(['sleep', '3600']).pid, flush=True)"
    child = await sp.create_subprocess_exec(*python(code), stdout=sp.PIPE)
    grandchild = int(await child.stdout.readline())

    assert await child.terminate_tree(LONG) == []

    assert is_dead(grandchild)
