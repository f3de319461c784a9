"""The process that runs one implementation's workloads: `worker.py NAME`.

Requests come as JSON lines on standard input, answers go to standard output; the
children of the workloads get neither of the two. The first answer says whether the
implementation is here.
"""

import functools
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import traceback

from affinity import confined
from measure import Refused

# implementation -> the module that has its sp, the module that makes its loop
ON_A_LOOP = {
    "procession": ("procession.subprocess", "asyncio"),
    "procession-uvloop": ("procession.subprocess", "uvloop"),
    "asyncio": ("asyncio.subprocess", "asyncio"),
    "uvloop": ("asyncio.subprocess", "uvloop"),
    "rloop": ("asyncio.subprocess", "rloop"),
}


def load(name):
    """Return run(function name, params) of an implementation."""
    if name == "trio":
        return run_on_trio(importlib.import_module("trio"))
    if name == "anyio":
        return run_on_anyio(importlib.import_module("anyio"))
    if name == "subprocess":
        return run_blocking
    sp_name, loop_name = ON_A_LOOP[name]
    sp = importlib.import_module(sp_name)
    return functools.partial(run_on_loop, sp, importlib.import_module(loop_name))


def run_on_loop(sp, loop_module, function, params):
    import workloads

    async def main():
        await workloads.spawn(sp, 1, 1)
        gc.collect()
        return await getattr(workloads, function)(sp, **params)

    loop = loop_module.new_event_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def run_on_trio(trio):
    import workloads_trio

    async def main(function, params):
        await workloads_trio.spawn(1, 1)
        gc.collect()
        return await getattr(workloads_trio, function)(**params)

    return functools.partial(trio.run, main)


def run_on_anyio(anyio):
    import workloads_anyio

    async def main(function, params):
        await workloads_anyio.spawn(1, 1)
        gc.collect()
        return await getattr(workloads_anyio, function)(**params)

    return functools.partial(anyio.run, main)


def run_blocking(function, params):
    import workloads_blocking

    workloads_blocking.spawn(1, 1)
    gc.collect()
    return getattr(workloads_blocking, function)(**params)


def version(name):
    package = name.split("-")[0]
    if package in ("asyncio", "subprocess"):
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"


def serve(name, requests, answers):
    def answer(**members):
        answers.write(json.dumps(members) + "\n")
        answers.flush()

    try:
        run = load(name)
    except ImportError as missing:
        answer(missing=str(missing))
        return
    answer(version=version(name))
    for line in requests:
        request = json.loads(line)
        try:
            with confined(request["one_cpu"]):
                sample = run(request["function"], request["params"])
        except Refused as refusal:
            answer(refused=str(refusal))
        except Exception as error:
            traceback.print_exc()
            answer(error=f"{type(error).__name__}: {error}")
        else:
            answer(sample=sample)


def main():
    requests = os.fdopen(os.dup(0))
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    serve(sys.argv[1], requests, answers)


if __name__ == "__main__":
    main()
