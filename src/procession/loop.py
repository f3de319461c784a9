"""Put this package under programs that call asyncio."""

from __future__ import annotations

import asyncio
import asyncio.subprocess
from typing import Any

from procession.subprocess import create_subprocess_exec, create_subprocess_shell

_OURS = {
    "create_subprocess_exec": create_subprocess_exec,
    "create_subprocess_shell": create_subprocess_shell,
}
_MODULES = (asyncio, asyncio.subprocess)
_originals: list[tuple[Any, str, Any]] = []


def install() -> None:
    """Make asyncio.create_subprocess_exec and _shell those of this package.

    Libraries that call asyncio get them, too, unless they imported the functions by name
    before. A second call changes nothing.
    """
    if _originals:
        return
    for module in _MODULES:
        for name, function in _OURS.items():
            _originals.append((module, name, getattr(module, name)))
            setattr(module, name, function)


def uninstall() -> None:
    """Undo install()."""
    while _originals:
        module, name, function = _originals.pop()
        setattr(module, name, function)
