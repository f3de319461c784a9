"""The results of run.py --json, and those that are committed."""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "results"


def load(path):
    return json.loads(path.read_text())


def kind_of(result):
    """Return "full" or "quick" for one of run.py, "scaling" for one of scaling.py."""
    if "curves" in result:
        return "scaling"
    return "quick" if result.get("quick") else "full"


def newest(kind):
    """The newest committed result of a kind, by Python and then by date, or None."""
    results = [load(path) for path in FOLDER.glob("*.json")]
    of_kind = [result for result in results if kind_of(result) == kind]
    return max(of_kind, key=lambda result: (python_of(result), result["date"]), default=None)


def python_of(result):
    """The version, for comparing."""
    return [int(number) for number in re.findall(r"\d+", result["machine"]["python"])]


def keyed(result):
    """The rows, each under its workload and its label."""
    return {(row["workload"], row["label"]): row for row in result["rows"]}
