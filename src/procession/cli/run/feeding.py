"""The jobs one after another, each when it may begin."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from procession import Command
from procession.cli.control.gate import Gate
from procession.cli.inputs.blocks import blocks_of
from procession.cli.inputs.sources import Sources
from procession.cli.run.jobs import Job
from procession.cli.run.reporting import Reports
from procession.cli.template.template import Template

STDIN = 0


class Feeding:
    """Makes jobs of values, or of blocks of standard input.

    Attributes:
        waits: whether a job may have to wait for more than a slot.
        total: how many jobs there are, None if that is not known yet.
    """

    def __init__(
        self, options: Namespace, sources: Sources, template: Template, reports: Reports
    ) -> None:
        load = None if options.load is None else options.load.bound()
        self._gate = Gate(options.delay, load, options.mem_free)
        self.waits = not (options.delay is None and load is None and options.mem_free is None)
        self._options = options
        self._sources = sources
        self._template = template
        self._reports = reports
        self._has_differed = False
        self._number = 0
        self._is_all = False

    @property
    def reason(self) -> str | None:
        """What the next job waits for, if not for a slot."""
        return self._gate.reason

    @property
    def total(self) -> int | None:
        return self._number if self._is_all else self._sources.total

    async def jobs(self) -> AsyncIterator[Job | Command]:
        """Yield the jobs that have not been done; as the commands of map() they may wait."""
        inputs = self._blocks() if self._options.pipe else self._values()
        async with aclosing(inputs):
            async for values, data in inputs:
                self._number += 1
                if self._is_done(values):
                    continue
                if not self._gate.is_open():
                    await self._gate.wait()
                self._gate.begin()
                job = Job(self._number, values, "", 0, 0, 0.0, data)
                yield job if data is None else Command(job, input=data)
        self._is_all = True

    async def _values(self) -> AsyncGenerator[tuple[tuple[str, ...], None], None]:
        async with aclosing(self._sources.batches()) as batches:
            async for batch in batches:
                for values in batch:
                    yield values, None

    async def _blocks(self) -> AsyncGenerator[tuple[tuple[str, ...], bytes], None]:
        async with aclosing(blocks_of(self._options, STDIN)) as pieces:
            async for piece in pieces:
                yield (), piece

    def _is_done(self, values: tuple[str, ...]) -> bool:
        log = self._reports.log
        if log is None or not log.skips(self._number):
            return False
        self._reports.progress.skip()
        if not self._has_differed and not self._template.needs_slot:
            command = self._template.render(values, self._number, 0).text
            self._has_differed = log.differs(self._number, command)
            if self._has_differed:
                self._reports.say(
                    f"job {self._number} is skipped, and was another one when it was logged"
                )
        return True
