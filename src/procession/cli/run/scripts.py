"""Scripts whose first line names no interpreter: sh runs them, as from a shell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from procession.spec import UNIX_SHELL

# Files that execve(2) takes begin so, but for those of other systems and languages that
# somebody has made known to it.
KNOWN: Final = (b"#!", b"\x7fELF")

# Runs what the kernel takes, and reads as its own what the kernel does not take.
BY_SHELL: Final = [UNIX_SHELL, "-c", 'exec "$0" "$@"']

# Programs that are remembered, at most.
MANY: Final = 1000


class Scripts:
    """Knows which programs only a shell can run, as execvp(3) knows it that xargs calls.

    Args:
        folder: in which programs are started, None for ours.
        env: of programs, None for ours.
    """

    def __init__(self, folder: str | None, env: Mapping[str, str] | None) -> None:
        self._folder = folder or ""
        self._env = env
        # Only what is there: another may be made by a job.
        self._seen: dict[str, bool] = {}

    def runnable(self, args: list[str]) -> list[str]:
        """Return the words by which a command is run."""
        if not args:
            return args
        program = args[0]
        needs_shell = self._seen.get(program)
        if needs_shell is None:
            path = next(self._files(program), None)
            needs_shell = path is not None and not is_known(path)
            if path is not None:
                if len(self._seen) >= MANY:
                    self._seen.clear()
                self._seen[program] = needs_shell
        return [*BY_SHELL, *args] if needs_shell else args

    def _files(self, program: str) -> Iterator[str]:
        """Yield the files that may be run under this name, the first first."""
        folders = [""] if "/" in program else os.get_exec_path(self._env)
        for folder in folders:
            path = os.path.join(self._folder, folder, program)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def is_known(path: str) -> bool:
    """Return whether a program begins as those that the kernel can run."""
    try:
        with open(path, "rb") as file:
            return file.read(4).startswith(KNOWN)
    except OSError:
        # It may be run, and not be read: a script could not be read by sh either.
        return True
