"""--results DIR: what each job has written, in a directory of its own.

DIR/NUMBER/stdout, DIR/NUMBER/stderr and DIR/NUMBER/meta.json, whatever the arguments are. A
job's directory is complete if meta.json is in it: that comes last, under its name only when
it is whole, and an older one goes first.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable

from procession.cli.errors import UsageError
from procession.cli.output.records import meta_of
from procession.cli.run.jobs import Ended

META = "meta.json"


class ResultsError(OSError):
    """The results of a job could not be written; its message is a sentence."""

    def __init__(self, error: OSError, path: str) -> None:
        super().__init__(error.errno, error.strerror)
        self.path = path

    def __str__(self) -> str:
        if self.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "make room there, then run the rest with --joblog and --resume"
        else:
            advice = "choose another directory for --results"
        return f"cannot write the results to {self.path!r}: {self.strerror}; {advice}"


def prepare(directory: str | os.PathLike[str]) -> None:
    """Make the directory, if it is not there.

    Raises:
        UsageError: it cannot be made, or nothing can be made in it.
    """
    try:
        os.makedirs(directory, exist_ok=True)
        probe = os.path.join(directory, f".{os.getpid()}")
        os.mkdir(probe)
        os.rmdir(probe)
    except OSError as error:
        raise UsageError(
            f"--results: cannot write to {os.fspath(directory)!r}: {error.strerror}"
        ) from None


def write_results(directory: str | os.PathLike[str], ended: Ended) -> None:
    """Write the output and meta.json of a job that has ended.

    Raises:
        ResultsError: a file could not be written. None of the job's is left.
    """
    folder = os.path.join(directory, str(ended.job.number))
    paths = [os.path.join(folder, name) for name in (META, "stdout", "stderr")]
    meta, *streams = paths
    path = folder
    try:
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(meta)
        for path, spool in zip(streams, (ended.stdout, ended.stderr), strict=True):
            write_file(path, () if spool is None else spool.pieces())
        path = meta
        write_file(temporary(meta), [meta_of(ended)])
        os.rename(temporary(meta), meta)
    except BaseException as error:
        for left in [*paths, temporary(meta)]:
            with contextlib.suppress(OSError):
                os.unlink(left)
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        if isinstance(error, OSError):
            raise ResultsError(error, error.filename or path) from error
        raise


def write_file(path: str, pieces: Iterable[bytes]) -> None:
    with open(path, "wb", buffering=0) as file:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]


def temporary(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.part")
