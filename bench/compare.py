"""Compare two results of run.py --json: `compare.py BEFORE AFTER`.

A change is the speed of the second result over that of the first, also where the
figure is a time: above 1 the second is faster. It is marked where it is larger than
both spreads. CPU time is the parent's own, and "of C" there is how many times C's it is.
"""

import argparse
import sys
from pathlib import Path

from report import number, over_limit, times
from results import keyed, load


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--impl", nargs="+", metavar="NAME", help="all that are in both")
    options = parser.parse_args()
    before, after = load(options.before), load(options.after)
    names = [name for name in before["implementations"] if name in after["implementations"]]
    chosen = options.impl or names
    if unknown := [name for name in chosen if name not in names]:
        sys.exit(f"not in both results: {', '.join(unknown)}")
    parts = [heading(before, after), *(block(before, after, name) for name in chosen)]
    print("\n\n".join([*parts, "\n".join(remarks(before, after))]).rstrip())


def heading(before, after):
    lines = [f"before: {before['date']}  {before['command']}"]
    lines.append(f"after:  {after['date']}  {after['command']}")
    if differing := [
        key for key in before["machine"] if before["machine"][key] != after["machine"].get(key)
    ]:
        lines.append(f"The machines differ ({', '.join(differing)}): compare what is of C only.")
    return "\n".join(lines)


def block(before, after, name):
    """A line for each row that both have of one implementation."""
    width = max(len(title(row)) for row in before["rows"]) + 2
    head = f"{name:<{width}}{'before':>10}{'after':>10}{'change':>9}  {'of C':>6}{'':>8}"
    lines = [head.rstrip()]
    rows_after = keyed(after)
    for key, row in keyed(before).items():
        old = row["values"].get(name)
        new = rows_after[key]["values"].get(name) if key in rows_after else None
        if old is None or new is None:
            continue
        changed = change(row, old, new)
        mark = "*" if beyond_spread(changed, old, new) else " "
        line = f"{title(row):<{width}}{number(old['median']):>10}{number(new['median']):>10}"
        line += f"{times(changed):>8}{mark}  {times(old['ratio']):>6} -> {times(new['ratio'])}"
        lines.append(line)
    lines += cpu_lines(before, after, name, width)
    return "\n".join(lines)


def cpu_lines(before, after, name, width):
    """The parent's CPU time, which has no spread, and how many times C's own it is."""
    after_by_name = {cpu["workload"]: cpu for cpu in after["cpu"]}
    for old in before["cpu"]:
        new = after_by_name.get(old["workload"], {"values": {}})
        spent = [cpu["values"].get(name, {}).get("self") for cpu in (old, new)]
        if not all(spent):
            continue
        line = f"{old['workload'] + ': CPU, ' + old['unit']:<{width}}"
        line += f"{number(spent[0]):>10}{number(spent[1]):>10}{times(spent[0] / spent[1]):>8}   "
        yield f"{line}{times(over_limit(old, name)):>6} -> {times(over_limit(new, name))}"


def title(row):
    return f"{row['label']}, {row['unit']}"


def change(row, old, new):
    quotient = new["median"] / old["median"]
    return quotient if row["better"] == "higher" else 1 / quotient


def beyond_spread(changed, old, new):
    return abs(changed - 1) > max(old["spread"], new["spread"])


def remarks(before, after):
    old, new = keyed(before), keyed(after)
    yield "* larger than both spreads"
    yield from (f"only before: {title(row)}" for key, row in old.items() if key not in new)
    yield from (f"only after: {title(row)}" for key, row in new.items() if key not in old)


if __name__ == "__main__":
    main()
