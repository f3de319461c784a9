"""Commands that end in every way there is, and what each result has to be."""

import os
import random
import shutil
import subprocess
from pathlib import Path

from procession import Command

SOURCE = Path(__file__).with_name("fate.c")
KEPT = 1000
FLOOD = 40_000
SCRIPT = """
case $1 in
say) echo $2 ;;
exit) exit $2 ;;
killed) kill -$2 $$ ;;
crash) kill -ABRT $$ ;;
flood) head -c $2 /dev/zero ;;
hang) exec sleep 3600 ;;
esac
"""


def program(folder):
    """Return the arguments of the program: compiled where that is possible, else a script."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    path = os.path.join(folder, "fate")
    for flags in (["-static"], []) if compiler else ():
        command = [compiler, "-O2", *flags, "-o", path, str(SOURCE)]
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0:
            return (path,)
    return ("/bin/sh", "-c", SCRIPT, "sh")


# For map() and Pool.
OPTIONS = {"stdout": subprocess.PIPE, "max_output": KEPT, "overflow": "truncate"}


class Fates:
    """Commands by chance, and what is expected of them."""

    def __init__(self, argv, seed):
        self.argv = argv
        self.random = random.Random(seed)
        self.expected = {}
        self.taken = 0

    def commands(self, count=None):
        while count is None or self.taken < count:
            index, self.taken = self.taken, self.taken + 1
            command, self.expected[index] = self.draw(index)
            yield command

    def draw(self, index):
        """Return a command and (reason, returncode, stdout, attempts, truncated)."""
        chance = self.random.random()
        if chance < 0.70:
            return [*self.argv, "say", str(index)], ("exit", 0, b"%d\n" % index, 1, 0)
        if chance < 0.80:
            code = self.random.randrange(1, 255)
            return [*self.argv, "exit", str(code)], ("exit", code, b"", 1, 0)
        if chance < 0.86:
            number = self.random.choice([1, 2, 9, 10, 13, 14, 15])
            return [*self.argv, "killed", str(number)], ("signal", -number, b"", 1, 0)
        if chance < 0.89:
            return [*self.argv, "crash", "0"], ("signal", -6, b"", 1, 0)
        if chance < 0.93:
            return [*self.argv, "flood", str(FLOOD)], ("exit", 0, None, 1, FLOOD - KEPT)
        if chance < 0.96:
            return ["/no/such/program", "0"], ("spawn error", 127, None, 1, 0)
        if chance < 0.995:
            again = [*self.argv, "exit", "3"]
            return Command(again, retries=2, backoff=0), ("exit", 3, b"", 3, 0)
        hangs = [*self.argv, "hang", "0"]
        return Command(hangs, timeout=0.05, grace=3600), ("timeout", -15, b"", 1, 0)

    def check(self, result):
        """Assert that a result is right, and the first one of its command."""
        reason, returncode, stdout, attempts, truncated = self.expected.pop(result.index)
        found = (result.reason, result.returncode, result.attempts, result.truncated)
        if reason == "timeout" and result.pid is None:
            # Its time was over before the loop had heard of its start.
            returncode, stdout = 125, None
        assert found == (reason, returncode, attempts, truncated), (result, found)
        if truncated:
            assert len(result.stdout) < KEPT + 100
        elif reason != "spawn error":
            assert result.stdout == stdout, result
