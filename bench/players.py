"""The implementations as run.py sees them: something that answers with samples."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from affinity import confined
from build import child, limit
from measure import Refused

WORKER = Path(__file__).resolve().parent / "worker.py"


class Failed(Exception):
    """No sample: a wrong answer, an exception, a crash, or no answer in time."""


class Missing(Failed):
    """The implementation is not installed."""


class Worker:
    """A long-lived process for one Python implementation, restarted when it is lost."""

    def __init__(self, name):
        self.name = name
        self.start()

    def start(self):
        self.used = False
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self.received = b""
        hello = self.answer(30)
        if "missing" in hello:
            self.close()
            raise Missing(hello["missing"])
        self.version = hello["version"]

    def takes_part_in(self, workload):
        return not workload.players or self.name in workload.players

    def sample(self, workload, params, timeout):
        if workload.fresh and self.used:
            self.close()
        if self.process.returncode is not None:
            self.start()
        self.used = True
        request = {
            "function": workload.function,
            "params": params,
            "one_cpu": workload.one_cpu,
        }
        # A worker that has died meanwhile shows as the end of its answers.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        answer = self.answer(timeout)
        if "error" in answer:
            self.close()
            raise Failed(answer["error"])
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["sample"]

    def answer(self, timeout):
        deadline = time.monotonic() + timeout
        stdout = self.process.stdout
        while not self.received.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            if not select.select([stdout], [], [], left)[0]:
                self.close()
                raise Failed(f"no answer in {timeout} s")
            block = os.read(stdout.fileno(), 65536)
            if not block:
                self.close()
                raise Failed(f"the worker ended with {self.process.returncode}")
            self.received += block
        answer, self.received = json.loads(self.received), b""
        return answer

    def close(self):
        """End the worker and the children that it has left."""
        if self.process.returncode is not None:
            return
        # The leader is reaped after the signal, so the group's number is still its own.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Limit:
    """The C programs, one process each time."""

    def __init__(self, pad=False):
        self.version = "one thread, launch pad" if pad else "one thread"
        self.pad = pad

    def takes_part_in(self, workload):
        return workload.pad if self.pad else bool(workload.limit)

    def sample(self, workload, params, timeout):
        program, child_name, *names = workload.limit
        command = [limit(program), child(child_name)]
        command += [str(params[name]) for name in names]
        if self.pad:
            command.append("pad")
        with tempfile.NamedTemporaryFile() as stamps:
            if workload.function == "exits":
                command.append(stamps.name)
            with confined(workload.one_cpu):
                return self.run(command, timeout)

    def run(self, command, timeout):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        try:
            done = subprocess.run(command, timeout=timeout, **streams)
        except subprocess.TimeoutExpired:
            raise Failed(f"no answer in {timeout} s") from None
        if done.returncode != 0:
            raise Failed(f"{Path(command[0]).name} ended with {done.returncode}")
        return json.loads(done.stdout)

    def close(self):
        pass
