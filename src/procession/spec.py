"""What to run and how: the keywords of subprocess.Popen, checked as Popen checks them, and
`limits`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from subprocess import STDOUT
from typing import IO, Any

from procession.limits import Limits

StrOrBytesPath = str | bytes | PathLike[str] | PathLike[bytes]
Stream = int | IO[Any] | None
Environment = Mapping[str, StrOrBytesPath] | Mapping[bytes, StrOrBytesPath]

UNIX_SHELL = "/bin/sh"


class Spec:
    """One child to be: read by the extension modules, attribute by attribute."""

    __slots__ = (
        "args",
        "close_fds",
        "cwd",
        "env",
        "executable",
        "gid",
        "gids",
        "limits",
        "pass_fds",
        "pipesize",
        "preexec_fn",
        "process_group",
        "restore_signals",
        "start_new_session",
        "stderr",
        "stdin",
        "stdout",
        "uid",
        "umask",
    )

    def __init__(
        self,
        args: list[StrOrBytesPath],
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
        *,
        executable: StrOrBytesPath | None = None,
        preexec_fn: Callable[[], Any] | None = None,
        close_fds: bool = True,
        cwd: StrOrBytesPath | None = None,
        env: Environment | None = None,
        startupinfo: Any = None,
        creationflags: int = 0,
        restore_signals: bool = True,
        start_new_session: bool = False,
        pass_fds: Iterable[int] = (),
        user: str | int | None = None,
        group: str | int | None = None,
        extra_groups: Iterable[str | int] | None = None,
        umask: int = -1,
        pipesize: int | None = -1,
        process_group: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        if stdout is STDOUT and sys.version_info >= (3, 13):
            raise ValueError("STDOUT can only be used for stderr")
        if pipesize is None:
            pipesize = -1
        if not isinstance(pipesize, int):
            raise TypeError("pipesize must be an integer")
        if pass_fds and not close_fds:
            warnings.warn("pass_fds overriding close_fds.", RuntimeWarning, stacklevel=4)
            close_fds = True
        if startupinfo is not None:
            raise ValueError("startupinfo is only supported on Windows platforms")
        if creationflags != 0:
            raise ValueError("creationflags is only supported on Windows platforms")
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be procession.Limits, not {type(limits).__name__}")
        self.gid = None if group is None else group_id(group)
        self.gids = None if extra_groups is None else group_ids(extra_groups)
        self.uid = None if user is None else user_id(user)
        self.args = args
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.executable = args[0] if executable is None else executable
        self.preexec_fn = preexec_fn
        self.close_fds = close_fds
        self.cwd = cwd
        self.env = env
        self.restore_signals = restore_signals
        self.start_new_session = start_new_session
        self.pass_fds = pass_fds
        self.umask = umask
        self.limits = limits
        self.pipesize = pipesize
        self.process_group = -1 if process_group is None else process_group


# What the interpreter says of an unknown keyword names the function.
Spec.__init__.__qualname__ = "Popen.__init__"


def group_id(group: str | int) -> int:
    if isinstance(group, str):
        import grp

        gid = grp.getgrnam(group).gr_gid
    elif isinstance(group, int):
        gid = group
    else:
        raise TypeError(f"Group must be a string or an integer, not {type(group)}")
    if gid < 0:
        raise ValueError(f"Group ID cannot be negative, got {gid}")
    return gid


def group_ids(groups: Iterable[str | int]) -> list[int]:
    if isinstance(groups, str):
        raise ValueError("Groups must be a list, not a string")
    gids = []
    for group in groups:
        if not isinstance(group, (str, int)):
            raise TypeError(f"Items in extra_groups must be a string or integer, not {type(group)}")
        gids.append(group_id(group))
    return gids


def user_id(user: str | int) -> int:
    if isinstance(user, str):
        import pwd

        uid = pwd.getpwnam(user).pw_uid
    elif isinstance(user, int):
        uid = user
    else:
        raise TypeError("User must be a string or an integer")
    if uid < 0:
        raise ValueError(f"User ID cannot be negative, got {uid}")
    return uid


def refuse_text_mode(
    is_shell: bool,
    *,
    shell: bool | None = None,
    universal_newlines: Any = False,
    bufsize: int = 0,
    text: Any = None,
    encoding: str | None = None,
    errors: str | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """Refuse what asyncio refuses; return what is left.

    Raises:
        ValueError: with asyncio's message. The streams carry bytes.
    """
    if universal_newlines:
        raise ValueError("universal_newlines must be False")
    if shell is not None and bool(shell) != is_shell:
        raise ValueError(f"shell must be {is_shell}")
    if bufsize != 0:
        raise ValueError("bufsize must be 0")
    if text:
        raise ValueError("text must be False")
    if encoding is not None:
        raise ValueError("encoding must be None")
    if errors is not None:
        raise ValueError("errors must be None")
    return rest
