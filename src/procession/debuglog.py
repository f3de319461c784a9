"""What asyncio logs of children in debug mode, in its words and under its name."""

from __future__ import annotations

import logging
from subprocess import PIPE, STDOUT
from typing import Any

from procession.spec import Spec

logger = logging.getLogger("asyncio")


def describe(pipe: Any) -> str:
    return {PIPE: "<pipe>", STDOUT: "<stdout>"}.get(pipe, repr(pipe))


def log_command(title: str, command: Spec) -> None:
    """Log what is about to be started: without arguments, which may be secret."""
    info = [title]
    if command.stdin is not None:
        info.append(f"stdin={describe(command.stdin)}")
    if command.stdout is not None and command.stderr == STDOUT:
        info.append(f"stdout=stderr={describe(command.stdout)}")
    else:
        if command.stdout is not None:
            info.append(f"stdout={describe(command.stdout)}")
        if command.stderr is not None:
            info.append(f"stderr={describe(command.stderr)}")
    logger.debug(" ".join(info))


def log_birth(args: Any, pid: int) -> None:
    program = args if isinstance(args, (bytes, str)) else args[0]
    logger.debug("process %r created: pid %s", program, pid)


def log_exit(transport: Any, returncode: int) -> None:
    logger.info("%r exited with return code %r", transport, returncode)


class Log:
    """Hears of birth and exit of a child that has no transport."""

    def __init__(self, command: Spec, args: Any) -> None:
        self._args = args
        if isinstance(args, tuple):
            self._title = f"execute program {args[0]!r}"
        else:
            self._title = f"run shell command {args!r}"
        log_command(self._title, command)

    def __repr__(self) -> str:
        return f"<Process pid={self._pid}>"

    def _started(self, child: Any) -> None:
        self._pid = child.pid
        log_birth(self._args, child.pid)
        logger.info("%s: %r", self._title, self)

    def _exited(self, returncode: int) -> None:
        log_exit(self, returncode)
