from asyncio import AbstractEventLoop
from typing import Any

from typing_extensions import Self, disjoint_base

from procession._ends import ReadEnd, WriteEnd
from procession._spawn import Newborn
from procession._waiter import Waiter
from procession.spec import Spec

_Streams = tuple[WriteEnd | None, ReadEnd | None, ReadEnd | None]

@disjoint_base
class Child(Newborn):
    def __new__(
        cls, loop: AbstractEventLoop, command: Spec, streams: _Streams, owner: Any = None
    ) -> Self: ...
    @property
    def detached(self) -> bool: ...
    def abandon(self) -> None: ...
    def close_streams(self) -> None: ...
    def detach(self) -> None: ...

def start(
    loop: AbstractEventLoop, command: Spec, streams: _Streams, owner: Any = None
) -> tuple[Child, Waiter]: ...
