from asyncio import Future

from typing_extensions import disjoint_base

from procession._ends import WriteEnd
from procession._waiter import Waiter

@disjoint_base
class Writer(WriteEnd):
    def _begin_drain(self) -> Waiter | None: ...
    def _end_drain(self, waiter: Waiter) -> None: ...
    def _closed_future(self) -> Future[None]: ...
