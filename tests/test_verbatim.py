"""Arguments and environment reach the child byte for byte, with no shell in between."""

import os

import pytest

from children import output_of, sh

KIB = 1 << 10

ARGUMENTS = [
    "",
    " ",
    "\n",
    "\t",
    "a b",
    "a\nb",
    "$(id)",
    "`id`",
    "$HOME",
    "${HOME}",
    "~",
    "*",
    "?",
    "[a-z]",
    "{1,2}",
    ";",
    "&",
    "&&",
    "|",
    ">",
    "<",
    "#",
    "!",
    "\\",
    "'",
    '"',
    "%s",
    "-",
    "--",
    "--help",
    "ä",
    "\udcff",
    b"\x80\xff",
    "",
]


async def test_arguments_arrive_as_they_are(impl):
    command = sh('cat "/proc/$$/cmdline"; echo', *ARGUMENTS)

    output = await output_of(impl, *command)

    expected = [os.fsencode(argument) for argument in command]
    assert output.removesuffix(b"\n").split(b"\0") == [*expected, b""]


async def test_a_long_list_of_arguments_arrives_whole(impl):
    arguments = [str(n) * 100 for n in range(1000)]

    output = await output_of(impl, *sh('printf "%s\\n" "$@"', *arguments))

    assert output.decode().split() == arguments


async def test_no_process_lies_between_the_parent_and_the_program(impl):
    process = await impl.create_subprocess_exec(*sh("echo $$ $PPID"), stdout=impl.PIPE)

    output, _ = await process.communicate()

    assert output.split() == [b"%d" % process.pid, b"%d" % os.getpid()]


ENVIRONMENTS = {
    "empty": {},
    "empty value": {"A": ""},
    "metacharacters": {"A": "$(id) `id` $HOME ; & | * ' \" \\"},
    "lines": {"A": "1\nB=2\n", "B": "\n"},
    "equals signs": {"A": "=", "B": "==1="},
    "odd names": {"a b": "1", "a\nb": "2", "$": "3", "ä": "4", "-": "5"},
    "not utf-8": {b"\xff\xfe": b"\x80", "A": "\udc80\udcff", b"B": "ü"},
    "twice": {"A": "1", b"A": b"2"},
    "the loader's": {"LD_BIND_NOW": "1", "LANG": "C"},
    "large value": {"A": "x" * (120 * KIB)},
    "many": {f"NAME{n}": f"{n} " * 50 for n in range(3000)},
}


@pytest.mark.parametrize("env", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
async def test_the_environment_is_exactly_what_was_given(impl, env):
    output = await output_of(impl, "/bin/cat", "/proc/self/environ", env=env)

    expected = [os.fsencode(name) + b"=" + os.fsencode(env[name]) + b"\0" for name in env]
    assert output == b"".join(expected)


async def test_the_environment_of_the_parent_stays_as_it_was(impl):
    before = dict(os.environ)

    await output_of(impl, "/bin/cat", "/proc/self/environ", env={"ONLY": "this"})

    assert dict(os.environ) == before
