"""`python -m procession`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import procession
from procession import demo


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m procession",
        description="asyncio's subprocess system on a core of C and Cython.",
    )
    parser.add_argument(
        "--version", action="version", version=f"procession {procession.__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    what = "show the package at work, beside asyncio doing the same"
    command = commands.add_parser("demo", help=what, description=f"{what.capitalize()}.")
    demo.add_arguments(command)
    command.set_defaults(run=demo.main)
    options = parser.parse_args(arguments)
    if "run" not in options:
        parser.print_help()
        return 0
    run: int = options.run(options)
    return run


if __name__ == "__main__":
    sys.exit(main())
