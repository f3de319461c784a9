from asyncio import Future

from typing_extensions import disjoint_base

from procession._ends import WriteEnd

@disjoint_base
class Writer(WriteEnd):
    def _begin_drain(self) -> Future[None] | None: ...
    def _end_drain(self, waiter: Future[None]) -> None: ...
    def _closed_future(self) -> Future[None]: ...
