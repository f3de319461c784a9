"""Build the extension modules. Everything else is in pyproject.toml."""

import os
import pathlib
import shutil
import sys
import sysconfig

from Cython.Build import cythonize
from setuptools import Extension, setup

# Each module with what is linked into it; a C file appears once.
MODULES = {
    "_errors": [],
    "_counts": [],
    "_logbook": [],
    "_cgroup": [],
    "_limits": [],
    "_waiter": [],
    "_engine": ["csrc/psn_poll.c"],
    "_ends": ["csrc/psn_outq.c"],
    "_reader": ["csrc/psn_buf.c"],
    "_reading": ["src/procession/_read_await.c"],
    "_lines": [],
    "_writer": [],
    "_transport": [],
    "_reaper": ["csrc/psn_reap.c", "csrc/psn_sigchld.c", "csrc/psn_waiter.c"],
    "_child": [],
    "_capture": [],
    "_clock": ["csrc/psn_timer.c"],
    "_shot": [],
    "_batch": [],
    "_tree": ["csrc/psn_proc.c", "csrc/psn_tree.c"],
    "_spawn": [
        "csrc/psn_argv.c",
        "csrc/psn_child.c",
        "csrc/psn_clone3.c",
        "csrc/psn_courier.c",
        "csrc/psn_creds.c",
        "csrc/psn_crew.c",
        "csrc/psn_job.c",
        "csrc/psn_limits.c",
        "csrc/psn_lock.c",
        "csrc/psn_spawn.c",
        "csrc/psn_spawner.c",
        "csrc/psn_stdio.c",
        "csrc/psn_table.c",
    ],
}

COMMON = ["-std=c11", "-fvisibility=hidden"]
WARNINGS = ["-Wall", "-Wextra", "-Wstrict-prototypes", "-Wno-missing-field-initializers", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]

# Compiler and linker arguments.
KINDS = {
    "release": ([*COMMON, "-O2", "-g1"], []),
    "debug": ([*COMMON, *WARNINGS, "-O0", "-g", "-UNDEBUG"], []),
    "sanitize": ([*COMMON, *WARNINGS, *SANITIZERS, "-O1", "-g", "-UNDEBUG"], SANITIZERS),
}

# The others (sdist, and those for metadata) need neither Cython's work nor a compiler.
COMPILING = {"build", "build_ext", "bdist_wheel", "develop", "editable_wheel", "install"}

MISSING = """\
procession is built from C, and this machine has no {missing}.
Install a compiler together with Python's headers, then run the same command again:
  Debian, Ubuntu:  apt install gcc libc6-dev python3-dev
  Fedora, RHEL:    dnf install gcc python3-devel
  Alpine:          apk add gcc musl-dev linux-headers python3-dev"""


def check_machine():
    """End with a sentence that says what to install if nothing can be compiled here."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not shutil.which(compiler):
        sys.exit(MISSING.format(missing=f"C compiler ({compiler!r} is not on the PATH)"))
    if not os.path.exists(header):
        sys.exit(MISSING.format(missing=f"headers of its Python ({header} does not exist)"))


def kind_of_build():
    kind = os.environ.get("PROCESSION_BUILD", "release")
    if kind not in KINDS:
        sys.exit(f"PROCESSION_BUILD is {kind!r}; it can be one of: {', '.join(KINDS)}")
    return kind


def stamp(kind):
    """Return a file that is newer than what was built as another kind."""
    path = pathlib.Path("build/kind")
    if not path.exists() or path.read_text() != kind:
        path.parent.mkdir(exist_ok=True)
        path.write_text(kind)
    return str(path)


def extension(name, sources, kind):
    compile_args, link_args = KINDS[kind]
    headers = [f"csrc/{header}" for header in sorted(os.listdir("csrc")) if header.endswith(".h")]
    return Extension(
        f"procession.{name}",
        [f"src/procession/{name}.pyx", *sources],
        include_dirs=["csrc", "src/procession"],
        depends=[*headers, "src/procession/_read_await.h", stamp(kind)],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


def extensions():
    kind = kind_of_build()
    check_machine()
    return cythonize(
        [extension(name, sources, kind) for name, sources in MODULES.items()],
        include_path=["src"],
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "embedsignature": True},
    )


# Elsewhere the package is Python on top of asyncio: see src/procession/elsewhere.py.
HAS_ENGINE = sys.platform.startswith("linux")

setup(
    ext_modules=extensions() if HAS_ENGINE and COMPILING & set(sys.argv) else [],
    options={"build_ext": {"parallel": True}},
)
