"""The same jobs through GNU parallel give the same output, for the options that both have."""

import itertools
import subprocess

import pytest

from helpers.command import RUN, environment
from helpers.parallel import COMMAND, needs_parallel, settings

pytestmark = needs_parallel


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, lines in (("one", "abc"), ("two", "de"), ("three", "fgh")):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "table").write_text("a,1\nb,2\nc,3\n")
    return tmp_path


def both(words, input=b"", ours=(), theirs=()):
    """Run the same by both; return what each has printed, and its exit status."""
    done = [
        subprocess.run(
            [*command, *words],
            input=input,
            capture_output=True,
            env=environment(**settings()),
            timeout=60,
        )
        for command in ([*RUN, *ours], [*COMMAND, *theirs])
    ]
    return [(each.stdout, each.returncode) for each in done], done


def same(*words, **more):
    (ours, theirs), done = both(words, **more)
    assert ours == theirs, done
    return ours[0]


SOURCES = [
    [":::", "a", "b", "c"],
    [":::", "a", "b", ":::", "c", "d"],
    [":::", "a", "b", ":::+", "c", "d"],
    [":::", "a", "b", "x", ":::+", "c", "d"],
    [":::", "a", "b", ":::", "c", "d", ":::", "e", "f"],
    [":::", "a", "b", ":::+", "c", "d", ":::", "e", "f"],
    ["::::", "one"],
    ["::::", "one", "two"],
    ["::::", "one", "::::", "two"],
    ["::::", "one", "::::+", "three"],
    [":::", "x", "y", "::::", "two"],
]


@pytest.mark.parametrize("source", SOURCES, ids=" ".join)
@pytest.mark.parametrize("template", [["echo"], ["echo", "{2}-{1}"], ["echo {} {#} '{1}'"]])
def test_sources(template, source):
    same("-k", *template, *source)


@pytest.mark.parametrize("source", SOURCES[1:3] + SOURCES[4:5] + SOURCES[7:9], ids=" ".join)
def test_linked_sources(source):
    same("-k", "--link", "echo", "{}", *source)


@pytest.mark.parametrize(
    "words", [["-a", "one"], ["-a", "one", "-a", "two"], ["-a", "one", "-a", "three", "--link"]]
)
def test_argument_files(words):
    same("-k", *words, "echo", "{}")


@pytest.mark.parametrize(
    "words", [["-n2"], ["-n1"], ["-N2"], ["-N3"], ["-X", "-j1"], ["-m", "-j1"]]
)
@pytest.mark.parametrize("template", [["echo"], ["echo", "a{}b"], ["echo", "{1}+{2}"]])
def test_packed_arguments(words, template):
    if words[0] in ("-X", "-m") and template[-1] == "{1}+{2}":
        pytest.skip("neither knows how many there are")
    same("-k", *words, *template, input=b"".join(b"%d\n" % i for i in range(7)))


@pytest.mark.parametrize(
    "placeholder",
    [
        "{}",
        "{.}",
        "{/}",
        "{//}",
        "{/.}",
        "{#}",
        "{1}",
        "{1.}",
        "{1/}",
        "{1//}",
        "{1/.}",
        "{2}",
        "{-1}",
        "{x}",
    ],
)
def test_placeholders(placeholder):
    paths = ["a", "a.b", "a.b/c", "/a", "d/.rc", "a/b.c.d", "two words.txt", "./x.y"]

    same("-k", "echo", f",{placeholder},", ":::", *paths)


def test_columns():
    assert same("-k", "--colsep", ",", "echo", "{2}:{1}", "::::", "table") == b"1:a\n2:b\n3:c\n"


def test_values_that_end_with_a_nul():
    same("-k", "-0", "echo", ",{},", input=b"a b\0c\nd\0\0e")


def test_lines_that_are_commands():
    same("-k", input=b"echo a\necho b | tr b c\nexit 3\n\nfalse\n")


@pytest.mark.parametrize("option", [["--tag"], ["--tagstring", ",{},"], ["--tagstring", "{#}"]])
@pytest.mark.parametrize("script", ["echo {}", "printf {}", "true {}", "seq 3; echo {} >&2"])
def test_tags(option, script):
    same("-k", *option, script, ":::", "a", "b c")


@pytest.mark.parametrize("option", [["--tag"], ["--tagstring", ""], ["--tagstring", "{}"]])
def test_empty_tags(option):
    same("-k", *option, "echo x{}", ":::", "", "a")
    same("-k", *option, "--pipe", "cat", input=b"a\n")


@pytest.mark.parametrize("option", [[], ["--line-buffer"], ["-u"], ["--tag", "--line-buffer"]])
def test_orders_of_output(option):
    same("-j1", *option, "echo {}; sleep 0.1; printf end{}", ":::", "a", "b")


@pytest.mark.parametrize("statuses", [[0, 0], [1, 0, 2], [1] * 5, [1] * 101, [1] * 105])
def test_exit_statuses(statuses):
    same("exit", ":::", *map(str, statuses))


@pytest.mark.parametrize(
    "halt",
    ["now,fail=1", "soon,fail=1", "soon,fail=2", "now,success=1", "soon,success=2", "soon,done=2",
     "soon,fail=50%"],
)  # fmt: skip
@pytest.mark.parametrize("statuses", ["0 0 3 0 0", "4 4 4 4 0", "0 0 0 0 0"])
def test_halts(halt, statuses):
    words = ["-j1", "--halt", halt, "echo {}; exit {}", ":::", *statuses.split()]
    (ours, theirs), done = both(words)

    assert ours[0] == theirs[0], done
    # It reports 101 where none has failed and it has stopped nevertheless.
    assert ours[1] == (0 if theirs[1] == 101 else theirs[1]), done


@pytest.mark.parametrize("script", ["echo {}; exit 3", "kill -9 $$", "true"])
def test_job_logs(folder, script):
    both(["-j1", "--joblog", "log", script, ":::", "a b", "c"])
    theirs = (folder / "log").read_text()
    subprocess.run(
        [*RUN, "-j1", "--joblog", "ours", script, ":::", "a b", "c"],
        capture_output=True,
        env=environment(**settings()),
    )
    ours = (folder / "ours").read_text()

    def columns(text):
        return [
            [field for i, field in enumerate(line.split("\t")) if i not in (2, 3)]
            for line in text.splitlines()
        ]

    assert columns(ours) == columns(theirs)


def test_each_resumes_the_other(folder):
    for first, second in itertools.permutations([RUN, COMMAND]):
        (folder / "log").unlink(missing_ok=True)
        outputs = [
            subprocess.run(
                [*command, "-k", "--joblog", "log", "--resume", "echo", ":::", *values],
                capture_output=True,
                env=environment(**settings()),
            ).stdout
            for command, values in ((first, "ab"), (second, "abcd"))
        ]
        assert outputs == [b"a\nb\n", b"c\nd\n"]


@pytest.mark.parametrize("block", ["10", "100", "1k", "1M"])
def test_blocks_of_input(block):
    numbers = b"".join(b"%d\n" % i for i in range(1, 500))

    assert same("-k", "--pipe", "--block", block, "cat", input=numbers) == numbers


def test_retries_end_with_the_same_output(folder):
    script = "echo {} >>tried; test $(wc -l <tried) -ge 3 && echo worked"
    runs = [[*RUN, "--retries=2", "--backoff=0"], [*COMMAND, "--retries=3"]]

    outputs = []
    for command in runs:
        (folder / "tried").unlink(missing_ok=True)
        done = subprocess.run(
            [*command, script, ":::", "a"], capture_output=True, env=environment(**settings())
        )
        outputs.append((done.stdout, done.returncode))

    assert outputs == [(b"worked\n", 0)] * 2


def test_timeouts():
    same("-j2", "--timeout", "1", "sleep {}; echo {}", ":::", "0", "3600")


def test_a_dry_run():
    same("-k", "--dry-run", "echo", "{}", "{#}", ":::", "a", "b c", "d'e", "$f", "")


def test_programs_that_do_not_exist():
    (ours, theirs), _ = both(["no-such-program", ":::", "a", "b"])
    assert ours == theirs
