"""The implementations as run.py sees them: something that answers with samples."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from affinity import confined
from build import child, limit
from measure import Refused
from procession.cli.bench import workers
from procession.cli.bench.workers import Failed

WORKER = Path(__file__).resolve().parent / "worker.py"


class Missing(Failed):
    """The implementation is not installed."""


class Worker:
    """A long-lived process for one Python implementation, restarted when it is lost."""

    def __init__(self, name):
        self.name = name
        self.used = False
        self.process = workers.Worker([sys.executable, str(WORKER), name])
        if "missing" in self.process.hello:
            self.close()
            raise Missing(self.process.hello["missing"])
        self.version = self.process.hello["version"]

    def takes_part_in(self, workload):
        return not workload.players or self.name in workload.players

    def sample(self, workload, params, timeout):
        if workload.fresh and self.used:
            self.close()
        self.process.restart_if_lost()
        self.used = True
        request = {
            "function": workload.function,
            "params": params,
            "one_cpu": workload.one_cpu,
        }
        answer = self.process.ask(request, timeout)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["sample"]

    def close(self):
        self.process.close()


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
