"""What command a job runs: replacement strings, words, and whether a shell is needed."""

import os
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from children import TIMEOUT
from helpers.often import examples
from helpers.parallel import COMMAND, needs_parallel
from helpers.parallel import settings as environment
from procession.cli.errors import UsageError
from procession.cli.template.placeholders import label
from procession.cli.template.template import Template

ORDINARY_PATHS = """
a a.b a.b/c /a .bashrc a/.b a/ .. a.tar.gz . / // /// a//b a.b/ a. ..a ./a.b a/b/ x.y/.z
a/.b.c .a.b /.x //a.b a///b.c ... a/.. a..b a// a/. .a/b -a.b ~ {.} é.ü
"""
ODD_PATHS = ["", "a b.c", "a.b c", "a.b\nc", "a\n", "a.b\n", "a.\nb", "a/\n.b"]
PATHS = [*ORDINARY_PATHS.split(), *ODD_PATHS]


def parallel(*args):
    """Return what GNU parallel writes."""
    return subprocess.run(
        [*COMMAND, "-k", "-j1", *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(),
        timeout=TIMEOUT,
        check=True,
    ).stdout


def args_of(words, *values, number=1, slot=1, **options):
    rendered = Template(words, **options).render(values, number, slot)
    assert not rendered.shell
    return rendered.args


def text_of(words, *values, **options):
    rendered = Template(words, **options).render(values, 1, 1)
    assert rendered.shell
    assert rendered.args == rendered.text
    return rendered.text


@needs_parallel
@pytest.mark.slow
def test_paths_are_taken_apart_as_parallel_does():
    # Of `.bashrc`, `..` and `a/.b` it takes the last dot for that of an extension, too.
    written = ["{}", "{.}", "{/}", "{//}", "{/.}", "{1}", "{-1}", "{1.}", "{1/}", "{1//}", "{1/.}"]

    output = parallel("-0", "printf", "'%s\\0'", *written, ":::", *PATHS)

    ours = [arg for path in PATHS for arg in args_of(["x", *written], path)[1:]]
    assert output == os.fsencode("".join(f"{arg}\0" for arg in ours))


def test_a_newline_in_a_directory_is_part_of_it():
    # parallel leaves it in the base name: it cuts what is before the last slash of a line.
    assert args_of(["x", "{/}", "{/.}", "{//}"], "a\nb/c.d") == ["x", "c.d", "c", "a\nb"]


@needs_parallel
@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["echo"],
        ["echo", "{}"],
        ["echo", "-a", "{.}"],
        ["echo", "{#}", "{%}"],
        ["echo", "{1}", "{2}", "{-1}", "{-2}", "{02}"],
        ["echo", "{2/}", "{2//}", "{1.}", "{-1/.}"],
        ["echo", "{/}", "{//}", "{/.}"],
    ],
)
@pytest.mark.parametrize("values", [("a.x", "b/c.y"), ("it's", 'a "b"/$x\\`')])
def test_the_text_is_what_parallel_shows(words, values):
    sources = [word for value in values for word in (":::", value)]

    output = parallel("--dry-run", *words, *sources)

    assert os.fsencode(Template(words).render(values, 1, 1).text + "\n") == output


@needs_parallel
@pytest.mark.slow
def test_values_are_quoted_as_parallel_does():
    values = [*map(chr, range(1, 128)), "a,b", "''", "'a", "a'", "", "-n", "é", "\udcff\udcfe"]

    output = parallel("-0", "--dry-run", "echo", ":::", *values)

    assert output == os.fsencode(
        "".join(Template(["echo"]).render((value,), 1, 1).text + "\n" for value in values)
    )


@needs_parallel
@pytest.mark.slow
@pytest.mark.parametrize(
    "options, joined",
    [(["-X"], False), (["-m"], True), (["-N3"], False), (["-n3"], True)],
)
@pytest.mark.parametrize(
    "text", ["echo", "echo {}", "echo x{}y z", "echo {.}a{}", "echo {1}-{2} {#}x", "echo {1}a{}"]
)
def test_several_values_are_packed_as_parallel_does(options, joined, text):
    values = ("a.x", "b c", "d")

    output = parallel("--dry-run", *options, text, ":::", *values)

    ours = Template([text], shell=True, joined=joined).render(values, 1, 1).text
    assert os.fsencode(ours + "\n") == output


@needs_parallel
@pytest.mark.slow
def test_a_position_that_is_not_there_is_nothing_as_in_parallel():
    words = ["{3}", "a{3.}b", "'{3}'", "{4//}", "{1}"]

    output = parallel("printf", "'[%s]'", *words, ":::", "1", ":::", "2")

    assert output == b"[ab][][1]"
    assert args_of([" ".join(["x", *words])], "1", "2") == ["x", "ab", "", "1"]
    assert text_of([" ".join(["x", *words, "| y"])], "1", "2") == "x  ab ''  1 | y"


def test_a_negative_position_that_is_not_there_is_nothing():
    # To parallel {-3} of two values is the last one.
    assert args_of(["x", "{-3}", "a{-3}b"], "1", "2") == ["x", "ab"]


def test_what_is_no_replacement_string_stays():
    words = ["{x}", "{0}", "{1#}", "{#.}", "{+1}", "{1-}", "{ }", "{.//}", "$1", "%"]

    assert args_of(["x", *words], "a") == ["x", *words, "a"]


def test_the_number_of_the_job_and_of_its_slot():
    template = Template(["x", "{#}", "s{%}", "{#}{%}"])

    assert template.render(("a",), 12, 3).args == ["x", "12", "s3", "123"]


@pytest.mark.parametrize(
    "words, needs",
    [(["x", "{%}"], True), (["x | y {%}"], True), (["x", "{#}"], False), ([], False)],
)
def test_who_has_no_slot_in_it_needs_none(words, needs):
    assert Template(words).needs_slot is needs


def test_values_are_added_where_there_is_no_replacement_string():
    assert args_of(["x", "-a"], "b", "c d") == ["x", "-a", "b", "c d"]
    assert args_of(["x"]) == ["x"]
    assert args_of(["x", "{x}"], "b") == ["x", "{x}", "b"]
    assert text_of(["x | y"], "a b") == "x | y 'a b'"
    assert text_of(["x", "|", "y"], "a b") == "x | y 'a b'"


def test_another_replacement_takes_the_place_of_braces():
    assert args_of(["x", ",,", "a,,b", "{}"], "v.w", replacement=",,") == [
        "x",
        "v.w",
        "av.wb",
        "{}",
    ]
    assert args_of(["x", "{.}", "{1}", "{1.}"], "v.w", replacement=",,") == ["x", "v", "{1}", "v"]
    assert args_of(["x"], "v", replacement=",,") == ["x", "v"]
    assert args_of(["x", "{.}"], "v.w", replacement="{.}") == ["x", "v.w"]
    assert text_of(["x $X X | y"], "v", replacement="X") == "x $X v | y"
    assert text_of(["x $,, | y"], "v", replacement=",,") == "x \\$v | y"


def test_a_word_that_is_a_placeholder_becomes_one_for_each_value():
    assert args_of(["x", "{}", "y"], "a", "b c") == ["x", "a", "b c", "y"]
    assert args_of(["x", "{/}", "{.}"], "a/b", "c.d") == ["x", "b", "c.d", "a/b", "c"]
    assert args_of(["x", "{}", "y"]) == ["x", "y"]
    assert args_of(["x", "{}"], "") == ["x", ""]


def test_values_stand_side_by_side_in_a_longer_word():
    assert args_of(["x", "-{}-{1}"], "a", "b c") == ["x", "-a b c-a"]


def test_a_longer_word_is_repeated_for_each_value():
    words = ["x", "-{}-{1}-{#}", "{2}", "y"]

    assert args_of(words, "a", "b c", joined=False) == ["x", "-a-a-1", "-b c-a-1", "b c", "y"]


def test_a_word_of_a_command_line_is_repeated_for_each_value():
    text = 'x "-{}" a$(y {}.{1} z)b > w'

    rendered = text_of([text], "a", "b c", joined=False)

    assert rendered == 'x "-a" "-b c" a$(y a.a \'b c\'.a z)b > w'


def test_a_command_line_has_as_many_words_as_sh_would_make_of_it():
    values = ("a", "b c", "d")

    assert args_of(["x -{}- '<{}>' {}"], *values) == ["x", "-a", "b c", "d-", "<a b c d>", *values]
    assert text_of(["x -{}- '<{}>' {} | y"], *values) == "x -a 'b c' d- '<a b c d>' a 'b c' d | y"


@pytest.mark.parametrize(
    "text, args",
    [
        ("x", ["x", "v w"]),
        ("  x\t-a  ", ["x", "-a", "v w"]),
        ("x {}", ["x", "v w"]),
        ("x '{}' \"{}\" a{}'b'", ["x", "v w", "v w", "av wb"]),
        ('x \'\' "" \\a\\ b "\\a\\"" \'\\\'', ["x", "", "", "a b", '\\a"', "\\", "v w"]),
        ("x a#b a=b {}=c -o=:, %", ["x", "a#b", "a=b", "v w=c", "-o=:,", "%"]),
        (
            "x '$y' '*' '~' 'a b' '|' '#' '{y}'",
            ["x", "$y", "*", "~", "a b", "|", "#", "{y}", "v w"],
        ),
        ("x if cd", ["x", "if", "cd", "v w"]),
        ("'if' a", ["if", "a", "v w"]),
        ("x 'a\nb'", ["x", "a\nb", "v w"]),
        ("find {} -exec y {} \\;", ["find", "v w", "-exec", "y", "v w", ";"]),
    ],
)
def test_a_command_line_of_words_needs_no_shell(text, args):
    assert args_of([text], "v w") == args


@pytest.mark.parametrize("operator", ["|", "||", "&", "&&", ";", "\n", ">", ">>", "<", "2>"])
def test_an_operator_in_a_command_line_is_for_sh(operator):
    for text in (f"x{operator}y", f"x {operator} y"):
        assert text_of([f"{text} {{}}"], "v") == f"{text} v"
        assert text_of([], text) == text


@pytest.mark.parametrize(
    "text",
    [
        "$y",
        '"$y"',
        "`y`",
        '"`y`"',
        "*.c",
        "?",
        "[a]",
        "~/y",
        "a~",
        "{a,b}",
        "(y)",
        "\\\n",
        '"\\\n"',
    ],
)
def test_what_a_shell_expands_is_for_sh(text):
    assert text_of([f"x {text} {{}}"], "v") == f"x {text} v"
    assert text_of([], f"x {text}") == f"x {text}"


@pytest.mark.parametrize(
    "text", ["A=b", "A=b x", "if x", "! x", "{ x", "cd", "cd x", "'cd' x", ": x"]
)
def test_a_command_of_the_shell_itself_is_for_sh(text):
    assert text_of([f"{text} {{}}"], "v") == f"{text} v"
    assert text_of([], text) == text


def test_an_assignment_may_be_made_of_values():
    assert text_of(["{1}={2} x"], "A", "b c") == "A='b c' x"


@pytest.mark.parametrize(
    "words, text",
    [
        ("A={} x", "A='v w' x"),
        ("A=$b- B= C={}{} x D={}", "A='$b-' B='' C='v wv w' x 'D=v w'"),
        ("x {} ; A=b > A=c B=d y", "x 'v w' ; A=b > 'A=c' B=d y"),
        (">f A={} x 2> {} B=c", ">f A='v w' x 2> 'v w' 'B=c'"),
        ("A=b {}", "A=b 'v w'"),
    ],
)
def test_a_word_before_a_command_may_be_an_assignment(words, text):
    assert text_of(words.split(" "), "v w") == text


def test_several_values_are_one_in_an_assignment():
    for joined in (True, False):
        template = Template(["A={}", "x"], joined=joined)
        assert template.render(("v", "w"), 1, 1).text == "A='v w' x"


@pytest.mark.parametrize(
    "words, text",
    [
        ("x {} | y", "x 'v w' | y"),
        ("x {} || y && z ; a &", "x 'v w' || y && z ; a &"),
        ("x > {} < {}.in", "x > 'v w' < 'v w.in'"),
        ("x >{} 2>>$y", "x >'v w' 2>>'$y'"),
        ("x >{} 2>&1 >&2 2>&- >|y", "x >'v w' 2>&1 >&2 2>&- >|y"),
        ("x {} |& y", "x 'v w' 2>&1 | y"),
        ("x &> {} y", "x > 'v w' 2>&1 y"),
        ("x &>>{} y", "x >>'v w' 2>&1 y"),
        (
            "x $a * ~ {a} if A=b a>b <b> ( `y` {} ; z",
            "x '$a' '*' '~' '{a}' 'if' 'A=b' 'a>b' '<b>' '(' '`y`' 'v w' ; z",
        ),
        ("cd {}", "cd 'v w'"),
        ("exit", "exit 'v w'"),
    ],
)
def test_operators_are_for_sh_and_other_words_are_quoted(words, text):
    words = words.split(" ")
    rendered = text_of(words, "v w") if len(words) > 1 else text_of([*words, "{}"], "v w")

    assert rendered.split() == text.split()


@pytest.mark.parametrize(
    "word", ["a>b", "a|b", "a;", "<a>", "<(a)", "->", "=>", "&a", "<<a", "$a", "*"]
)
def test_a_word_with_an_operator_in_it_is_a_word(word):
    assert args_of(["x", word, "{}"], "v") == ["x", word, "v"]


def test_a_shell_that_is_asked_for_has_the_words_as_they_are():
    assert text_of(["x", "$y", "{}", "a  b"], "v w", shell=True) == "x $y 'v w' a  b"
    assert text_of(["x"], "v w", shell=True) == "x 'v w'"
    assert text_of([], "x", "y", shell=True) == "x y"


@pytest.mark.parametrize("words", [[], ["{}"], [""]])
def test_values_without_a_template_are_command_lines(words):
    template = Template(words)

    assert template.render(("x 'a b' {} -",), 1, 1).shell
    assert template.render(("x 'a b'  -c",), 1, 1) == (["x", "a b", "-c"], False, "x 'a b'  -c")
    assert template.render(("x a-b  c ",), 1, 1) == (["x", "a-b", "c"], False, "x a-b  c ")
    assert template.render(("x", "y"), 1, 1) == (["x", "y"], False, "x y")
    assert template.render(("x $y",), 1, 1) == ("x $y", True, "x $y")
    assert template.render(("x 'y",), 1, 1) == ("x 'y", True, "x 'y")
    assert template.render(("",), 1, 1) == ("", True, "")


@pytest.mark.slow
def test_a_command_line_may_be_long():
    line = "x " + "'a b' c " * 50_000

    assert Template([]).render((line,), 1, 1) == (["x", *["a b", "c"] * 50_000], False, line)
    assert len(args_of(["x"], line)[1]) == len(line)


def test_a_replacement_may_have_anything_in_it():
    for replacement in ("a b", "<>", "'", '"', "$", "\\", "#", "~", "é", "x", "{", "}"):
        assert args_of(["y", f"-{replacement}-"], "v", replacement=replacement) == ["y", "-v-"]
        assert args_of([f"y -{replacement}-"], "v", replacement=replacement) == ["y", "-v-"]


def test_a_leading_dash_is_passed_as_it_is():
    assert args_of(["x", "{}"], "-rf") == ["x", "-rf"]
    assert text_of(["x {} | y"], "-rf") == "x -rf | y"


@pytest.mark.parametrize(
    "text", ["x '", 'x "', "x `", "x $(", "x ${a-", "x $((1", "x | 'y", 'x "$(y")']
)
@pytest.mark.parametrize("shell", [False, True])
def test_a_quote_that_is_not_closed_is_an_error_at_once(text, shell):
    with pytest.raises(UsageError, match="is not closed"):
        Template([text], shell=shell)


def test_an_empty_replacement_is_an_error():
    with pytest.raises(UsageError, match="-I"):
        Template(["x"], replacement="")


def test_a_label_has_the_values_as_they_are():
    assert label("{#}/{%}: {} {/} $x 'y' {2}")(("a b/c", "d"), 7, 2) == "7/2: a b/c d c d $x 'y' d"
    assert label("none")(("a",), 1, 1) == "none"


PRINT = "printf '%s\\0'"


def printed(text):
    """Return what a command line prints, None if it fails."""
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        capture_output=True,
        env={"PATH": "/nowhere"},
        cwd="/",
        timeout=TIMEOUT,
    )
    return None if done.returncode or done.stderr else done.stdout


@pytest.mark.slow
@settings(max_examples=examples(50, 500), deadline=None)
@given(
    text=st.lists(st.sampled_from([*"  a\t'\"\\=#!{}-%:,.éx0", "{}", "{}", "{.}", "''"])).map(
        "".join
    ),
    values=st.lists(st.text(st.sampled_from("a b'\"\\$`*\n#{}\udcff")), min_size=1, max_size=3),
    joined=st.booleans(),
)
def test_words_without_a_shell_are_those_that_sh_makes(text, values, joined):
    words = [f"{PRINT} _{text}"]
    try:
        rendered = Template(words, joined=joined).render(values, 1, 1)
    except UsageError:
        return
    assume(not rendered.shell)

    script = Template(words, joined=joined, shell=True).render(values, 1, 1).text

    expected = b"".join(os.fsencode(arg) + b"\0" for arg in rendered.args[2:])
    assert printed(script) == printed(rendered.text) == expected


@pytest.mark.slow
@settings(max_examples=examples(50, 500), deadline=None)
@given(
    text=st.lists(
        st.sampled_from([*'  a\n\'""\\$#}-é', "{}", "{}", "$a", "${a}", "${a-", "${a#", "$(", ")"])
    ).map("".join),
    value=st.text(st.sampled_from("a b'\"\\$`*\n#{}()<;&|?E-\udcff")),
)
def test_whatever_the_template_a_value_is_data(text, value):
    # The one is another number with each run, in the other only numbers are possible.
    assume("$$" not in text and "$((" not in text)
    try:
        template = Template([f"{PRINT} {text} {{}}"], shell=True)
    except UsageError:
        return
    output = printed(template.render(("MARK",), 1, 1).text)
    assume(output is not None)

    assert printed(template.render((value,), 1, 1).text) == output.replace(
        b"MARK", os.fsencode(value)
    )
