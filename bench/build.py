"""Compile the child programs and the C limits, each when its sources are newer.

`python bench/build.py` prints the folder. It is bench/build, or one below the system's
folder for temporary files where the source tree is read-only.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
STATIC = ["-static"]
WITHOUT_LIBC = [*STATIC, "-nostdlib", "-fno-stack-protector", "-fcf-protection=none"]


def folder():
    """The folder of the compiled programs; it need not exist yet."""
    if os.access(HERE, os.W_OK):
        return HERE / "build"
    return Path(tempfile.gettempdir()) / f"procession-bench-{os.getuid()}"


def child(name):
    """The path of a child program, as a string; one of the system's is named by its path."""
    return str(folder() / "child" / name)


def limit(name):
    """The path of a C limit, as a string."""
    return str(folder() / "limit" / name)


def build():
    """Bring all programs up to date and return their folder."""
    for source in sorted((HERE / "child").glob("*.c")):
        if '"tiny.h"' in source.read_text():
            attempts = [link_flags_without_libc(), STATIC, []]
        else:
            attempts = [STATIC, []]
        compile_program(source, [], attempts)
    shared = HERE / "limit" / "limit.c"
    for source in sorted((HERE / "limit").glob("*.c")):
        if source != shared:
            compile_program(source, [shared], [[]])
    return folder()


def link_flags_without_libc():
    machine = os.uname().machine
    if machine == "x86_64":
        return WITHOUT_LIBC
    return WITHOUT_LIBC[:-1] if machine == "aarch64" else STATIC


def compile_program(source, more_sources, attempts):
    """Compile with the first of the attempts' flags that links on this machine."""
    target = folder() / source.parent.name / source.stem
    inputs = [source, *more_sources, *source.parent.glob("*.h")]
    newest = max(path.stat().st_mtime for path in inputs)
    if target.exists() and target.stat().st_mtime > newest:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Renaming keeps a program that is running, or being started, whole; and two builds at
    # a time do not write to one file.
    fresh = target.with_suffix(f".{os.getpid()}")
    files = [str(path) for path in (source, *more_sources)]
    for flags in attempts:
        done = subprocess.run(
            [*compiler(), *FLAGS, *flags, *files, "-o", str(fresh)],
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode == 0:
            fresh.replace(target)
            return
    sys.exit(f"cannot compile {source}:\n{done.stderr}")


def compiler():
    """$CC, else cc, else what built this Python."""
    for command in (os.environ.get("CC"), "cc", sysconfig.get_config_var("CC")):
        if command and has(shlex.split(command)[0]):
            return shlex.split(command)
    sys.exit("no C compiler: set CC")


def has(program):
    return any(os.access(os.path.join(path, program), os.X_OK) for path in os.get_exec_path())


if __name__ == "__main__":
    print(build())
