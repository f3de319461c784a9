"""The walk: each call of each scenario fails once, in every plausible way, and for ever."""

import asyncio
import collections
import dataclasses
import errno
import gc
import time

from faults.plausible import PLAUSIBLE, SHORT, is_served, is_state
from faults.scenarios import ALL, Scenario
from helpers import leftovers, patience
from procession import _engine

# Long enough for others to run in between.
DELAY = 0.002


@dataclasses.dataclass(frozen=True)
class Case:
    scenario: Scenario
    calls: tuple[str, ...]
    nth: int
    err: int = 0
    lasting: bool = False

    def __str__(self):
        what = errno.errorcode[self.err] if self.err else "takes long"
        call = self.calls[0] if len(self.calls) == 1 else "any call"
        return f"{self.scenario.name}, {call} no. {self.nth}{'+' * self.lasting}: {what}"

    def has_to_be_served(self):
        return all(is_served(call, self.err, self.lasting) for call in self.calls)


def number_of(error):
    """Return the errno that an exception stands for."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, ConnectionError):
        return errno.EPIPE
    return getattr(error, "errno", None)


class Walk:
    def __init__(self, injector, deep, own_table):
        self._injector = injector
        self._deep = deep
        self._own_table = own_table
        self._before = leftovers.descriptors()
        self.counts = collections.Counter()
        self.complaints = []

    def go(self, names):
        """Walk through scenarios; return the complaints."""
        for name in names:
            for case in list(self._cases_of(ALL[name])):
                # What is left of one case would be found after each further one.
                if not self._try(case):
                    return self.complaints
        return self.complaints

    def _cases_of(self, scenario):
        counts = self._record(scenario)
        for call, n in counts.items():
            errors = PLAUSIBLE.get(call, ())
            few = errors if self._deep else errors[:1]
            for nth in range(1, n + 1) if self._deep else {1, n}:
                for err in errors if nth == 1 else few:
                    yield Case(scenario, (call,), nth, err)
                yield Case(scenario, (call,), nth)
            for err in few:
                if is_state(call, err):
                    yield Case(scenario, (call,), 1, err, lasting=True)
        for err in SHORT:
            calls = tuple(call for call in counts if err in PLAUSIBLE.get(call, ()))
            n = sum(counts[call] for call in calls)
            # A thread that is about to have a table of its own waits for better times.
            last = 1 if self._own_table else n
            for nth in range(1, last + 1, 1 if self._deep else 3):
                yield Case(scenario, calls, nth, err, lasting=True)

    def _record(self, scenario):
        """Return how often each call is made."""
        most = collections.Counter()
        for _ in range(2):
            outcome, complaints = asyncio.run(self._watch(scenario, self._injector.record))
            self._injector.disarm()
            if complaints or outcome != scenario.answer or self._settle():
                raise RuntimeError(f"{scenario.name} without any fault: {outcome!r} {complaints}")
            most |= collections.Counter(self._injector.counts())
        return most

    def _try(self, case):
        """Try a case; return whether nothing is left of it."""

        def arm():
            delay = 0.0 if case.err else DELAY
            self._injector.arm(case.calls, case.nth, case.err, lasting=case.lasting, delay=delay)

        outcome, complaints = asyncio.run(self._watch(case.scenario, arm))
        self._injector.disarm()
        happened = self._injector.happened() > 0
        self.counts["cases"] += 1
        self.counts["failed" if isinstance(outcome, Exception) else "served"] += happened
        complaints += self._judge(case, outcome)
        if left := self._settle():
            complaints.append(f"leaves {left}")
        self.complaints += [f"{case}: {complaint}" for complaint in complaints]
        return not left

    async def _watch(self, scenario, arm):
        """Return the outcome of a scenario, and what is wrong with the loop after it."""
        complaints = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: complaints.append(repr(context))
        )
        arm()
        outcome = await self._outcome_of(scenario)
        if not scenario.through_close:
            self._injector.disarm()
            again = await self._outcome_of(ALL["plain"])
            # A thread that could not begin may have been left to this one.
            if isinstance(again, MemoryError):
                again = await self._outcome_of(ALL["plain"])
            if again != 0:
                complaints.append(f"the next spawn: {again!r}")
        return outcome, complaints

    async def _outcome_of(self, scenario):
        try:
            return await asyncio.wait_for(scenario.body(self._injector), patience.seconds)
        except Exception as error:
            return error.with_traceback(None)

    def _judge(self, case, outcome):
        if not isinstance(outcome, Exception):
            right = case.scenario.is_right(outcome, case.err)
            return [] if right else [f"{outcome!r:.300} is not the answer"]
        if not case.err or case.has_to_be_served():
            return [f"the program sees {outcome!r}"]
        return [] if number_of(outcome) == case.err else [f"{outcome!r} is another error"]

    def _settle(self):
        """Wait until nothing is left of the case; return what is left for good."""
        end = time.monotonic() + patience.seconds
        while (left := self._left()) and time.monotonic() < end:
            # What a loop leaves to the background has no event to wait for.
            time.sleep(0.0005)
        return left

    def _left(self):
        gc.collect()
        left = leftovers.difference(self._before)
        if (threads := leftovers.threads()) > 1:
            left["threads"] = threads
        left.update({name: n for name, n in _engine.live_objects().items() if n})
        return left
