"""Commands that tests run, and what can be seen of a child from outside."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time

TIMEOUT = 20.0

TRUE = ("true",)
CAT = ("cat",)
SLEEP = ("sleep", "3600")
ENV = ("/usr/bin/env",)


def sh(script, *args):
    return ("/bin/sh", "-c", script, "sh", *args)


def python(code, *args):
    return (sys.executable, "-I", "-S", "-c", code, *args)


def exit_with(code):
    return sh(f"exit {code}")


def flood(size):
    """Write size zero bytes."""
    return ("head", "-c", str(size), "/dev/zero")


def script(path, text):
    """Make an executable shell script; return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def output_of(impl, *argv, **options):
    """Run a command that must succeed; return what it wrote to stdout."""
    process = await impl.create_subprocess_exec(*argv, stdout=impl.PIPE, **options)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


def popen_output_of(*argv, **options):
    """Do what output_of does, by subprocess.Popen."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, **options) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    return output


async def start_cat(impl, **options):
    """Start cat with pipes to its stdin and from its stdout."""
    return await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE, stdout=impl.PIPE, **options)


async def end(process):
    """Kill a child and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


async def until(condition, timeout=TIMEOUT):
    """Turn the loop until condition() holds; fail if it does not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true"
        await asyncio.sleep(0.001)


async def until_still(measure, samples=20):
    """Turn the loop until measure() has not changed for a while; return it."""
    values = [measure()]
    while len(values) < samples or len(set(values[-samples:])) > 1:
        await asyncio.sleep(0.005)
        values.append(measure())
    return values[-1]


async def turns(count=10):
    """Let the loop run that many times."""
    for _ in range(count):
        await asyncio.sleep(0)


def state(pid):
    """Return the state letter of a process, "" if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_stopped(pid):
    return state(pid) == "T"


def is_gone(pid):
    """Tell whether a child of ours has been reaped, without reaping it."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def bytes_written(pid):
    """Return how much a process has written since it was forked."""
    with open(f"/proc/{pid}/io") as counters:
        fields = dict(line.split(": ") for line in counters)
    return int(fields["wchar"])


def fields_of(status):
    return dict(line.split(b":\t", 1) for line in status.splitlines())


def signal_state(status):
    """Return the blocked, ignored and caught signals of a /proc/PID/status."""
    fields = fields_of(status)
    return [int(fields[name], 16) for name in (b"SigBlk", b"SigIgn", b"SigCgt")]


def credentials(status):
    """Return the users, groups and capabilities of a /proc/PID/status."""
    fields = fields_of(status)
    return [fields[name].split() for name in (b"Uid", b"Gid", b"Groups", b"CapEff")]


def group_and_session(stat):
    """Return (pid, process group, session) of a /proc/PID/stat."""
    head, _, tail = stat.decode().rpartition(")")
    fields = tail.split()
    return int(head.split()[0]), int(fields[2]), int(fields[3])


def complaints_of(stderr):
    """Return what a program in debug mode complains of; a slow machine is no complaint."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Executing <"))
