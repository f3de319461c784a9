"""A value arrives as itself, wherever in a shell's command line its placeholder stands."""

import os
import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from children import TIMEOUT
from helpers.often import examples
from procession.cli.errors import UsageError
from procession.cli.template.quoting import RESERVED, quote
from procession.cli.template.template import Template

SHELLS = [
    pytest.param(["/bin/sh"], id="sh"),
    pytest.param(
        ["bash"],
        id="bash",
        marks=pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed"),
    ),
    pytest.param(
        ["bash", "--posix"],
        id="posix",
        marks=pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed"),
    ),
]

# A command line, and what it prints for the value V.
CONTEXTS = [
    ("printf '%s\\0' {}", "V"),
    ("printf '%s\\0' {1}", "V"),
    ("printf '%s\\0' a{}", "aV"),
    ("printf '%s\\0' {}z", "Vz"),
    ("printf '%s\\0' {}{}", "VV"),
    ("printf '%s\\0' x={}", "x=V"),
    ("printf '%s\\0' {}={}", "V=V"),
    ("printf '%s\\0' {}>&1", "V"),
    ("printf '%s\\0' {}0>&1", "V0"),
    ("printf '%s\\0' \\${}", "$V"),
    ("printf '%s\\0' \\\\{}", "\\V"),
    ("printf '%s\\0' ${}", "$V"),
    ("printf '%s\\0' '{}'", "V"),
    ("printf '%s\\0' 'a{}b{}'", "aVbV"),
    ("printf '%s\\0' '$'{}", "$V"),
    ("printf '%s\\0' '${}'", "$V"),
    ("printf '%s\\0' '\\{}'", "\\V"),
    ("printf '%s\\0' '`{}`'", "`V`"),
    ("printf '%s\\0' \"{}\"", "V"),
    ("printf '%s\\0' \"a{}b{}\"", "aVbV"),
    ("printf '%s\\0' \"'{}'\"", "'V'"),
    ('printf \'%s\\0\' "\\"{}\\""', '"V"'),
    ("printf '%s\\0' \"\\${}\"", "$V"),
    ("printf '%s\\0' \"${}\"", "$V"),
    ("printf '%s\\0' \"\\{}\"", "\\V"),
    ("printf '%s\\0' \"\\\\{}\"", "\\V"),
    ('printf \'%s\\0\' "a"{}"b"', "aVb"),
    ("x=v; printf '%s\\0' $x{}", "vV"),
    ("x=v; printf '%s\\0' \"$x{}\"", "vV"),
    ("x=v; printf '%s\\0' \"${x}{}$x{}\"", "vVvV"),
    ("printf '%s\\0' \"$#{}\"", "0V"),
    ("set v; printf '%s\\0' \"$1{}\"", "vV"),
    ("x={}; printf '%s\\0' \"$x\"", "V"),
    ("x={}{}; printf '%s\\0' \"$x\"", "VV"),
    ("export x={}; printf '%s\\0' \"$x\"", "V"),
    ("printf '%s\\0' \"$(printf %s {}x)\"", "Vx"),
    ('printf \'%s\\0\' "$(printf %s "{}x")"', "Vx"),
    ("printf '%s\\0' \"$(printf %s '{}x')\"", "Vx"),
    ('printf \'%s\\0\' "$(printf %s "$(printf %s {}y)"x)"', "Vyx"),
    ("printf '%s\\0' \"$( (printf %s {}x) )\"", "Vx"),
    ("printf '%s\\0' \"$(case a in b) ;; (a) printf %s {}x;; esac)\"", "Vx"),
    ("printf '%s\\0' \"$(case a in b) ;; a) printf %s ')'\"{}x\";; esac)\"", ")Vx"),
    ("printf '%s\\0' \"$(: case; printf %s {}x)\"", "Vx"),
    ("printf '%s\\0' \"`printf %s {}x`\"", "Vx"),
    ("printf '%s\\0' \"`printf %s '{}x'`\"", "Vx"),
    ('printf \'%s\\0\' "`printf %s \\"{}x\\"`"', "Vx"),
    ('x=`printf %s "{}x"`; printf \'%s\\0\' "$x"', "Vx"),
    ('x=`printf %s "\\`printf %s {}y\\`x"`; printf \'%s\\0\' "$x"', "Vyx"),
    ("x=`printf %s '\\\\{}x'`; printf '%s\\0' \"$x\"", "\\Vx"),
    ("x=`(printf %s {}x)`; printf '%s\\0' \"$x\"", "Vx"),
    ("unset u; printf '%s\\0' \"${u-{}}\"", "V"),
    ("unset u; printf '%s\\0' \"${u:-a{}b}c\"", "aVbc"),
    ("unset u; printf '%s\\0' \"${u:-'{}'}\"", "'V'"),
    ("unset u; printf '%s\\0' \"${u:-${u:-{}}}\"", "V"),
    ("unset u; printf '%s\\0' \"${u:-$(printf %s {}x)}\"", "Vx"),
    ('unset u; printf \'%s\\0\' "${u:-$(printf %s "{}x")}"', "Vx"),
    ("unset u; printf '%s\\0' ${u:-\"{}\"}", "V"),
    ("unset u; printf '%s\\0' ${u:-{}}", "V"),
    ("unset u; printf '%s\\0' ${u:-${u-a{}}}", "aV"),
    ("u={}; printf '%s\\0' \"${u#'{}'}x\"", "x"),
    ("u=x{}; printf '%s\\0' \"${u%%$(printf %s {}y)*}\"", "xV"),
    ("u={}v; printf '%s\\0' \"${v-${u#{}}}\"", "v"),
    ('u={}v; printf \'%s\\0\' "${v-${u#"{}"}}"', "v"),
    ("unset u; printf '%s\\0' ${u:-'{}'}", "V"),
    ("unset u; printf '%s\\0' ${u:-a\"${u-{}}\"b}", "aVb"),
    ('unset u; : "${u:={}}"; printf \'%s\\0\' "$u"', "V"),
    ("u=1; printf '%s\\0' \"${u:+{}}\"", "V"),
    ("u={}; printf '%s\\0' \"${u#{}}x\"", "x"),
    ("u=x{}; printf '%s\\0' \"${u%{}}\"", "x"),
    ('u=x{}; printf \'%s\\0\' "${u%"{}"}"', "x"),
    ("u={}x; printf '%s\\0' ${u#'{}'}", "x"),
    ("case {} in {}) printf '%s\\0' y;; *) printf '%s\\0' n;; esac", "y"),
    ("case e{} in e{}) printf '%s\\0' y;; *) printf '%s\\0' n;; esac", "y"),
    ("case a\"{}\" in a'{}') printf '%s\\0' y;; *) printf '%s\\0' n;; esac", "y"),
    ("for x in {} '{}'; do printf '%s\\0' \"$x\"; done", "V\0V"),
    ("f() { printf '%s\\0' \"$1\" {}; }; f {}", "V\0V"),
    ("if test {} = \"{}\" # {} isn't\nthen printf '%s\\0' {}; fi", "V"),
    ("printf '%s\\0' a#{} # {} it's `", "a#V"),
    ("cat <<E\n{}\nE\nprintf '\\0'", "V\n"),
    ("cat <<E\na{}\nE{}\n{}E\nE\nprintf '\\0'", "aV\nEV\nVE\n"),
    ("cat <<-E\n\t{}\n\tE\nprintf '\\0'", "V\n"),
    (
        "cat <<E; printf %s {}; cat <<'F'; printf '\\0'\n\"{}\" '{}' \\{}\nE\n$x\nF",
        "\"V\" 'V' \\V\nV$x\n",
    ),
    ("x=v; cat <<E\n$x{}${}\nE\nprintf '\\0'", "vV$V\n"),
    ("x=$(cat <<E\n{}x\nE\n); printf '%s\\0' \"$x\"", "Vx"),
    ("x=`cat <<E\n{}x\nE\n`; printf '%s\\0' \"$x\"", "Vx"),
    ("x=`cat <<E\n{}x\nE`; printf '%s\\0' \"$x\"", "Vx"),
    ("printf '%s\\0' \"$`printf %s {}x`\"", "$Vx"),
    ("x=v; printf '%s\\0' $x\\\n{}", "vV"),
    ("x=v; printf '%s\\0' \"$x\\\n{}\"", "vV"),
    ("xy=v; printf '%s\\0' \"$x\\\ny{}${x\\\ny\\\n-{}}\"", "vVv"),
    ("printf '%s\\0' {}\\\n0>&1", "V0"),
    ("printf '%s\\0' \"$(\\\n(printf %s {}x) )\"", "Vx"),
    ("printf '%s\\0' \"$(ca\\\nse a in a) printf %s {}x;; esac)\"", "Vx"),
    ("printf '%s\\0' $((1)\\\n)\"{}\"", "1V"),
    ("printf '%s\\0' $((1+2)){}", "3V"),
    ("{ printf '%s\\0' {}; } 2>&1 | cat", "V"),
    ("(printf '%s\\0' {})", "V"),
    ("printf '%s\\0' \\{} {}", "{}\0V"),
]

ODD = "".join(map(chr, range(1, 128))) + "".join(os.fsdecode(bytes([n])) for n in range(128, 256))
VALUES = st.one_of(
    st.text(st.sampled_from("a'\"\\$`!{}()[]<>|&;#~*?=-\n\t \r1E0xé\udcff\udc81\udc88i")),
    st.binary(max_size=20).map(lambda data: os.fsdecode(data.replace(b"\0", b""))),
    st.sampled_from(["", "-n", "--", "E", "\nE\n", "\tE", "EE", "$(exit)", "`exit`", ODD, "}'\""]),
    st.sampled_from(sorted(RESERVED)),
)


def output_of(shell, text):
    done = subprocess.run(
        [*shell, "-c", text],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        timeout=TIMEOUT,
    )
    assert done.stderr == b""
    return done.stdout


def rendered(text, *values, **options):
    return Template([text], shell=True, **options).render(values, 1, 1).text


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=examples(10, 100), deadline=None)
@given(value=VALUES)
@example(value=ODD)
@example(value="if")
@example(value="2")
@example(value="")
def test_a_value_is_itself_in_every_context(shell, value):
    texts = [rendered(text, value) for text, _ in CONTEXTS]

    output = output_of(shell, "\n".join(texts))

    expected = "".join(f"{text}\0" for _, text in CONTEXTS).replace("V", value)
    # Compared as bytes: side by side, surrogates can be one character.
    found = output.split(b"\0")
    assert found == os.fsencode(expected).split(b"\0"), texts


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "text, value, result",
    [
        ("$(({} + 1))", "41", "42"),
        ("$((45 -{}))", "-3", "48"),
        ("$((2*({} + {#})))", "0x10", "34"),
        ('"$(( $(echo {}) * 2))"', "3", "6"),
        ("$(((1+1)*{}))", "4", "8"),
    ],
)
def test_a_number_is_one_in_an_expression(shell, text, value, result):
    assert output_of(shell, rendered(f"echo {text}", value)) == f"{result}\n".encode()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "value", ["", "a", "1 1", "a[$(echo x >&2)]", "$(echo x >&2)", "1))\necho x"]
)
def test_what_is_no_number_is_an_error_in_an_expression_and_nothing_else(shell, value):
    text = rendered("echo $((1 + {}))", value)

    done = subprocess.run([*shell, "-c", text], capture_output=True, timeout=TIMEOUT)

    assert done.returncode != 0
    assert done.stdout == b""
    assert b"x\n" not in done.stderr
    assert done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "cat <<'E'\n{}\nE",
        "cat <<\\E\n{}\nE",
        "cat <<{}\nE",
        "cat <<E\n$(x {})\nE",
        "cat <<E\n`x {}`\nE",
        "cat <<E\n${x-{}}\nE",
        "x $'{}'",
        "x ${y/{}/z}",
        'x "${y:{}}"',
        "x ${y@{}}",
        'x "${y-"{}"}"',
        "x $((${y-{}}))",
        'cat <<E\n`x \\"{}\\"`\nE',
    ],
)
def test_a_placeholder_where_shells_differ_or_cannot_quote_is_an_error_at_once(text):
    with pytest.raises(UsageError, match="cannot be quoted"):
        Template([text], shell=True)


@pytest.mark.parametrize(
    "text", ["cat <<E\n{}", "cat <<E\n{}\n E", "cat <<E\n{}\\\nE", "cat <<'E'\n"]
)
def test_a_document_that_does_not_end_is_an_error_at_once(text):
    with pytest.raises(UsageError, match="here-document is not closed"):
        Template([text], shell=True)


@pytest.mark.parametrize(
    "text",
    [
        "x {} $y ${z} $1 \\a | y > z.{#} 2>&1 &",
        "x '$y' \"a 'b' \\x\" `z \\`a\\`` $(b 'c' | d) {}",
        "for f in {}; do case $f in a|b) x;; *) y;; esac; done",
        "cat <<E > {}\n$x \\y `z` $(a)\nE",
        "cat <<-'E' <<F {}\n\t$x\n\tE\ny\nF\nx",
        "x $'a\\'b' ${y/a/b} ${!z} <(a) <<<b {}",
        "x a\\\n{} \\\n  b",
        "f() { x; }; f {}",
    ],
)
def test_all_but_placeholders_is_as_it_was_written(text):
    assert rendered(text, "V") == text.replace("{}", "V").replace("{#}", "1")


def test_what_is_a_variable_to_the_shell_is_no_placeholder():
    assert rendered("x ${1} ${#} \\{} ${1-{}}", "V") == "x ${1} ${#} \\{} ${1-V}"


@pytest.mark.parametrize("text", ["x $\\\n{y-{}}", "x <\\\n<E\n{}\nE"])
def test_an_operator_that_goes_on_in_the_next_line_is_an_error_at_once(text):
    with pytest.raises(UsageError, match="a line goes on behind"):
        Template([text], shell=True)


def test_comments_are_left_out():
    assert rendered("x {} # it's {}\ny 'a#b' a#b #", "v w") == "x 'v w' \ny 'a#b' a#b "
    assert rendered("x # y", "v") == "x  v"


def test_backquotes_around_a_value_become_a_substitution():
    assert rendered('x "`y \\"{}\\"`" `z`', "v w") == 'x "$(y "v w")" `z`'


@pytest.mark.parametrize("value", ["a", "a/b.c", "-n", "1", "a_b+c"])
def test_what_needs_no_quotes_has_none(value):
    assert quote(value) == value


def test_a_reserved_word_is_quoted():
    assert [quote(word) for word in ("if", "done", "iff")] == ["'if'", "'done'", "iff"]
