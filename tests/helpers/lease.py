"""A program whose execve() stands still until it is let go."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys

# Shorter than the 45 seconds after which the kernel breaks a lease by force.
GIVES_UP_AFTER = 2

HOLDER = """
import fcntl, os, select, signal, sys
path, seconds = sys.argv[1], float(sys.argv[2])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fd = os.open(path, os.O_RDONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.sigwait([signal.SIGIO])
print("wanted", flush=True)
told, _, _ = select.select([0], [], [], seconds)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
print("told" if told else "gave up", flush=True)
"""


def leases_work(directory):
    """Say whether the file system of a directory has leases."""
    path = os.path.join(directory, "probe")
    with open(path, "wb"):
        pass
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class LeasedProgram:
    """A copy of true(1) under a write lease that another process holds."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "leased")

    def __enter__(self):
        shutil.copy(shutil.which("true"), self.path)
        self._holder = subprocess.Popen(
            [sys.executable, "-S", "-c", HOLDER, self.path, str(GIVES_UP_AFTER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout.readline() == "held\n"
        return self

    def __exit__(self, *exc_info):
        self._holder.send_signal(signal.SIGKILL)
        self._holder.communicate()

    async def wanted(self):
        """Wait until a child stands in execve()."""
        read = asyncio.get_running_loop().run_in_executor
        assert await read(None, self._holder.stdout.readline) == "wanted\n"

    def let_go(self):
        """Let the execve() go on; say whether it had stood still until now."""
        try:
            self._holder.stdin.write("x")
            self._holder.stdin.flush()
        except BrokenPipeError:
            pass
        return self._holder.stdout.readline() == "told\n"
