"""EventLoopPolicy, on the versions of Python that have policies."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any


def make_policy(loop_factory: Any) -> type:
    """Return the class EventLoopPolicy: asyncio's default policy with another kind of loop.

    Raises:
        AttributeError: this Python has no policies any more.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        base: Any = asyncio.DefaultEventLoopPolicy

    return type(
        "EventLoopPolicy",
        (base,),
        {
            "__doc__": "asyncio's default policy, whose loops are procession.EventLoop.",
            "__module__": "procession",
            "_loop_factory": loop_factory,
        },
    )
