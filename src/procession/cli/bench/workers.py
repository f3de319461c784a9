"""A process that answers requests, which are JSON, one a line, as its answers are."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any


class Failed(Exception):
    """No sample: a wrong answer, an exception, a crash, or no answer in time."""


class Worker:
    """Started at once; what it has started ends with it.

    It begins with an answer by itself, which is `hello`.

    Raises:
        Failed: that answer has not come.
    """

    def __init__(self, command: Sequence[str], timeout: float = 30) -> None:
        self.command = command
        self.timeout = timeout
        self.start()

    def start(self) -> None:
        # A session of its own: Ctrl-C is for the program that compares, which ends it.
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._received = b""
        try:
            self.hello = self._answer(self.timeout)
        except BaseException:
            self.close()
            raise

    def restart_if_lost(self) -> None:
        """Start it once more where it has been closed, by a failure for example."""
        if not self.is_alive:
            self.start()

    @property
    def is_alive(self) -> bool:
        """Whether it has not been closed."""
        return self.process.returncode is None

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Return the answer.

        Raises:
            Failed: there is none in time, or an error instead; the process is ended.
        """
        assert self.process.stdin is not None
        # A worker that has died meanwhile shows as the end of its answers.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        answer = self._answer(timeout)
        if "error" in answer:
            self.close()
            raise Failed(answer["error"])
        return answer

    def _answer(self, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        stdout = self.process.stdout
        assert stdout is not None
        while not self._received.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            if not select.select([stdout], [], [], left)[0]:
                self.close()
                raise Failed(f"no answer in {timeout} s")
            block = os.read(stdout.fileno(), 65536)
            if not block:
                self.close()
                raise Failed(f"the worker ended with {self.process.returncode}")
            self._received += block
        line, self._received = self._received, b""
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the worker and the children that it has left. Twice is fine."""
        if not self.is_alive:
            return
        # The leader is reaped after the signal, so the group's number is still its own.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
