"""The command `procession`, and what it answers without the package.

Importing the package imports asyncio, which takes several times as long as an interpreter
takes to start. What is asked often, as by scripts that look for a version, needs none of it:
so this module lies outside of the package and imports nothing that is not there already.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# The same as procession.__version__, which a test compares.
VERSION = "0.1.0"


def main() -> int:
    if sys.argv[1:2] == ["--version"]:
        tell_version()
    try:
        from procession.cli.main import main as command
    except KeyboardInterrupt:
        end_interrupted()
    return command()


def tell_version() -> "NoReturn":
    try:
        print(f"procession {VERSION}", flush=True)
    except BrokenPipeError:
        from procession.cli import ending

        ending.end_without_reader()
    except OSError as error:
        from procession.cli import ending

        ending.end_unwritable(error)
    # There is nothing to tidy up, which would take longer than the answer.
    os._exit(0)


def end_interrupted() -> "NoReturn":
    """Do what procession.cli.ending does, of which there may be nothing yet."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
    os._exit(128 + signal.SIGINT)
