"""The worked example: the output of "python -m platform", without a shell.

The first program is written as the documentation of Python 3.4 wrote it, with a
generator for a coroutine; the second says the same in the words of today.
"""

import subprocess
import sys

import pytest

from children import complaints_of

INSTALL = """
import procession
procession.install()
"""

GENERATOR = """
import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT


@asyncio.coroutine
def getstatusoutput(*command):
    process = yield from asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=STDOUT
    )
    try:
        output, _ = yield from process.communicate()
    except:
        process.kill()
        yield from process.wait()
        raise
    status = yield from process.wait()
    return status, output


loop = asyncio.get_event_loop()
status, output = loop.run_until_complete(
    getstatusoutput(sys.executable, "-m", "platform")
)
if status:
    print("Python failed with exit code %s:" % status, flush=True)
    sys.stdout.buffer.write(output)
else:
    print("Platform: %s" % output.decode("ascii").rstrip())
loop.close()
"""

MODERN = """
import asyncio
import sys
from {module}.subprocess import PIPE, STDOUT, create_subprocess_exec


async def getstatusoutput(*command):
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode, output


status, output = asyncio.run(getstatusoutput(sys.executable, "-m", "platform"))
if status:
    print(f"Python failed with exit code {{status}}:", flush=True)
    sys.stdout.buffer.write(output)
else:
    print(f"Platform: {{output.decode().rstrip()}}")
"""


def run(program, *options):
    """Run a program by this interpreter; return its status and both outputs."""
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, timeout=50
    )
    return done.returncode, done.stdout.decode(), complaints_of(done.stderr.decode())


@pytest.fixture
def platform():
    """Return what the example has to print."""
    output = subprocess.check_output([sys.executable, "-m", "platform"])
    return f"Platform: {output.decode().rstrip()}\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 11), reason="asyncio.coroutine ended with Python 3.10")
def test_the_old_example_prints_the_platform(implementation, platform):
    program = GENERATOR if implementation == "asyncio" else INSTALL + GENERATOR

    assert run(program, "-W", "ignore") == (0, platform, "")


@pytest.mark.slow
def test_the_modern_example_prints_the_platform(implementation, platform):
    program = MODERN.format(module=implementation)

    assert run(program, "-X", "dev", "-W", "error") == (0, platform, "")
