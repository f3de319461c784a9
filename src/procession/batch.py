"""Many commands, a few at a time, as an asynchronous iterator of their results."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Callable, Iterable
from os import PathLike, fspath
from typing import Any

from procession._batch import Batch
from procession.command import Attempt, Backoff, Command, Options, count_of
from procession.completed import Completed
from procession.cpus import usable_cpus
from procession.trace import Trace


def drop(batch: Batch) -> None:
    """End what runs, from whatever thread the garbage collector works on."""
    loop = batch.loop
    if loop.is_closed():
        return
    if asyncio._get_running_loop() is loop:
        batch.drop()
    else:
        loop.call_soon_threadsafe(batch.drop)


# In seconds; what is longer is for ever.
LONGEST_GRACE = 1e9


def seconds_of_grace(grace: float) -> float:
    if not grace >= 0:
        raise ValueError(f"grace must be 0 or more seconds, not {grace}")
    return min(grace, LONGEST_GRACE)


class Results:
    """The results of map(): an asynchronous iterator, and a context manager."""

    def __init__(self, batch: Batch, feed: AsyncIterable[Any] | None, trace: Trace | None) -> None:
        self._batch = batch
        self._feed = feed
        self._feeder: asyncio.Task[None] | None = None
        self._trace = trace
        self._is_open = True
        self._is_awaited = False
        self._is_feeder_ended = False

    def __aiter__(self) -> Results:
        return self

    async def __anext__(self) -> Completed:
        """Return the next result.

        Cancelled, it ends the batch and waits for that, as it would end an asynchronous
        generator.

        Raises:
            StopAsyncIteration: there are no more, or aclose() was called meanwhile.
            RuntimeError: another task waits for a result of this already, or it is another
                event loop's.
            Exception: what the iterable of commands has raised, after the results of those
                that had begun; the same with what the trace or backoff() has raised.
        """
        batch = self._batch
        if self._is_awaited:
            raise RuntimeError("another task waits for the next result of this map()")
        if asyncio._get_running_loop() is not batch.loop:
            raise RuntimeError("this map() belongs to another event loop")
        if self._feed is not None and self._feeder is None and self._is_open:
            self._feeder = asyncio.ensure_future(feed(batch, self._feed))
        while self._is_open:
            result = batch.take()
            if result is not None:
                return result
            if batch.finished():
                failure = batch.failure
                await self.aclose()
                if failure is not None:
                    raise failure
                break
            if batch.closing:
                self._end_feeder()
            self._is_awaited = True
            waiter = batch.begin_wait()
            try:
                await waiter
            except GeneratorExit:
                # The loop was closed, or the task forgotten: there is no more waiting.
                self._drop()
                raise
            except BaseException:
                batch.wait_failed()
                await self.aclose()
                raise
            finally:
                self._is_awaited = False
                del waiter
        raise StopAsyncIteration

    def _end_feeder(self) -> None:
        """Once, so that it is not disturbed while it closes its generator."""
        if self._feeder is not None and not self._is_feeder_ended:
            self._is_feeder_ended = True
            self._feeder.cancel()

    def give_up(self) -> None:
        """Begin nothing more; what runs goes on.

        The results of what was taken from the iterable are given still, of what had not
        begun with the reason "cancelled".
        """
        self._batch.give_up()
        self._batch.wake_consumer()

    def cancel(self, grace: float | None = None) -> None:
        """Begin nothing more, and end what runs. Again with less grace is fine.

        The results of what was taken from the iterable are given still, with the reason
        "cancelled".

        Args:
            grace: how many seconds there are between SIGTERM and SIGKILL. None: as many as
                each command was given.

        Raises:
            ValueError: grace is negative, or not a number.
        """
        self._batch.stop(None if grace is None else seconds_of_grace(grace))
        self._batch.wake_consumer()

    async def aclose(self) -> None:
        """Begin nothing more, end what runs, and wait for that. Twice is fine.

        Cancelled, it waits no longer: what runs is ended in the back.
        """
        if not self._is_open:
            return
        self._is_open = False
        batch = self._batch
        try:
            batch.stop()
            batch.wake_consumer()
            if self._feeder is not None:
                self._end_feeder()
                await asyncio.wait([self._feeder])
            if (idle := batch.begin_idle()) is not None:
                await idle
        finally:
            batch.drop()
            if self._trace is not None:
                self._trace.close()

    async def __aenter__(self) -> Results:
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is GeneratorExit:
            self._drop()
        else:
            await self.aclose()

    def _drop(self) -> None:
        """End what runs in the back."""
        self._is_open = False
        loop = self._batch.loop
        drop(self._batch)
        if self._feeder is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._feeder.cancel)
        if self._trace is not None:
            self._trace.close()

    def __del__(self) -> None:
        # What a process has forked has a copy, which is none of its own.
        if self._is_open and self._batch.pid == os.getpid():
            self._drop()


async def feed(batch: Batch, commands: AsyncIterable[Any]) -> None:
    """Put commands into the batch, as there is room for them."""
    failure: BaseException | None = None
    iterator = None
    try:
        iterator = aiter(commands)
        async for command in iterator:
            if batch.closing:
                break
            batch.put(command)
            while (room := batch.begin_room()) is not None:
                await room
    except asyncio.CancelledError as error:
        if not batch.closing:
            failure = error
        raise
    except Exception as error:
        failure = error
    finally:
        try:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
        except Exception as error:
            failure = failure or error
        finally:
            batch.fed(failure)


def map(
    commands: Iterable[Any] | AsyncIterable[Any],
    *,
    concurrency: int | None = None,
    ordered: bool = False,
    timeout: float | None = None,
    retries: int = 0,
    backoff: Backoff = 1.0,
    stop_on_error: bool = False,
    input: Any = None,
    ahead: int | None = None,
    prepare: Callable[[Attempt], object] | None = None,
    trace: str | PathLike[str] | None = None,
    **options: Any,
) -> Results:
    """Run many commands, some at a time; iterate over what has become of each.

    `async for result in map(commands): ...`. A command is what run() takes as its `args`, or
    a Command with options of its own. They are taken from the iterable as there is room for
    them, so there may be millions of them. A command that fails or cannot be started is a
    result like others; but one that finds no process or descriptor left is begun again when
    a child has ended.

    To be called where the event loop runs. Leaving the loop early drops the iterator, and
    with it the batch: what runs is ended in the back. `async with map(...) as results` ends
    it on leaving, and waits for that.

    Args:
        concurrency: how many run at once. None: as many as there are processors to use,
            with regard to affinity and the quota of the control group.
        ordered: give results in the order of the commands, not in that of their ends.
        timeout: how many seconds each command may take.
        retries: how often a command that fails is tried again.
        backoff: seconds before the first retry, doubled with each one up to a minute; or a
            function of the number of attempts so far.
        stop_on_error: after the first result that is not `ok` begin no more and end what
            runs; what was taken from the iterable gives a result still, with the reason
            "cancelled".
        input: what each command gets on its standard input. None: nothing, as there is no
            sense in several children that read the same input.
        ahead: how many results may wait to be taken, beside as many as run, before no more
            is begun. None: as many as the concurrency.
        prepare: a function that is called with each Attempt as it is about to be begun, in
            its slot. What it raises is a "spawn error" of that command.
        trace: a file to write Chrome trace events to, for Perfetto.
        options: further keywords of run(), except check. max_output is 16 MiB.

    What the trace or a function for `backoff` raises is raised after the last result.

    Raises:
        TypeError, ValueError: for an option that run() would not take, and for one command
            where there should be many.
    """
    if isinstance(commands, (str, bytes, Command)):
        raise TypeError("commands must be an iterable of commands, not one command")
    most = usable_cpus() if concurrency is None else count_of(concurrency, "concurrency", 1)
    shared = Options(
        {"input": input, "timeout": timeout, "retries": retries, "backoff": backoff, **options}
    )
    asynchronous = commands if isinstance(commands, AsyncIterable) else None
    source = None if isinstance(commands, AsyncIterable) else iter(commands)
    batch = Batch(
        asyncio.get_running_loop(),
        shared.shared,
        shared.terms_of,
        most,
        source=source,
        ahead=most if ahead is None else count_of(ahead, "ahead", 0),
        ordered=ordered,
        stops_on_error=stop_on_error,
    )
    batch.feeding = asynchronous is not None
    batch.prepare = prepare
    tracer = None if trace is None else Trace(fspath(trace))
    batch.trace = tracer
    return Results(batch, asynchronous, tracer)
