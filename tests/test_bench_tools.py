"""The tools of bench/: what they say of results, and the catalog's completeness."""

import copy
import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
COMMITTED = sorted(BENCH.glob("results/full-*.json"))
WORKLOADS = ("spawn-64", "stream", "lines-20")
PATIENCE = 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMMITTED, reason="bench/ is not beside the tests"),
]

with_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)

with_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def tool(name, *arguments):
    """Run a program of bench/ to its end."""
    command = [sys.executable, BENCH / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def said_in_bench(code):
    """Return what code prints that imports modules of bench/."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCH, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def committed():
    """Return a few rows of the committed result."""
    result = json.loads(COMMITTED[-1].read_text())
    for part in ("rows", "cpu"):
        result[part] = [row for row in result[part] if row["workload"] in WORKLOADS]
    return result


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a result and returns its path."""

    def to_file(name, result):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(result))
        return path

    return to_file


def scaled(result, workload, factors):
    """Return the result with other rates for the implementations that factors names."""
    changed = copy.deepcopy(result)
    for row in changed["rows"]:
        for name, factor in factors.items() if row["workload"] == workload else ():
            value = row["values"][name]
            for key in ("median", "best", "ratio"):
                value[key] *= factor
            value["samples"] = [sample * factor for sample in value["samples"]]
    return changed


def test_a_result_compared_with_itself_shows_no_change(committed, write):
    path = write("same", committed)

    done = tool("compare.py", path, path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" 1.00 ") >= len(committed["rows"])
    assert "1.00*" not in done.stdout
    assert "only " not in done.stdout


def test_a_change_is_marked_where_it_is_larger_than_both_spreads(committed, write):
    (row,) = [row for row in committed["rows"] if row["workload"] == "stream"]
    spread = row["values"]["procession"]["spread"]
    within = scaled(committed, "stream", {"procession": 1 + spread / 2})
    beyond = scaled(committed, "stream", {"procession": 1.1 + spread})
    before = write("before", committed)

    unmarked = tool("compare.py", before, write("within", within), "--impl", "procession")
    marked = tool("compare.py", before, write("beyond", beyond), "--impl", "procession")

    assert [line for line in unmarked.stdout.splitlines() if "*" in line] == [
        "* larger than both spreads"
    ]
    (line,) = [line for line in marked.stdout.splitlines() if "* " in line and "->" in line]
    assert line.startswith("read output, 64 KiB a read")


def test_rows_of_one_result_only_are_named(committed, write):
    fewer = copy.deepcopy(committed)
    gone = fewer["rows"].pop()

    done = tool("compare.py", write("before", committed), write("after", fewer))

    assert f"only before: {gone['label']}" in done.stdout


def test_an_implementation_that_is_not_in_both_is_an_error(committed, write):
    path = write("same", committed)

    done = tool("compare.py", path, path, "--impl", "nobody")

    assert done.returncode == 1
    assert "nobody" in done.stderr


@pytest.mark.parametrize(
    ("factors", "status", "word"),
    [
        ({}, 0, "kept"),
        ({"procession": 0.8}, 0, "kept"),
        ({"procession": 0.7}, 1, "fallen"),
        ({"procession": 0.7, "asyncio": 1.5}, 1, "fallen"),
        ({"procession": 0.7, "asyncio": 0.7}, 2, "void"),
    ],
    ids=["the same", "less", "much less", "asyncio has not", "asyncio has, too"],
)
def test_a_ratio_that_has_fallen_by_more_than_a_quarter_fails(
    committed, write, factors, status, word
):
    baseline = write("baseline", committed)
    result = write("result", scaled(committed, "lines-20", factors))

    done = tool("check.py", "--baseline", baseline, "--result", result)

    assert (done.returncode, done.stderr) == (status, "")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("async for line")]
    assert line.endswith(word)


def test_results_without_a_common_row_are_not_taken_for_a_pass(committed, write):
    other = {**committed, "rows": [], "cpu": []}

    done = tool(
        "check.py", "--baseline", write("baseline", committed), "--result", write("other", other)
    )

    assert done.returncode == 1
    assert "in common" in done.stderr


def test_the_table_that_is_written_into_a_page_is_found_there(committed, write, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    result = write("result", committed)

    missing = tool("readme_table.py", result, "--readme", page, "--check")
    written = tool("readme_table.py", result, "--readme", page)
    there = tool("readme_table.py", result, "--readme", page, "--check")

    assert [done.returncode for done in (missing, written, there)] == [1, 0, 0]
    assert page.read_text().startswith("before\n<!-- bench:begin -->\n")
    assert page.read_text().endswith("<!-- bench:end -->\nafter\n")
    assert "spawn and wait, 64 in flight" in page.read_text()


@with_matplotlib
def test_the_committed_result_is_drawn_and_each_time_the_same(tmp_path):
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"

    done = [tool("plot.py", COMMITTED[-1], "--out", path) for path in (first, second)]

    assert [(d.returncode, d.stderr) for d in done] == [(0, "")] * 2
    assert first.read_bytes() == second.read_bytes()
    for row in json.loads(COMMITTED[-1].read_text())["rows"]:
        assert f">{row['label'].replace('&', '&amp;')}<" in first.read_text()


@with_compiler
def test_an_option_that_is_not_taken_is_a_refusal_and_no_failure(tmp_path):
    pytest.importorskip("uvloop")
    path = tmp_path / "result.json"
    options = ("--quick", "--rounds", "1", "--only", "lateness-ids", "--impl", "uvloop")

    done = tool("run.py", *options, "--json", path)

    assert done.returncode == 0
    result = json.loads(path.read_text())
    assert result["failed"] == []
    assert result["skipped"] or result["refused"][0]["implementation"] == "uvloop"


@pytest.mark.needs_pidfd
@with_compiler
def test_the_limit_of_one_thread_is_measured_at_all_sizes(tmp_path):
    result = tmp_path / "scaling.json"

    done = tool("scaling.py", "--quick", "--impl", "C", "--json", result)

    assert done.returncode == 0
    along = [(curve["along"], curve["unit"]) for curve in json.loads(result.read_text())["curves"]]
    assert ("children in flight", "/s") in along
    assert ("descriptors open in the parent", "/s") in along


@with_matplotlib
def test_curves_are_drawn(tmp_path, write):
    points = [{"x": x, "median": 10.0 * x} for x in (1, 16, 256)]
    curve = {"label": "spawns", "unit": "/s", "better": "higher", "along": "in flight"}
    names = ("procession", "asyncio", "C")
    result = {
        "implementations": dict.fromkeys(names, "1"),
        "curves": [{**curve, "values": dict.fromkeys(names, points)}] * 3,
    }
    picture = tmp_path / "scaling.svg"

    done = tool("plot.py", write("scaling", result), "--out", picture)

    assert (done.returncode, done.stderr) == (0, "")
    assert picture.read_text().count(">spawns, /s<") == 3


@pytest.mark.parametrize(
    "module", ["workloads", "workloads_trio", "workloads_anyio", "workloads_blocking"]
)
def test_every_workload_has_a_function_in_each_module(module):
    library = module.partition("_")[2]
    if library in ("trio", "anyio"):
        pytest.importorskip(library)

    missing = said_in_bench(
        f"import catalog, {module}\n"
        "for w in catalog.WORKLOADS:\n"
        f"    if {module!r} == 'workloads' or not w.players:\n"
        f"        hasattr({module}, w.function) or print(w.function)"
    )

    assert missing == ""


def test_every_workload_is_described_and_has_the_programs_it_names():
    text = (BENCH / "README.md").read_text()
    described = said_in_bench(
        "import catalog\n"
        "for w in catalog.WORKLOADS:\n"
        "    print(w.name, w.limit[0] if w.limit else '')"
    )

    for line in described.splitlines():
        name, _, program = line.partition(" ")
        part = name[len(name.split("-")[0]) :]
        assert f"`{name}`" in text or f"`{part}`" in text
        assert not program or (BENCH / "limit" / f"{program}.c").exists()


@pytest.mark.skipif(
    not pathlib.Path(sys.executable).with_name("procession").exists(),
    reason="the command is not installed beside the interpreter",
)
def test_the_start_is_compared_with_an_idle_interpreters(tmp_path):
    file = tmp_path / "startup.json"

    done = tool("startup.py", "--rounds=2", "--json", file)

    result = json.loads(file.read_text())
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    assert result["python -c pass"]["cpu_ratio"] == 1
    for name, figures in result.items():
        assert name in done.stdout
        assert figures["cpu_ratio"] > 0
