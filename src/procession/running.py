"""One command, from its start to its end, in one call."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from procession._batch import Single
from procession.command import BATCH_OPTIONS, terms_for
from procession.completed import CommandTimedOut, Completed
from procession.limits import Limits
from procession.spec import Stream


async def run(
    args: Any,
    *,
    shell: bool = False,
    input: Any = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    max_output: int | None = None,
    overflow: Literal["truncate", "end"] = "truncate",
    idle_timeout: float | None = None,
    eof_grace: float | None = None,
    grace: float = 5.0,
    limits: Limits | None = None,
    **popen: Any,
) -> Completed:
    """Run a command, wait for its end, and return what has become of it.

    As subprocess.run(), with all keywords of subprocess.Popen, and without holding up the
    event loop. A timeout or a cancellation ends all that the command has started: SIGTERM,
    after `grace` seconds SIGKILL, and then it is reaped.

    Args:
        args: a list; a string, for `shell=True` or as the name of a program; or a path.
        input: bytes, or str in text mode, to be written to the standard input.
        capture_output: gather both outputs; as stdout=PIPE, stderr=PIPE.
        timeout: how many seconds the command may take, start included.
        check: raise CommandFailed unless it ends with status 0.
        text, encoding, errors: decode the outputs, as subprocess.run() does.
        max_output: how many bytes of each output are kept: all of it up to so many, else
            the first and the last half with a line between that says how many bytes were
            left out. None: everything.
        overflow: what becomes of a command whose output is longer: "truncate" lets it go on,
            "end" ends it, with the first max_output bytes kept.
        idle_timeout: how many seconds the command may go without output.
        eof_grace: how many seconds after the exit to wait for the ends of the outputs, which
            others may hold open. None: as long as it takes, as subprocess.run() does.
        grace: how many seconds there are between SIGTERM and SIGKILL; 0: SIGKILL at once.
        limits: what the command may use.
        popen: further keywords of subprocess.Popen.

    Raises:
        CommandFailed: with check, a subprocess.CalledProcessError.
        CommandTimedOut: a subprocess.TimeoutExpired, with the output so far as bytes. The
            command has been ended.
        OSError, ValueError, TypeError: it could not be started, as for subprocess.run().
        asyncio.CancelledError: the command has been ended. Cancelled again meanwhile, this
            returns at once: SIGKILL was sent then, and the event loop does the rest.
    """
    for name in popen.keys() & BATCH_OPTIONS:
        raise TypeError(f"run() got an unexpected keyword argument '{name}'")
    terms = terms_for(
        shell=shell,
        input=input,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        capture_output=capture_output,
        timeout=timeout,
        text=text,
        encoding=encoding,
        errors=errors,
        max_output=max_output,
        overflow=overflow,
        idle_timeout=idle_timeout,
        eof_grace=eof_grace,
        grace=grace,
        limits=limits,
        **popen,
    )
    single = Single(asyncio.get_running_loop(), terms, args)
    try:
        await single.begin()
        return result_of(single, check)
    except asyncio.CancelledError:
        await outwait(single)
        raise
    except BaseException:
        single.drop()
        raise
    finally:
        # It may hold what is raised, whose traceback holds this frame.
        del single


async def outwait(single: Single) -> None:
    """End a command whose caller was cancelled, and wait for that."""
    try:
        waiter = single.again()
        single.stop()
        await waiter
    except BaseException:
        single.drop()
        raise


def result_of(single: Single, check: bool) -> Completed:
    shot = single.shot
    result: Completed | None = None
    try:
        result = shot.result()
        timeout = {"timeout": shot.terms.timeout, "idle": shot.terms.idle_timeout}.get(
            result.reason
        )
        if timeout is not None:
            raise CommandTimedOut(result, timeout, *single.so_far())
        if check or result.error is not None:
            result.check_returncode()
        return result
    finally:
        # As above.
        del single, shot, result
