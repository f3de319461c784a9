"""Commands that come one by one, some of which run at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from procession._batch import Batch
from procession.batch import drop, seconds_of_grace
from procession.command import Attempt, Options, count_of
from procession.completed import Completed
from procession.cpus import usable_cpus
from procession.trace import Trace


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool does and has done.

    Attributes:
        concurrency: how much may run at once.
        used: how much of that is in use, by weight.
        running, queued: commands that run, and that wait for their turn.
        delayed: commands that failed and are to be tried again after a while.
        done: results there were; of these, failed: that were not `ok`.
        retried: attempts after the first ones.
    """

    concurrency: int
    used: int
    running: int
    queued: int
    delayed: int
    done: int
    failed: int
    retried: int


class Pool:
    """Runs commands that are submitted one by one, so many at a time.

    `async with Pool(64) as pool: result = await pool.submit([...])`. Leaving the block waits
    for all that was submitted; leaving it by an exception or a cancellation ends what runs,
    and waits for that. To be made where the event loop runs, and used there only. A pool that
    is dropped ends what runs in the back.

    What the trace or a function for `backoff` raises costs no result: it is raised on leaving
    the block.
    """

    def __init__(
        self,
        concurrency: int | None = None,
        *,
        prepare: Callable[[Attempt], object] | None = None,
        trace: str | PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        """
        Args:
            concurrency: how much may run at once. None: as map() has it.
            prepare: as map() has it.
            trace: a file to write Chrome trace events to, for Perfetto.
            options: keywords of run() and map() that all commands share.
        """
        most = usable_cpus() if concurrency is None else count_of(concurrency, "concurrency", 1)
        self._options = Options(options)
        self._batch = Batch(
            asyncio.get_running_loop(), self._options.shared, self._options.terms_of, most
        )
        self._batch.prepare = prepare
        self._trace = None if trace is None else Trace(fspath(trace))
        self._batch.trace = self._trace
        self._is_open = True

    @property
    def concurrency(self) -> int:
        """How much may run at once. It can be changed at any time; what runs goes on."""
        return self._batch.capacity

    @concurrency.setter
    def concurrency(self, value: int) -> None:
        self._batch.resize(count_of(value, "concurrency", 1))

    def submit(
        self,
        command: Any,
        *,
        priority: int | None = None,
        weight: int | None = None,
        **options: Any,
    ) -> asyncio.Future[Completed]:
        """Queue a command; return a future of its Completed.

        The future never holds an exception: what goes wrong with a command is in its result.
        Cancelling it ends the command.

        Args:
            command: what run() takes, or a Command.
            priority: a command with a larger one is begun first; 0 if None.
            weight: as how many commands it counts; 1 if None. One that weighs more than the
                whole concurrency runs by itself.
            options: further keywords of run() for this command, except check.

        Raises:
            TypeError, ValueError: for an option that run() would not take.
            RuntimeError: the pool is closed.
        """
        if not self._is_open:
            raise RuntimeError("the pool is closed")
        if priority is not None:
            options["priority"] = priority
        if weight is not None:
            options["weight"] = weight
        terms, args = self._options.terms_of(command, **options)
        batch = self._batch
        future: asyncio.Future[Completed] = batch.loop.create_future()
        number = batch.put(args, future, terms)

        def look(done: asyncio.Future[Completed]) -> None:
            if done.cancelled():
                batch.stop_one(number)

        future.add_done_callback(look)
        return future

    def stats(self) -> PoolStats:
        """Return what the pool does and has done."""
        batch = self._batch
        return PoolStats(
            concurrency=batch.capacity,
            used=batch.used,
            running=len(batch.running),
            queued=batch.queued,
            delayed=len(batch.delayed),
            done=batch.done,
            failed=batch.failed,
            retried=batch.retried,
        )

    def why_waiting(self) -> str | None:
        """Say in a sentence why no more is begun; None if nothing waits."""
        batch = self._batch
        if batch.queued:
            if batch.stall is not None:
                return (
                    f"the machine has no more to give ({batch.stall}): waiting for a child to end"
                )
            weight = batch.next_weight()
            free = batch.capacity - batch.used
            if free <= 0:
                return f"all {batch.capacity} places are in use"
            if weight > free:
                return f"the next command takes {weight} places, and {free} are free"
            return "the next command is about to be begun"
        if batch.delayed:
            return f"{len(batch.delayed)} commands are to be tried again after a while"
        return None

    async def drain(self) -> None:
        """Wait until all that was submitted so far, and meanwhile, is done."""
        while (idle := self._batch.begin_idle()) is not None:
            await idle
            # Who awaits the last result goes on first, and may submit more.
            await asyncio.sleep(0)

    async def cancel(self, grace: float | None = None) -> None:
        """End what runs, and give up what waits; all are results with the reason "cancelled".

        Waits until everything has ended. The pool is closed then.

        Args:
            grace: how many seconds there are between SIGTERM and SIGKILL. None: as many as
                each command was submitted with.

        Raises:
            ValueError: grace is negative, or not a number.
        """
        patience = None if grace is None else seconds_of_grace(grace)
        self._is_open = False
        self._batch.stop(patience)
        await self.drain()

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            if kind is None:
                try:
                    await self.drain()
                except asyncio.CancelledError:
                    await self.cancel()
                    raise
            # After a GeneratorExit nothing can be awaited.
            if kind is not GeneratorExit:
                await self.cancel()
        finally:
            self._close()
        if kind is None and self._batch.failure is not None:
            raise self._batch.failure

    def _close(self) -> None:
        self._is_open = False
        try:
            drop(self._batch)
        finally:
            if self._trace is not None:
                self._trace.close()

    def __del__(self) -> None:
        # Not where the constructor has raised, nor of a copy in a process that was forked.
        if getattr(self, "_is_open", False) and self._batch.pid == os.getpid():
            self._close()
