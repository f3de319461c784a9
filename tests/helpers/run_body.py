"""The program of an interpreter that runs one body: TESTS FUNCTION MODULE EXPECTATION."""

import asyncio
import faulthandler
import importlib
import inspect
import sys
import traceback
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from helpers import own_interpreter, patience  # noqa: E402


def main():
    faulthandler.enable()
    own_interpreter.inside = True
    tests, function, module, expectation = sys.argv[1:]
    if expectation == "fails":
        patience.seconds = patience.EXPECTING_FAILURE
    body = getattr(importlib.import_module(tests), function)
    sp = importlib.import_module(module)
    try:
        if inspect.iscoroutinefunction(body):
            asyncio.run(body(sp))
        else:
            body(sp)
    except (AssertionError, TimeoutError, asyncio.TimeoutError):
        traceback.print_exc()
        sys.exit(own_interpreter.DOES_NOT_HOLD)


if __name__ == "__main__":
    main()
