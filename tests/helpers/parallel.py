"""GNU parallel, where it is installed, to compare with."""

import functools
import os
import shutil
import subprocess
import tempfile

import pytest


def found():
    """Return its path; there are other programs of this name."""
    path = shutil.which("parallel")
    if path is None:
        return None
    version = subprocess.run([path, "--version"], capture_output=True).stdout
    return path if b"GNU parallel" in version else None


PARALLEL = found()
COMMAND = [PARALLEL, "--will-cite"]

needs_parallel = pytest.mark.skipif(PARALLEL is None, reason="GNU parallel is not installed")


@functools.cache
def home():
    """Return where it keeps what it has measured of the machine: once is enough for all tests."""
    return tempfile.TemporaryDirectory(prefix="parallel-")


def settings():
    """Return the variables with which it runs commands by sh, and finds no user's options."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home().name,
        "PARALLEL_HOME": home().name,
        "SHELL": "/bin/sh",
        "PARALLEL_SHELL": "/bin/sh",
    }
