from collections.abc import Callable
from typing import Any

from typing_extensions import Self, disjoint_base

from procession._spawn import Newborn
from procession.completed import Completed
from procession.spec import Spec

NOT_FOUND: int
NOT_EXECUTABLE: int
NOT_STARTED: int

def argv_of(args: Any, shell: bool, executable: Any) -> list[Any]: ...

@disjoint_base
class Terms:
    spec: Spec
    executable: Any
    shell: bool
    input: bytes | None
    timeout: float | None
    idle_timeout: float | None
    retries: int
    priority: int
    weight: int
    backoff: Callable[[int], float] | None
    def __init__(
        self,
        spec: Spec,
        *,
        executable: Any = None,
        shell: bool = False,
        input: bytes | None = None,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        eof_grace: float | None = None,
        grace: float = 5.0,
        max_output: int | None = None,
        stops_overflow: bool = False,
        text: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        retries: int = 0,
        backoff: Callable[[int], float] | None = None,
        priority: int = 0,
        weight: int = 1,
    ) -> None: ...
    def decode(self, data: bytes | None, is_cut: bool = False) -> Any: ...

@disjoint_base
class Sink: ...

@disjoint_base
class Shot(Newborn):
    terms: Terms
    item: Any
    args: Any
    reason: str | None
    error: Exception | None
    slot: int
    attempts: int
    index: int
    def __new__(cls, terms: Terms, args: Any, index: int = 0, attempts: int = 1) -> Self: ...
    def relay(
        self, out: Callable[[bytes], object] | None, err: Callable[[bytes], object] | None
    ) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def send_signal(self, sig: int) -> None: ...
    def end(self, reason: str = "cancelled", grace: float | None = None) -> None: ...
    def result(self) -> Completed: ...
