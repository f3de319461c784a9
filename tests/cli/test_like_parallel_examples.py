"""Command lines as the manual of GNU parallel has them, with the same output from both.

Those that differ, and why, are in docs/command.md.
"""

import shlex
import shutil
import subprocess

import pytest

from children import TIMEOUT
from helpers.command import RUN, environment
from helpers.parallel import COMMAND, needs_parallel, settings

pytestmark = [
    pytest.mark.slow,
    needs_parallel,
    pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash"),
]

FILES = {
    "abc-file": "A\nB\nC\n",
    "def-file": "D\nE\nF\n",
    "abc0-file": "A\0B\0C\0",
    "abc_-file": "A_B_C_",
    "tsv-file.tsv": "f1\tf2\nA\tB\nC\tD\n",
    "num": "".join(f"{i}\n" for i in range(1, 3001)),
    "in.txt": "a\nb\nc\nd\n",
    "a.log": "one\n",
    "two words.log": "two\nlines\n",
    "x.es.txt": "es\n",
}

SOURCES = r"""
parallel echo ::: A B C
parallel -a abc-file echo
cat abc-file | parallel echo
parallel echo ::: A B C ::: D E F
parallel -a abc-file -a def-file echo
cat abc-file | parallel -a - -a def-file echo
cat abc-file | parallel echo :::: - def-file
parallel echo ::: A B C :::: def-file
parallel --link echo ::: A B C ::: D E F
parallel --link echo ::: A B C D E ::: F G
parallel echo :::: abc-file :::+ G H I :::: def-file
parallel echo :::: abc-file ::: G H I ::::+ def-file
parallel echo ::: A B C D E :::+ F G
parallel -d _ echo :::: abc_-file
parallel -d '\0' echo :::: abc0-file
parallel -0 echo :::: abc0-file
(echo 1; echo; echo 2) | parallel --no-run-if-empty echo
parallel ::: ls 'echo foo' pwd
parallel < <(echo 'echo a b'; echo 'seq 2 | wc -l')
parallel --link -a <(seq 6) -a <(seq 6 -1 1) echo
parallel --link echo :::: <(seq 6) <(seq 6 -1 1)
parallel echo {1} - {2} ::::+ <(head -n -1 in.txt) <(tail -n +2 in.txt)
parallel echo ::: 0 1 ::: 0 1 ::: 0 1 ::: 0 1 ::: 0 1 ::: 0 1
parallel --shuf echo ::: 1
a=(b c d); parallel echo {1} - {2} ::: "${a[@]::${#a[@]}-1}" :::+ "${a[@]:1}"
parallel echo ::: "two words" 'and  more'
"""

REPLACEMENTS = r"""
parallel echo ::: A/B.C
parallel echo {} ::: A/B.C
parallel echo {.} ::: A/B.C
parallel echo {/} ::: A/B.C
parallel echo {//} ::: A/B.C
parallel echo {/.} ::: A/B.C
parallel echo {#} ::: A B C
parallel -j1 echo {%} ::: A B C
parallel -I ,, echo ,, ::: A/B.C
parallel echo {1} and {2} ::: A B ::: C D
parallel echo /={1/} //={1//} /.={1/.} .={1.} ::: A/B.C D/E.F
parallel echo 1={1} 2={2} 3={3} -1={-1} -2={-2} -3={-3} ::: A B ::: C D ::: E F
parallel --colsep '\t' echo 1={1} 2={2} :::: tsv-file.tsv
parallel -a tsv-file.tsv --colsep '\t' echo -o {2} -i {1}
parallel -N3 echo ::: A B C D E F G H
parallel -N3 echo 1={1} 2={2} 3={3} ::: A B C D E F G H
parallel -N0 echo foo ::: 1 2 3
seq 10 | parallel -n0 echo my_args
parallel -n2 echo ::: A B C D E
parallel -j4 -m echo ::: 1 2 3 4 5 6 7 8 9 10
parallel -j4 -m echo pre-{}-post ::: A B C D E F G
parallel -j4 -X echo pre-{}-post ::: A B C D E F G
cat num | parallel -j1 --xargs -s 10000 echo | wc -l
ls *.es.* | perl -pe 'print; s/\.es//' | parallel -N2 cp {1} {2}; cat x.txt
parallel --tag echo foo-{} ::: A B C
parallel --tagstring {}-bar echo foo-{} ::: A B C
parallel --dryrun echo {} ::: A B C
parallel echo {1} {2} ::: red green blue ::: S M L XL XXL | sort
seq 3 | parallel echo {} append_string
parallel echo \={} ::: zsh bash ls
"""

SHELL = r"""
parallel cat {} ">"{.}.out ::: *.log; cat *.out
parallel "cat {} >{.}.out" ::: *.log; cat *.out
ls | parallel 'echo -n {}" "; ls {}|wc -l'
ls | parallel '(echo -n {}" "; ls {}|wc -l) >{}.dir'; cat *.dir
find . | sort | parallel 'a={}; name=${a##*/}; upper=$(echo "$name" | tr "[:lower:]" "[:upper:]"); echo "$name - $upper"'
ls | parallel 'mv {} "$(echo {} | tr "[:upper:]" "[:lower:]")"'; ls
echo a.log | parallel "wget-is-not-there {} 2>/dev/null || grep -n {} in.txt || echo none"
find . -name '*.log' | sort | parallel -j1 -m cat {} '&&' touch done; ls done
printf '%s\n' in.txt nowhere | parallel 'if [ ! -e {} ] ; then echo {}; fi'
parallel [ -f {1}:{2} ] "||" echo {1}:{2} does not exist ::: a b ::: c d
parallel 'mkdir {.}; cd {.}; cat ../{}' ::: *.log
parallel "cat {} | sort -r >{.}.bz2 && rm {}" ::: *.log; ls
parallel --tag 'diff {1} {2} | wc -l' ::: *.log ::: *.log | sort -nk3
seq -w 0 9 | parallel touch pict{}.jpg; ls
seq -w 0 9 | parallel -X touch pict{}.jpg; ls
seq -w 0 9 | parallel -m echo rm
export VAR='My  Var'; parallel 'echo "$VAR" {}' ::: '!'
seq 3 | parallel eval echo {}
parallel seq {} '|' wc -l ::: 1 2
parallel -j1 sleep 0 ';' echo {} ::: 1 2
parallel A={} printenv A ::: 'a b'
parallel test {} -gt 2 ::: 1 2 3 4 5
find . -type f | sort | parallel -j150% -n 1000 -m grep -H -n one {}
"""  # noqa: E501

CONTROL = r"""
parallel -j1 --joblog log exit ::: 1 2 3 0; cut -f 7 log
parallel -j1 --joblog log exit ::: 1 2 3 0; parallel -j1 --resume --joblog log exit ::: 1 2 3 0 0 0; cut -f 7 log
parallel -j1 --joblog log exit ::: 1 2 3 0; parallel -j1 --resume-failed --joblog log exit ::: 1 2 3 0 0 0; cut -f 7 log
parallel -j1 --halt soon,fail=1 echo {} ';' exit {} ::: 0 0 1 2 3
parallel -j1 --halt now,fail=1 'echo {}; exit {}' ::: 0 0 1 2 3
parallel -j1 --halt now,success=1 'echo {}; exit {}' ::: 1 2 3 0 4 5 6
parallel --timeout 60 'sleep 0; echo {}' ::: 2 4 6
parallel --delay 0.01 echo ::: 1 2 3
parallel --memfree 1k echo will run if more than 1 KB is ::: free
parallel --nice 3 nice ';' true ::: 1
cat num | parallel --pipe wc
cat num | parallel --pipe --block 3k wc -l
cat num | parallel --pipe -N1400 wc
cat num | parallel --pipe --block 5k sort -n | md5sum
head -n 20 num | parallel --pipe -N3 'echo JOB{#};cat'
cat num | parallel --pipe --block 2k -j2 sort -rn | sort -n | tail -n 1
"""  # noqa: E501


def lines_of(*tables):
    return [line for table in tables for line in table.strip().splitlines()]


def outcome(command, line, folder):
    """Return what bash prints and returns for a line whose `parallel` is this command."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    script = f'parallel() {{ {shlex.join(command)} -k "$@"; }}\n{line}\n'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(**settings(), LC_ALL="C"),
        timeout=TIMEOUT,
    )
    return done.stdout.replace(bytes(folder), b"FOLDER"), done.returncode


@pytest.mark.parametrize("line", lines_of(SOURCES, REPLACEMENTS, SHELL, CONTROL))
def test_a_line_of_its_manual_does_the_same(tmp_path, line):
    ours = outcome(RUN, line, tmp_path / "ours")
    theirs = outcome(COMMAND, line, tmp_path / "theirs")

    assert ours == theirs
    assert ours[0] or ours[1]
