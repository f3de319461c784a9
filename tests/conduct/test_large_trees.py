"""Trees of hundreds, daemons and stubborn ones among them, are ended to the last one."""

import asyncio

from children import sh, state
from helpers.leftovers import assert_settles, descriptors
from procession import subprocess as sp

SHELLS = 200

# Every fourth one is an ordinary child, in a session of its own, a daemon, or ignores
# SIGTERM; each has a child of its own, and says when it has.
TREE = """
i=0
while [ $i -lt $1 ]; do
    case $((i % 4)) in
        0) sh -c 'sleep 3600 & echo $$ $!; wait' & ;;
        1) setsid sh -c 'sleep 3600 & echo $$ $!; wait' & ;;
        2) (setsid sh -c 'sleep 3600 & echo $$ $!; wait' &) ;;
        3) sh -c 'trap "" TERM; sleep 3600 & echo $$ $!; wait' & ;;
    esac
    i=$((i + 1))
done
wait
"""


async def start_tree():
    child = await sp.create_subprocess_exec(*sh(TREE, str(SHELLS)), stdout=sp.PIPE)
    lines = [(await child.stdout.readline()).split() for _ in range(SHELLS)]
    return child, {int(pid) for line in lines for pid in line}


def alive(pids):
    return {pid for pid in pids if state(pid) not in ("", "Z", "X")}


async def test_a_tree_of_two_hundred_shells_is_ended_with_a_grace():
    before = descriptors()
    child, pids = await start_tree()
    assert len(pids) == 2 * SHELLS

    killed = {pid for pid, _ in await child.terminate_tree(1.0)}

    assert alive(pids) == set()
    assert 0 < len(killed & pids) <= SHELLS // 2
    await child.drained
    await assert_settles(before)


async def test_a_tree_of_two_hundred_shells_is_killed_at_once():
    before = descriptors()
    child, pids = await start_tree()

    killed = {pid for pid, _ in child.kill_tree()}

    assert child.pid in killed
    assert killed <= {child.pid, *pids}
    await asyncio.gather(child.exited, child.drained)
    assert alive(pids) == set()
    await assert_settles(before)


async def test_two_large_trees_are_ended_together():
    trees = await asyncio.gather(start_tree(), start_tree())

    await asyncio.gather(*[child.terminate_tree(0.1) for child, _ in trees])

    for child, pids in trees:
        assert alive(pids) == set()
        await child.communicate()
