"""A result as text for a terminal."""

from catalog import LIMIT
from procession.cli.bench.table import number


def times(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def spent_text(cpu, name):
    """CPU time of the parent + its children; in brackets the parent's in times of C's."""
    spent = cpu["values"].get(name)
    if spent is None:
        return "-"
    text = f"{number(spent['self'])} + {number(spent['children'])}"
    over = over_limit(cpu, name)
    return text if over is None else f"{text} ({number(over)})"


def over_limit(cpu, name):
    """The parent's CPU time over that of the C program's; None where there is none."""
    limit = cpu["values"].get(LIMIT)
    # The clock of some kernels is too coarse for what a quick run's C program takes.
    if limit is None or not limit["self"]:
        return None
    return cpu["values"][name]["self"] / limit["self"]


def text(result):
    """The whole result: each row in full, then the ratios on one screen."""
    parts = [heading(result)]
    cpu = {row["workload"]: row for row in result["cpu"]}
    described = set()
    for row in result["rows"]:
        first = row["workload"] not in described
        described.add(row["workload"])
        parts.append(block(row, cpu[row["workload"]] if first else None))
    parts.append(matrix(result))
    parts.append("\n".join(remarks(result)))
    return "\n\n".join(part for part in parts if part)


def heading(result):
    machine = result["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['python']}\n"
        f"{result['date']}  {result['command']}"
    )


def block(row, cpu):
    """One row of the result: a line for each implementation, the best first."""
    values = row["values"]
    names = sorted(
        values,
        key=lambda name: values[name]["median"],
        reverse=row["better"] == "higher",
    )
    title = f"{row['workload']}: {row['label']} ({row['better']} is better)"
    header = f"  {'':<18}{'median':>9} {row['unit']:<5}{'best':>9}{'spread':>8}"
    header += f"{'of C':>7}"
    if cpu:
        header += f"   CPU of parent + children (parent's over C's), {cpu['unit']}"
    lines = [title, header]
    for name in names:
        value = values[name]
        line = f"  {name:<18}{number(value['median']):>9} {'':<5}"
        line += f"{number(value['best']):>9}{value['spread']:>8.0%}"
        line += f"{times(value['ratio']):>7}"
        if cpu:
            line += f"   {spent_text(cpu, name)}"
        lines.append(line)
    return "\n".join(lines)


def matrix(result):
    """Rows by implementations: the median and, in brackets, its ratio to C."""
    names = list(result["implementations"])
    width = max(len(row["label"]) for row in result["rows"]) + 6
    lines = [f"{'median (of C = 1.00)':<{width}}" + "".join(f"{n:>19}" for n in names)]
    for row in result["rows"]:
        title = f"{row['label']}, {row['unit']}"
        cells = (cell(row["values"].get(name)) for name in names)
        lines.append(f"{title:<{width}}" + "".join(f"{text:>19}" for text in cells))
    return "\n".join(lines)


def cell(value):
    if value is None:
        return "-"
    if value["ratio"] is None:
        return number(value["median"])
    return f"{number(value['median'])} ({times(value['ratio'])})"


def remarks(result):
    """Lines about what is not in the table, and why."""
    lines = [f"missing: {name}: {why}" for name, why in result["missing"].items()]
    lines += [f"skipped: {name}: {why}" for name, why in result["skipped"].items()]
    lines += [
        f"refused: {r['workload']} by {r['implementation']}: {r['why']}"
        for r in result.get("refused", [])
    ]
    lines += [
        f"failed: {f['workload']} on {f['implementation']}: {f['why']}" for f in result["failed"]
    ]
    return lines
