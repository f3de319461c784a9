"""What cannot be meant is refused before anything is opened or started."""

import argparse

import pytest

from procession.cli.arguments import options
from procession.cli.errors import UsageError


def parse(*words):
    parser = argparse.ArgumentParser(prog="procession run")
    options.add_arguments(parser)
    return options.parse(parser, words)


@pytest.mark.parametrize(
    "line",
    [
        "-0 -d ,",
        "-n 1 -N 2",
        "-X -m",
        "--pipe wc ::: a",
        "--pipe wc :::: a",
        "--pipe wc :::+ a",
        "--pipe -a x wc",
        "--pipe",
        "--pipe -n 1 wc",
        "--pipe -N 0 wc",
        "--pipe -X wc",
        "--pipe -m wc",
        "--pipe -s 100 wc",
        "--pipe -C , wc",
        "--pipe -0 wc",
        "--pipe -d , wc",
        "--pipe --link wc",
        "--pipe --shuf wc",
        "-u --lb",
        "-u -k",
        "-u --tag",
        "-u --tagstring x",
        "-u --results x",
        "-u --format json",
        "-u -q",
        "--format json --lb",
        "--format json --tag",
        "--format json --tagstring x",
        "--format json -q",
        "-q --progress",
        "--resume",
        "--resume-failed",
        "--wd /no/such",
        "--cgroup /no/such",
        "--joblog /no/such/log",
        "--trace /no/such/log",
        "--plot /no/such/plot.png",
        "--joblog /tmp",
        "--joblog x --trace x",
        "--joblog x --plot ./x",
    ],
)
def test_options_that_contradict_each_other_are_refused(line):
    names = [word for word in line.split() if word.startswith("-")]

    with pytest.raises(UsageError) as caught:
        parse(*line.split())

    assert any(name in str(caught.value) for name in full(names))
    assert "\n" not in str(caught.value)


def full(names):
    """Return the names with which an option is called in a message."""
    others = {
        "-u": "--ungroup",
        "-k": "--keep-order",
        "-q": "--quiet",
        "--wd": "--workdir",
        "--lb": "--line-buffer",
    }
    return [others.get(name, name) for name in names]


@pytest.mark.parametrize(
    "line",
    [
        "-0 -n 5 -X echo",
        "-n 5 -m echo",
        "--pipe --block 1K -k --tag wc",
        "--pipe --joblog x --resume wc",
        "--lb -k --tag --results x echo",
        "--results x --format json echo",
        "--results x -q echo",
        "-q --no-progress echo",
        "-q -t echo",
        "--format json -k echo",
        "--format json --no-progress echo",
        "--joblog x --resume --resume-failed echo",
        "--shuf --joblog x --resume echo",
        "--pipe -N 100 wc",
        "-n 0 date",
        "--joblog /dev/null --trace /dev/null echo",
        "--joblog x --trace y --plot z.png echo",
        "-u --joblog x -t echo",
        "--wd / echo",
        "--dry-run --joblog x --resume echo",
        "-- --pipe ::: a",
        "echo --pipe -u -k ::: a",
        "",
    ],
)
def test_options_that_go_together_are_left_alone(line):
    parse(*line.split())


def test_a_file_that_two_options_write_is_known_by_any_of_its_names(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "log")

    with pytest.raises(UsageError, match="--joblog and --trace write to the same file"):
        parse("--joblog", f"{tmp_path}/log", "--trace", f"{tmp_path}/link")


def test_nothing_is_made_by_looking(tmp_path):
    parse("--joblog", f"{tmp_path}/a", "--trace", f"{tmp_path}/b", "--results", f"{tmp_path}/c")

    assert list(tmp_path.iterdir()) == []
