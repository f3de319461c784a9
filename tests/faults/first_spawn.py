"""The walk through the first spawn of a process, which finds out what the kernel has."""

import asyncio
import collections
import os
import signal
import sys
import traceback
from errno import EAGAIN, ENOMEM, ENOSYS, EPERM, errorcode

from faults.plausible import PLAUSIBLE, is_served, is_state
from faults.walk import DELAY, number_of
from helpers import leftovers, patience, refusal
from procession.subprocess import create_subprocess_exec

HELD, RAISED, WRONG = 0, 10, 20

# What the probe makes do without.
PROBED = {
    ("clone", EPERM, False),
    *(
        ("SYS_pidfd_send_signal", err, lasting)
        for err in (ENOSYS, EPERM)
        for lasting in (False, True)
    ),
}


def go(injector):
    """Return the complaints, and the number of cases by their outcome."""
    complaints = []
    counts = collections.Counter()

    def note(what, may_raise, outcome):
        counts["cases"] += 1
        counts["failed" if outcome == RAISED else "served"] += 1
        if outcome not in ((HELD, RAISED) if may_raise else (HELD,)):
            complaints.append(f"first spawn, {what}: {outcome}")

    for call, n in record(injector).items():
        for nth in range(1, n + 1):
            note(f"{call} no. {nth} takes long", False, spawn_in_fork(injector, call, nth, 0))
            for err in PLAUSIBLE.get(call, ()):
                for lasting in (False, True)[: 1 + is_state(call, err)]:
                    served = is_served(call, err, lasting) or (call, err, lasting) in PROBED
                    outcome = spawn_in_fork(injector, call, nth, err, lasting)
                    note(f"{call} no. {nth}{'+' * lasting}: {errorcode[err]}", not served, outcome)
    if refusal.is_possible():
        for err in (ENOSYS, EPERM, EAGAIN, ENOMEM):
            for spawned_before in (False, True):
                what = f"clone3: {errorcode[err]}{' later' * spawned_before}"
                outcome = spawn_without_clone3(err, spawned_before)
                note(what, err in (EAGAIN, ENOMEM), outcome)
    return complaints, counts


def record(injector):
    """Return how often each call is made."""
    injector.record()
    assert in_fork(0) == HELD
    injector.disarm()
    return injector.counts()


def spawn_in_fork(injector, call, nth, err, lasting=False):
    injector.arm([call], nth, err, lasting=lasting, delay=0.0 if err else DELAY)
    try:
        return in_fork(err, injector.disarm)
    finally:
        injector.disarm()


def spawn_without_clone3(err, spawned_before):
    def refuse():
        if spawned_before:
            assert asyncio.run(true()) == 0
        refusal.refuse_clone3(errorcode[err])

    return in_fork(err, prepare=refuse)


def in_fork(err, recover=None, prepare=None):
    """Spawn in a copy of this process, which has not done so yet; return the outcome."""
    pid = os.fork()
    if pid == 0:
        status = WRONG
        try:
            signal.alarm(round(patience.seconds))
            if prepare is not None:
                prepare()
            status = attempt(err, recover)
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def attempt(err, recover):
    before = leftovers.descriptors()
    try:
        assert asyncio.run(true()) == 0
    except (OSError, MemoryError) as error:
        assert number_of(error) == err, error
        outcome = RAISED
    else:
        outcome = HELD
    leftovers.assert_nothing_left(before)
    if recover is not None:
        recover()
        assert asyncio.run(true()) == 0
        leftovers.assert_nothing_left(before)
    return outcome


async def true():
    child = await create_subprocess_exec("/bin/true")
    return await child.wait()
