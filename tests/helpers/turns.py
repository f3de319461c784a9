"""Count the turns of a loop: it turned, or it stood still, whatever the clock says."""

import asyncio


class Turns:
    """Turns of the running loop while the block runs, at most one per millisecond."""

    async def __aenter__(self):
        self.count = 0
        self._task = asyncio.ensure_future(self._turn())
        return self

    async def __aexit__(self, *exc_info):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _turn(self):
        while True:
            await asyncio.sleep(0.001)
            self.count += 1


async def turn(n):
    """Let the loop turn n times."""
    for _ in range(n):
        await asyncio.sleep(0.001)
