from typing_extensions import Self, disjoint_base

from procession._ends import ReadEnd, WriteEnd

@disjoint_base
class Capture(ReadEnd):
    error: Exception | None
    def __new__(cls, head: int = -1, tail: int = 0) -> Self: ...

class Feed(WriteEnd):
    def __new__(cls) -> Self: ...
