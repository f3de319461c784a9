"""Whatever call of the core fails or takes long, what comes of it is known.

Each way is walked in an interpreter of its own, by run_walk.py.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from helpers.own_interpreter import run_session

PROGRAM = pathlib.Path(__file__).with_name("run_walk.py")
SECONDS = 300
DEEP_SECONDS = 3000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(os.environ.get("CC", "cc")) is None, reason="no C compiler for the injector"
    ),
]


@pytest.mark.timeout(DEEP_SECONDS + 20)
@pytest.mark.parametrize("way", ["first", "pidfd", "thread", "sigchld", "table"])
def test_every_fault_has_its_outcome(way, request, record_property):
    options = request.config.option
    if options.refuse or (options.backend, options.table) != ("pidfd", "auto"):
        pytest.skip("each way is walked by itself")
    command = [sys.executable, PROGRAM, *["--deep"] * options.deep, way]

    with tempfile.TemporaryFile("w+") as out:
        streams = {"stdout": out, "stderr": subprocess.STDOUT}
        ended = run_session(command, DEEP_SECONDS if options.deep else SECONDS, **streams)
        out.seek(0)
        said = out.read()

    assert ended == 0, said
    (cases,) = re.findall(r"^(\d+) cases,", said, flags=re.MULTILINE)
    record_property("faults", int(cases))
