"""The results of run.py --json, and those that are committed."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "results"


def load(path):
    return json.loads(path.read_text())


def newest(quick):
    """The newest committed result of that kind of run, by the date inside it, or None."""
    results = [load(path) for path in FOLDER.glob("*.json")]
    of_kind = [result for result in results if result.get("quick", False) == quick]
    return max(of_kind, key=lambda result: result["date"], default=None)


def keyed(result):
    """The rows, each under its workload and its label."""
    return {(row["workload"], row["label"]): row for row in result["rows"]}
