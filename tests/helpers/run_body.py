"""The program of an interpreter that runs one body.

Its arguments: TESTS FUNCTION MODULE EXPECTATION BACKEND TABLE.
"""

import asyncio
import faulthandler
import gc
import importlib
import inspect
import sys
import traceback
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from helpers import own_interpreter, patience  # noqa: E402


def assert_no_live_objects():
    engine = sys.modules.get("procession._engine")
    if engine is not None:
        gc.collect()
        live = {name: n for name, n in engine.live_objects().items() if n}
        assert not live, live


def main():
    faulthandler.enable()
    own_interpreter.inside = True
    tests, function, module, expectation, backend, table = sys.argv[1:]
    if expectation == "fails":
        patience.seconds = patience.EXPECTING_FAILURE
    body = getattr(importlib.import_module(tests), function)
    sp = importlib.import_module(module)
    own_interpreter.choose_ways(backend, table)
    try:
        if inspect.iscoroutinefunction(body):
            asyncio.run(body(sp))
        else:
            body(sp)
        assert_no_live_objects()
    except (AssertionError, TimeoutError, asyncio.TimeoutError):
        traceback.print_exc()
        sys.exit(own_interpreter.DOES_NOT_HOLD)


if __name__ == "__main__":
    main()
