"""The injector of faults, built and loaded into this interpreter."""

import ctypes
import importlib
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wstrict-prototypes", "-Wshadow", "-Werror"]
FOR_EVER = 2**31 - 1
PACKAGE = pathlib.Path(importlib.import_module("procession").__file__).parent


def plan_about(kinds):
    """Return struct faults_plan of faults.h, for so many kinds of calls."""

    class Plan(ctypes.Structure):
        _fields_ = (
            ("calls", ctypes.c_ubyte * kinds),
            ("nth", ctypes.c_int),
            ("last", ctypes.c_int),
            ("err", ctypes.c_int),
            ("delay_ns", ctypes.c_long),
        )

    return Plan


def build(directory):
    """Compile the injector; return the path of the library."""
    library = os.path.join(directory, "faults.so")
    sources = sorted(HERE.glob("faults*.c"))
    command = [os.environ.get("CC", "cc"), *FLAGS, "-O1", "-g", "-fPIC", "-shared"]
    subprocess.run([*command, *sources, "-pthread", "-o", library], check=True)
    return library


class Injector:
    """Catches the calls of the extension modules that are loaded."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as directory:
            self._library = ctypes.CDLL(build(directory))
        self._library.faults_name.restype = ctypes.c_char_p
        found = self._library.faults_attach(os.fsencode(PACKAGE))
        assert found > 0, found
        self._kinds = {}
        while name := self._library.faults_name(len(self._kinds)):
            self._kinds[name.decode()] = len(self._kinds)
        self._plan = plan_about(len(self._kinds))

    def record(self):
        """Count calls from now on."""
        self._library.faults_arm(None)

    def arm(self, calls, nth, err, *, lasting=False, delay=0.0):
        """Have the nth of these calls from now on fail, or take that many seconds; lasting:
        and all after it."""
        last = FOR_EVER if lasting else nth
        plan = self._plan(nth=nth, last=last, err=err, delay_ns=int(delay * 1e9))
        for call in calls:
            plan.calls[self._kinds[call]] = 1
        self._library.faults_arm(ctypes.byref(plan))

    def disarm(self):
        """Let all calls go on undisturbed and uncounted."""
        self._library.faults_disarm()

    def counts(self):
        """Return how often each call was made, of those that were."""
        counts = {name: self._library.faults_count(kind) for name, kind in self._kinds.items()}
        return {name: count for name, count in counts.items() if count}

    def happened(self):
        """Return how often what was asked for has happened."""
        return self._library.faults_happened()
