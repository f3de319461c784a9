"""From samples to rows: medians, best, spread, the ratio to C, CPU time."""

from statistics import median

from catalog import LIMIT


def rows(workload, samples):
    """One row for each metric; samples maps an implementation to its list."""
    result = []
    for metric in workload.metrics:
        values = {
            name: [metric.of(sample) for sample in of_one]
            for name, of_one in samples.items()
            if metric.key in of_one[0]
        }
        middle = {name: median(of_one) for name, of_one in values.items()}
        result.append(
            {
                "workload": workload.name,
                "label": metric.label,
                "unit": metric.unit,
                "better": "higher" if metric.rate else "lower",
                "values": {
                    name: {
                        "median": middle[name],
                        "best": (max if metric.rate else min)(of_one),
                        "spread": (max(of_one) - min(of_one)) / (middle[name] or 1),
                        "ratio": ratio(middle, name, metric.rate) if metric.of_limit else None,
                        "samples": of_one,
                    }
                    for name, of_one in values.items()
                },
            }
        )
    return result


def ratio(middle, name, rate):
    """How near to C: 1.0 is as fast, more is faster. None where C has no program."""
    if LIMIT not in middle:
        return None
    quotient = middle[name] / middle[LIMIT]
    return quotient if rate else 1 / quotient


def cpu_row(workload, samples):
    """CPU time of one operation: the parent's, and that of its children."""
    unit, scale = workload.cpu

    def one(of_one, key):
        return median(sample[key] / sample["ops"] for sample in of_one) * scale

    return {
        "workload": workload.name,
        "unit": unit,
        "values": {
            name: {
                "self": one(of_one, "cpu_self"),
                "children": one(of_one, "cpu_children"),
            }
            for name, of_one in samples.items()
        },
    }
