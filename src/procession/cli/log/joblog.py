"""The job log: a line for each job that has ended, in GNU parallel's columns."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from procession.cli.errors import UsageError
from procession.cli.log.exits import exit_of
from procession.cli.log.finished import HEADER, Finished, field_of

if TYPE_CHECKING:
    from procession.cli.run.jobs import Ended

# Of a file system that has no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class JoblogError(OSError):
    """The log cannot be written; what is in it is true."""

    def __str__(self) -> str:
        return (
            f"the joblog {self.filename!r} cannot be written: {self.strerror}; what is in it is "
            "true, and --resume runs the other jobs"
        )


class Joblog:
    """A file with a line for each job that has ended.

    A line is written by one call, to the end of the file, as its job ends. One that a full
    disk cut off is taken back at once; one that is torn because this process was killed or
    the power failed, when the log is resumed. Nothing waits for the disk: a power failure can
    take the last seconds' lines along, and their jobs run again. A regular file is locked as
    long as it is open, against other runs, not against other programs.

    Args:
        path: of the file; replaced, unless one of the following is true.
        resume: all jobs in it are done, and more lines are written to its end.
        resume_failed: those of them that failed are not done; goes before `resume`.

    Raises:
        UsageError: the file cannot be opened, is in use by another run, or is no job log
            that could be resumed.
        JoblogError: it cannot be written; add(), write() and close() raise it as well.
    """

    def __init__(self, path: str, resume: bool = False, resume_failed: bool = False) -> None:
        self._path = path
        self._finished = Finished()
        self._resumes = resume or resume_failed
        try:
            mode = os.O_RDWR if self._resumes else os.O_WRONLY
            self._fd = os.open(path, mode | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, 0o666)
        except OSError as error:
            raise UsageError(f"the joblog {path!r} cannot be opened: {error.strerror}") from error
        try:
            self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)
            if self._regular:
                self._lock()
            if self._begin(failed_again=resume_failed) == 0:
                self._write(HEADER)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(error, JoblogError):
                raise UsageError(f"the joblog {path!r} is of no use: {error.strerror}") from error
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"the joblog {self._path!r} is in use by another run") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise

    def _begin(self, failed_again: bool) -> int:
        """Read what counts of the file and cut off the rest; return its size then."""
        size = 0
        if self._resumes:
            if not self._regular:
                raise UsageError(f"the joblog {self._path!r} is no file that could be resumed")
            try:
                size = self._finished.read(self._fd, failed_again)
            except UsageError as error:
                raise UsageError(f"the joblog {self._path!r} is none: {error}") from None
        if self._regular:
            os.ftruncate(self._fd, size)
        return size

    @property
    def done(self) -> int:
        """How many jobs there are that skips() is true for."""
        return self._finished.count

    @property
    def torn(self) -> int:
        """How many lines in the middle of the file were torn, whose jobs run again."""
        return self._finished.torn

    def skips(self, number: int) -> bool:
        """Say whether a job need not run, because an earlier run has done it."""
        return number in self._finished

    def differs(self, number: int, command: str) -> bool:
        """Say whether a job that is skipped had another command line when it ran.

        GNU parallel does not look at that. It is wrong, by chance, once in 4 billion.
        """
        return self._finished.differs(number, command)

    def add(self, ended: Ended) -> None:
        """Write a job's line.

        Raises:
            ValueError: the log is closed.
        """
        line = self.line_of(ended)
        if line is not None:
            self.write(line)

    def line_of(self, ended: Ended) -> bytes | None:
        """Return a job's line.

        One that was cancelled has none, so that it runs when the log is resumed.
        """
        job, result = ended.job, ended.result
        if result.reason == "cancelled":
            return None
        exit_value, signal = exit_of(result)
        sent = 0 if job.input is None else len(job.input)
        received = 0 if ended.stdout is None else ended.stdout.size
        # Tabs of a command stay: it is the last column.
        return b"%d\t:\t%.3f\t%10.3f\t%d\t%d\t%d\t%d\t%b\n" % (
            job.number,
            result.started,
            result.duration,
            sent,
            received,
            exit_value,
            signal,
            field_of(job.command),
        )

    def write(self, line: bytes) -> None:
        """Write a line that line_of() has made.

        Raises:
            ValueError: the log is closed.
        """
        if self._fd < 0:
            raise ValueError("the joblog is closed")
        self._write(line)

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:] if written else line)
        except OSError as error:
            self._take_back(written)
            raise JoblogError(error.errno, error.strerror, self._path) from error

    def _take_back(self, written: int) -> None:
        """Cut off what was written of a line, unless somebody else went on behind it."""
        if written and self._regular:
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if os.fstat(self._fd).st_size == end:
                os.ftruncate(self._fd, end - written)

    def close(self) -> None:
        """Close the file. Twice is fine."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            os.close(fd)
        except OSError as error:
            raise JoblogError(error.errno, error.strerror, self._path) from error
