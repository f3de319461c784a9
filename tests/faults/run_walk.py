"""The program of an interpreter that walks: run_walk.py [--deep] WAY [SCENARIO...].

It prints what is wrong, a line each, and then the number of cases.
"""

import argparse
import faulthandler
import gc
import logging
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from faults import first_spawn, injector, scenarios, walk  # noqa: E402
from helpers import own_interpreter  # noqa: E402

# Each way with the scenarios that go it.
WITHOUT_PIDFDS = (
    *("plain", "three_pipes", "with_preexec_fn", "signalling", "cancelling"),
    *("closing_the_loop", "closing_the_loop_at_a_spawn", "several_at_once", "adopting"),
)
WAYS = {
    "pidfd": ("pidfd", "auto", tuple(scenarios.ALL)),
    "thread": ("thread", "auto", WITHOUT_PIDFDS),
    "sigchld": ("sigchld", "auto", WITHOUT_PIDFDS),
    "table": (
        *("pidfd", "own"),
        (
            *("plain", "three_pipes", "options", "limited", "cancelling"),
            *("closing_the_loop", "closing_the_loop_at_a_spawn", "several_at_once"),
        ),
    ),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["first", *WAYS])
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    arguments = parser.parse_args()
    faulthandler.enable()
    logging.disable()
    caught = injector.Injector()
    if arguments.way == "first":
        complaints, counts = first_spawn.go(caught)
    else:
        backend, table, names = WAYS[arguments.way]
        own_interpreter.choose_ways(backend, table)
        # What lives on is set aside, so that each case's collections are quick.
        gc.collect()
        gc.freeze()
        ways = walk.Walk(caught, arguments.deep, table == "own")
        complaints = ways.go(arguments.scenarios or names)
        counts = ways.counts
    print(*complaints, sep="\n", end="\n" * bool(complaints))
    print(*[f"{n} {what}" for what, n in counts.items()], sep=", ")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
