"""The command `procession` as a user has it: through pipes, and in a terminal."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from children import TIMEOUT

PROCESSION = [sys.executable, "-m", "procession"]
RUN = [*PROCESSION, "run"]

SOURCES = str(Path(__file__).parents[2] / "src")

# What whoever runs the tests ignores, as nohup and shells in the background do, users do not.
LEAD = """
import fcntl, os, signal, sys, termios
for name in "SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM", "SIGTSTP":
    signal.signal(getattr(signal, name), signal.SIG_DFL)
if os.isatty(0):
    # A terminal is a session's own from within only.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
LEADING = [sys.executable, "-c", LEAD]


def environment(**changes):
    """Return ours, without what users may have set for colours and widths."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "TERM": "xterm", **changes}


def run(*words, input=b"", command=RUN, **options):
    """Run `procession run` with these words to its end; return what has become of it."""
    options.setdefault("env", environment())
    return subprocess.run(
        [*command, *words], input=input, capture_output=True, timeout=3 * TIMEOUT, **options
    )


def output_of(*words, **options):
    """Return what a run prints that succeeds and has nothing to complain about."""
    done = run(*words, **options)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout


@contextlib.contextmanager
def started(*words, command=RUN, **options):
    """Start `procession run` in a session of its own; end all of it afterwards."""
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment(),
        **options,
    }
    argv = [*LEADING, *command, *words]
    with subprocess.Popen(argv, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            # It ends its jobs itself.
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(TIMEOUT)
                except subprocess.TimeoutExpired:
                    process.kill()


def wait_for(condition, timeout=TIMEOUT):
    """Wait until condition() is true, and return what it returns."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true"
        time.sleep(0.005)
    return value


class Terminal:
    """A command in a terminal of its own, as the user of which we type and read."""

    def __init__(self, *argv, rows=24, columns=80, env=None, stdout=None):
        self.screen = b""
        self._master, slave = pty.openpty()
        self.resize(rows, columns)
        self.modes = termios.tcgetattr(slave)
        # Open, because when all is closed a terminal reports an error instead of an end.
        self._slave = slave
        self.process = subprocess.Popen(
            [*LEADING, *argv],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env=env or environment(),
            start_new_session=True,
        )

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        """Type: b"\\x03" is Ctrl-C, b"\\x1a" Ctrl-Z."""
        os.write(self._master, keys)

    def read(self, seconds=0.05):
        """Read what was written, if anything was in this time."""
        if select.select([self._master], [], [], seconds)[0]:
            self.screen += os.read(self._master, 1 << 16)

    def expect(self, pattern, timeout=TIMEOUT):
        """Read until the pattern was written since the beginning; return the match."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.screen)):
            assert time.monotonic() < deadline, (pattern, self.screen[-4000:])
            assert self.process.poll() is None or self._has_more(), (pattern, self.screen)
            self.read()
        return found

    def _has_more(self):
        return bool(select.select([self._master], [], [], 0.2)[0])

    def wait(self, timeout=TIMEOUT):
        """Read until the command ends; return its exit status."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.screen[-4000:]
            self.read()
        while self._has_more():
            self.read()
        return self.process.returncode

    def text(self):
        """Return what was written without colours and movements of the cursor."""
        return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\r", b"", self.screen).decode(errors="replace")

    def modes_now(self):
        return termios.tcgetattr(self._slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.wait()
            except AssertionError:
                self.process.kill()
        self.process.wait()
        os.close(self._slave)
        os.close(self._master)
