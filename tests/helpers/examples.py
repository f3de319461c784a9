"""The files among which the examples of the command's help and of its page are run."""

import os
import sys

FILES = {
    "a.txt": "apple\nbanana\napple\n",
    "b.txt": "grape\n",
    "two words.txt": "peach\n",
    "table.csv": "anna,berlin\nbob,paris\n",
    "commands.sh": "echo one\necho two | tr a-z A-Z\n",
}


def lay_out(folder):
    """Make a directory with these files, and one with the command; return both."""
    files, programs = folder / "files", folder / "bin"
    files.mkdir()
    programs.mkdir()
    for name, text in FILES.items():
        (files / name).write_text(text)
    command = programs / "procession"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m procession "$@"\n')
    command.chmod(0o755)
    return files, programs


def environment(programs):
    """Return an environment in which the command is found, and the locale is plain."""
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LC_ALL": "C"}
