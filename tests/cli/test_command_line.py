"""Which words are options, which are the command's, and what is said of neither."""

import argparse
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.cli.arguments import options, parsing
from procession.cli.arguments.values import Jobs, Load, Timeout
from procession.cli.errors import UsageError

DEFAULTS = {
    "command": [],
    "arg_file": [],
    "link": False,
    "colsep": None,
    "null": False,
    "delimiter": None,
    "max_args": None,
    "max_replace_args": None,
    "context_replace": False,
    "replace_many": False,
    "max_chars": None,
    "no_run_if_empty": False,
    "shuf": False,
    "pipe": False,
    "block": 2**20,
    "shell": False,
    "replacement": "{}",
    "nice": None,
    "limit_memory": None,
    "limit_cpu": None,
    "limit_files": None,
    "limit_processes": None,
    "limit_file_size": None,
    "cgroup": None,
    "die_with_parent": False,
    "cwd": None,
    "env": [],
    "jobs": Jobs.parse("100%"),
    "delay": None,
    "load": None,
    "mem_free": None,
    "timeout": None,
    "kill_after": 5.0,
    "retries": 0,
    "backoff": 1.0,
    "halt": None,
    "ungroup": False,
    "line_buffer": False,
    "keep_order": False,
    "tag": False,
    "tagstring": None,
    "results": None,
    "format": "text",
    "quiet": False,
    "verbose": False,
    "dry_run": False,
    "grouped": None,
    "progress": None,
    "joblog": None,
    "resume": False,
    "resume_failed": False,
    "trace": None,
    "summary": False,
    "plot": None,
}


def new_parser():
    parser = argparse.ArgumentParser(prog="procession run")
    options.add_arguments(parser)
    return parser


def read(*words):
    """Return what differs from the defaults."""
    found = vars(parsing.parse(new_parser(), words))
    return {name: value for name, value in found.items() if value != DEFAULTS[name]}


def complaint(*words):
    with pytest.raises(UsageError) as caught:
        parsing.parse(new_parser(), words)
    return str(caught.value)


def actions():
    return [each for each in new_parser()._actions if each.option_strings and each.dest != "help"]


def test_no_words_are_the_defaults():
    assert vars(parsing.parse(new_parser(), [])) == DEFAULTS


def test_a_list_is_not_shared_by_two_command_lines():
    parser = new_parser()
    parsing.parse(parser, ["-a", "x", "--env", "A=1"])

    assert vars(parsing.parse(parser, [])) == DEFAULTS


@pytest.mark.parametrize(
    "words, found",
    [
        ("-a x -a y", {"arg_file": ["x", "y"]}),
        ("-a -", {"arg_file": ["-"]}),
        ("--link", {"link": True}),
        ("-C ,", {"colsep": ","}),
        ("-C -", {"colsep": "-"}),
        ("-0", {"null": True}),
        ("-d ,", {"delimiter": ","}),
        ("-n 3", {"max_args": 3}),
        ("-N3", {"max_replace_args": 3}),
        ("-n0", {"max_args": 0}),
        ("-X", {"context_replace": True}),
        ("-m", {"replace_many": True}),
        ("-s 128K", {"max_chars": 131072}),
        ("-r", {"no_run_if_empty": True}),
        ("--shuf", {"shuf": True}),
        ("--pipe --block 10m", {"pipe": True, "block": 10_000_000}),
        ("--shell", {"shell": True}),
        ("-I %", {"replacement": "%"}),
        ("-I--", {"replacement": "--"}),
        ("--nice 5", {"nice": 5}),
        ("--nice -5", {"nice": -5}),
        ("--limit-memory 1G", {"limit_memory": 2**30}),
        ("--limit-cpu 1m", {"limit_cpu": 60}),
        ("--limit-files 20", {"limit_files": 20}),
        ("--limit-processes 20", {"limit_processes": 20}),
        ("--limit-file-size 0", {"limit_file_size": 0}),
        ("--cgroup /x", {"cgroup": "/x"}),
        ("--die-with-parent", {"die_with_parent": True}),
        ("--wd /x", {"cwd": "/x"}),
        ("--env A=1 --env B=", {"env": ["A=1", "B="]}),
        ("-j 4", {"jobs": Jobs(4)}),
        ("-j -1", {"jobs": Jobs(-1, relative=True)}),
        ("-j-1", {"jobs": Jobs(-1, relative=True)}),
        ("--jobs=+2", {"jobs": Jobs(2, relative=True)}),
        ("--delay 0.1", {"delay": 0.1}),
        ("--load 80%", {"load": Load(percent=80)}),
        ("--mem-free 1G", {"mem_free": 2**30}),
        ("--timeout 1h", {"timeout": Timeout(seconds=3600)}),
        ("--kill-after 0", {"kill_after": 0}),
        ("--retries 3 --backoff 0.5", {"retries": 3, "backoff": 0.5}),
        ("-u", {"ungroup": True}),
        ("--lb", {"line_buffer": True}),
        ("-k", {"keep_order": True}),
        ("--tag", {"tag": True}),
        ("--tagstring --{}", {"tagstring": "--{}"}),
        ("--tagstring=", {"tagstring": ""}),
        ("--tagstring --", {"tagstring": "--"}),
        ("--tagstring=--", {"tagstring": "--"}),
        ("--results out", {"results": "out"}),
        ("--format json", {"format": "json"}),
        ("-q", {"quiet": True}),
        ("-t", {"verbose": True}),
        ("--dry-run", {"dry_run": True}),
        ("--progress", {"progress": True}),
        ("--no-progress", {"progress": False}),
        ("--progress --no-progress", {"progress": False}),
        ("--joblog x --resume", {"joblog": "x", "resume": True}),
        ("--resume-failed", {"resume_failed": True}),
        ("--trace x", {"trace": "x"}),
        ("--summary", {"summary": True}),
        ("--plot x.png", {"plot": "x.png"}),
        ("-0kj4", {"null": True, "keep_order": True, "jobs": Jobs(4)}),
        ("-kj 4", {"keep_order": True, "jobs": Jobs(4)}),
        ("-j 4 -j 5", {"jobs": Jobs(5)}),
    ],
)
def test_options_are_read(words, found):
    assert read(*words.split(" ")) == found


@pytest.mark.parametrize(
    "theirs, ours",
    [
        ("-P 3", "-j 3"),
        ("--max-procs 3", "-j 3"),
        ("--xapply", "--link"),
        ("--memfree 1G", "--mem-free 1G"),
        ("--block-size 1K", "--block 1K"),
        ("--bar", "--progress"),
        ("--eta", "--progress"),
        ("--jl x", "--joblog x"),
        ("--res x", "--results x"),
        ("--linebuffer", "--line-buffer"),
        ("--keeporder", "--keep-order"),
        ("--dryrun", "--dry-run"),
        ("--xargs", "-X"),
        ("--will-cite", "--group"),
        ("--silent", "--group"),
        ("--tag-string x", "--tagstring x"),
        ("--colsep ,", "-C ,"),
        ("--argfile x", "-a x"),
        ("--no-run-if-empty", "-r"),
        ("--null", "-0"),
        ("--verbose", "-t"),
        ("--maxargs 2", "-n 2"),
    ],
)
def test_names_of_parallel_and_xargs_mean_the_same(theirs, ours):
    assert read(*theirs.split()) == read(*ours.split())


@pytest.mark.parametrize(
    "short, full",
    [
        ("--no-r", "--no-run-if-empty"),
        ("--no-p", "--no-progress"),
        ("--keep", "--keep-order"),
        ("--line", "--line-buffer"),
        ("--sha", None),
        ("--shu", "--shuf"),
        ("--dry", "--dry-run"),
        ("--prog", "--progress"),
        ("--die", "--die-with-parent"),
    ],
)
def test_the_beginning_of_a_long_option_is_enough_where_it_is_that_of_one(short, full):
    if full is None:
        assert "procession has no --shard" in complaint(short)
    else:
        assert read(short) == read(full)


def test_a_beginning_of_several_options_names_them():
    assert complaint("--limit-f=1") == (
        "--limit-f can be --limit-file-size or --limit-files (procession run --help tells more)"
    )


@pytest.mark.parametrize("name", [name for each in actions() for name in each.option_strings])
def test_every_option_is_found_by_its_name(name):
    (action,) = (each for each in actions() if name in each.option_strings)
    value = {"--format": "json", "--env": "A=1", "--halt": "never"}.get(name, "7")

    words = [name] if action.nargs == 0 else [name, value]

    if not name.startswith("--halt"):
        assert set(read(*words)) == {action.dest}


def test_the_first_word_that_is_no_option_begins_the_command():
    words = ["grep", "-j", "--re", "-x", "--", "--jobs=3", "-n", ":::", "-k", "--tag"]

    assert read("-j", "2", *words) == {"jobs": Jobs(2), "command": words}


@pytest.mark.parametrize("first", [":::", "::::", ":::+", "-", "", " -k", "{}", "\udcff"])
def test_a_command_may_begin_with_anything_but_an_option(first):
    assert read("-k", first, "-x") == {"keep_order": True, "command": [first, "-x"]}


def test_two_dashes_end_the_options():
    assert read("-k", "--", "--tag", "--") == {"keep_order": True, "command": ["--tag", "--"]}


@given(st.lists(st.sampled_from(["-k", "-j", "--", "-", "--re", "a", "--tag=x", ":::", "-z", ""])))
def test_the_words_of_a_command_are_kept_as_they_are(words):
    assert read("-k", "true", *words)["command"] == ["true", *words]


@given(st.text(min_size=1))
def test_a_value_may_be_any_word(text):
    parser = new_parser()
    for words in (["--joblog", text], [f"--joblog={text}"], ["-ka", text]):
        found = parsing.parse(parser, words)
        assert text in (found.joblog, *found.arg_file)


@pytest.mark.parametrize("name", ["-j", "--jobs", "-kj", "--joblog"])
def test_an_option_without_its_value_is_named(name):
    assert "needs a value (procession run --help tells more)" in complaint(name)


def test_a_value_for_an_option_that_takes_none_is_refused():
    assert complaint("--tag=yes").startswith("--tag takes no value")


@pytest.mark.parametrize("name, near", [("--keep-odrer", "--keep-order"), ("--job", None)])
def test_an_option_that_is_misspelled_is_asked_for(name, near):
    if near:
        assert complaint(name).startswith(f"there is no option {name}; is it {near}?")
    else:
        assert complaint(f"{name}=1").startswith("--job can be --joblog or --jobs")


def test_an_unknown_option_is_named():
    assert complaint("--xyzzy").startswith("there is no option --xyzzy (")
    assert complaint("-kZ").startswith("there is no option -Z")


@pytest.mark.parametrize(
    "words, message",
    [
        ("-j x", "-j: 'x' is no number of jobs"),
        ("-j 1.5", "-j: '1.5' is no number of jobs"),
        ("-P x", "-P: 'x' is no number of jobs"),
        ("-n -1", "-n: '-1' is no whole number from 0 on"),
        ("--timeout nan", "--timeout: 'nan' is no duration"),
        ("--timeout 0", "--timeout: it has to be longer than 0 seconds"),
        ("--block 0", "--block: it has to be 1 byte or more"),
        ("--block 1X", "--block: '1X' is no size"),
        ("--retries -1", "--retries: '-1' is no whole number from 0 on"),
        ("--delay -1", "--delay: '-1' is no duration"),
        ("--env A", "--env: 'A' is not NAME=VALUE"),
        ("-C (", "-C: '(' is no regular expression"),
        ("--format xml", "--format: 'xml' is none of text, json"),
        ("--joblog=", "--joblog: it must not be empty"),
        ("-I=", None),
        ("-d=", None),
    ],
)
def test_a_value_that_is_none_is_named_with_its_option(words, message):
    if message is None:
        assert read(*words.split()).popitem()[1] == "="
    else:
        assert complaint(*words.split()).startswith(message)


def test_a_rule_for_stopping_is_read_and_named_once_where_it_is_wrong():
    pytest.importorskip("procession.cli.control.halting")

    assert read("--halt", "never") == {}
    assert read("--halt", "-1") == read("--halt-on-error=soon,success=1") != {}
    assert complaint("--halt", "later").count("--halt") == 1


def test_each_name_is_that_of_one_option():
    names = list(itertools.chain.from_iterable(each.option_strings for each in actions()))

    assert len(names) == len(set(names))
