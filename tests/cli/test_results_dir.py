"""--results: a directory for each job, complete if meta.json is there."""

import errno
import json
import os
import resource
import subprocess
import sys

import pytest

import procession
from procession.cli.errors import UsageError
from procession.cli.output.results_dir import ResultsError, prepare, write_results
from procession.cli.output.spool import Spool
from procession.cli.run.jobs import Ended, Job


def ended_of(number, out=b"", err=b"", values=("a",)):
    job = Job(number, values, "true", 1, 1, 0.0, None)
    spools = []
    for data in (out, err):
        spools.append(Spool())
        spools[-1].write(data)
    return Ended(job, procession.Completed(["true"], 0, pid=7), *spools)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_job_has_its_output_and_what_became_of_it(tmp_path):
    write_results(tmp_path, ended_of(12, b"out\xff", b"err", ("a/../b", "", "-x")))

    folder = tmp_path / "12"
    assert names(tmp_path) == ["12"]
    assert names(folder) == ["meta.json", "stderr", "stdout"]
    assert (folder / "stdout").read_bytes() == b"out\xff"
    assert (folder / "stderr").read_bytes() == b"err"
    meta = json.loads((folder / "meta.json").read_bytes())
    assert (meta["seq"], meta["exit"], meta["args"]) == (12, 0, ["a/../b", "", "-x"])


def test_output_that_was_not_kept_is_an_empty_file(tmp_path):
    ended = ended_of(1)
    ended.stdout = ended.stderr = None

    write_results(tmp_path, ended)

    assert names(tmp_path / "1") == ["meta.json", "stderr", "stdout"]


def test_long_output_is_whole(tmp_path):
    data = os.urandom(3_000_000)
    ended = ended_of(1, data)

    write_results(tmp_path, ended)

    assert (tmp_path / "1" / "stdout").read_bytes() == data
    ended.stdout.close()


def test_results_of_an_earlier_run_are_replaced(tmp_path):
    write_results(tmp_path, ended_of(1, b"a long one"))
    write_results(tmp_path, ended_of(1, b"short"))

    assert (tmp_path / "1" / "stdout").read_bytes() == b"short"
    assert names(tmp_path / "1") == ["meta.json", "stderr", "stdout"]


def test_a_job_is_complete_only_when_its_output_is_there(tmp_path, monkeypatch):
    def open_and_note(path, *args, **options):
        if str(path).startswith(str(tmp_path)):
            seen.append((os.path.basename(path), (tmp_path / "1" / "meta.json").exists()))
        return opened(path, *args, **options)

    write_results(tmp_path, ended_of(1, b"old"))
    seen = []
    opened = open
    monkeypatch.setattr("builtins.open", open_and_note)
    write_results(tmp_path, ended_of(1, b"new"))

    assert seen == [("stdout", False), ("stderr", False), (".meta.json.part", False)]


def test_what_cannot_be_written_leaves_nothing_and_says_so(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ResultsError) as caught:
            write_results(tmp_path, ended_of(3, b"fits", b"x" * 2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert caught.value.errno == errno.EFBIG
    assert str(caught.value) == (
        f"cannot write the results to '{tmp_path}/3/stderr': File too large; "
        "choose another directory for --results"
    )
    assert names(tmp_path) == []


def test_a_file_where_the_directory_of_a_job_should_be_is_an_error(tmp_path):
    (tmp_path / "1").write_text("mine")

    with pytest.raises(ResultsError, match=r"/1'?: .*choose another"):
        write_results(tmp_path, ended_of(1))

    assert (tmp_path / "1").read_text() == "mine"


FULL = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_results_dir import ended_of
from procession.cli.output.results_dir import write_results
write_results(sys.argv[1], ended_of(1, b"x" * 500_000))
try:
    write_results(sys.argv[1], ended_of(2, b"x" * 700_000))
except OSError as error:
    print(error)
print(sorted(os.listdir(sys.argv[1])), sorted(os.listdir(sys.argv[1] + "/1")))
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_results_of_those_before(tmp_path):
    mount = f"mount -t tmpfs -o size=1m none {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh"]

    done = subprocess.run(
        [*command, sys.executable, "-c", FULL, tmp_path, os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == (
        f"cannot write the results to '{tmp_path}/2/stdout': No space left on device; "
        "make room there, then run the rest with --joblog and --resume\n"
        "['1'] ['meta.json', 'stderr', 'stdout']\n"
    )


def test_the_directory_is_made_before_anything_runs(tmp_path):
    prepare(tmp_path / "a" / "b")
    prepare(tmp_path / "a" / "b")

    assert names(tmp_path / "a" / "b") == []


def test_a_directory_that_cannot_be_written_to_is_said_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"--results: cannot write to '.*file': File exists"):
        prepare(tmp_path / "file")
