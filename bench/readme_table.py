"""Write the table of a result into README.md, or check that it is there.

The block between the two markers is replaced. Without a file, the newest full result
in bench/results is taken, by the date inside it.
"""

import argparse
import sys
from pathlib import Path

from catalog import LIMIT, PAD
from report import cell, remarks, spent_text
from results import load, newest

HERE = Path(__file__).resolve().parent
BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"
OURS = "procession"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", nargs="?", type=Path, help="a file of run.py --json")
    parser.add_argument("--readme", type=Path, default=HERE.parent / "README.md")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if out of date"
    )
    options = parser.parse_args()
    result = load(options.result) if options.result else newest("full")
    if result is None:
        sys.exit("no result in bench/results: see run.py --json")
    before = options.readme.read_text()
    after = replace_block(before, markdown(result), options.readme)
    if options.check:
        return 0 if after == before else f"{options.readme} is out of date"
    if after != before:
        options.readme.write_text(after)
    return 0


def replace_block(text, block, path):
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{path} has no {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def markdown(result):
    """The whole block, without its markers."""
    parts = [provenance(result), rates(result), losses(result), cpu(result)]
    parts.append("\n".join(f"- {line}" for line in remarks(result)))
    return "\n\n".join(part for part in parts if part)


def provenance(result):
    machine = result["machine"]
    versions = ", ".join(
        f"{name} {version}"
        for name, version in result["implementations"].items()
        if name in (OURS, "uvloop", "trio")
    )
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['python']}"
        f"{', ' + versions if versions else ''}; {result['date']} UTC, by "
        f"`{result['command']}`.\n"
        "Medians; in brackets the speed as a share of a C program on one thread.\n"
        "The best of each row but C is bold."
    )


def rates(result):
    names = list(result["implementations"])
    lines = table_head(["workload", *names])
    for row in result["rows"]:
        best = best_name(row, [name for name in names if name not in (LIMIT, PAD)])
        lower = ", lower is better" if row["better"] == "lower" else ""
        cells = [f"{row['label']}, {row['unit']}{lower}"]
        for name in names:
            text = cell(row["values"].get(name))
            cells.append(f"**{text}**" if name == best else text)
        lines.append(table_line(cells))
    return "\n".join(lines)


def best_name(row, names):
    names = [name for name in names if name in row["values"]]
    pick = max if row["better"] == "higher" else min
    return pick(names, key=lambda name: row["values"][name]["median"], default=None)


def losses(result):
    """One line for each row in which a peer is ahead; "" where we took no part."""
    if OURS not in result["implementations"]:
        return ""
    peers = [n for n in result["implementations"] if not n.startswith((OURS, LIMIT, PAD))]
    lines = []
    for row in result["rows"]:
        best = best_name(row, [*peers, OURS])
        if best in (OURS, None):
            continue
        if OURS not in row["values"]:
            lines.append(f"- {row['label']}: {OURS} has no figure")
            continue
        ours, theirs = (row["values"][name]["median"] for name in (OURS, best))
        factor = theirs / ours if row["better"] == "higher" else ours / theirs
        if f"{factor:.2f}" == "1.00":
            continue
        lines.append(f"- {row['label']}: {best} is {factor:.2f} times as fast")
    if not lines:
        return f"No peer is ahead of {OURS} in any row."
    return f"Where a peer is ahead of {OURS}:\n\n" + "\n".join(lines)


def cpu(result):
    names = list(result["implementations"])
    lines = ["CPU time of the parent + of its children; in brackets the parent's over C's:", ""]
    lines += table_head(["workload", *names])
    for row in result["cpu"]:
        cells = [f"{row['workload']}, {row['unit']}"]
        cells += [spent_text(row, name) for name in names]
        lines.append(table_line(cells))
    return "\n".join(lines)


def table_head(cells):
    return [table_line(cells), table_line(["---", *["---:"] * (len(cells) - 1)])]


def table_line(cells):
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
