"""Build the extension modules. Everything else is in pyproject.toml."""
import os
import shutil
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# Each module with what is linked into it; a C file appears once.
MODULES = {
    "_errors": [],
    "_engine": ["csrc/psn_poll.c"],
    "_reader": ["csrc/psn_buf.c", "src/procession/_line_await.c"],
    "_writer": ["csrc/psn_outq.c"],
    "_child": ["csrc/psn_reap.c"],
    "_spawn": [
        "csrc/psn_argv.c",
        "csrc/psn_child.c",
        "csrc/psn_creds.c",
        "csrc/psn_job.c",
        "csrc/psn_spawn.c",
        "csrc/psn_spawner.c",
        "csrc/psn_stdio.c",
    ],
}

COMMON = ["-std=c11", "-fvisibility=hidden"]
WARNINGS = ["-Wall", "-Wextra", "-Wstrict-prototypes", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]

# Compiler and linker arguments.
KINDS = {
    "release": ([*COMMON, "-O2", "-g1"], []),
    "debug": ([*COMMON, *WARNINGS, "-O0", "-g", "-UNDEBUG"], []),
    "sanitize": ([*COMMON, *SANITIZERS, "-O1", "-g", "-UNDEBUG"], SANITIZERS),
}


def extension(name, sources):
    compile_args, link_args = KINDS[os.environ.get("PROCESSION_BUILD", "release")]
    headers = [f"csrc/{header}" for header in sorted(os.listdir("csrc")) if header.endswith(".h")]
    return Extension(
        f"procession.{name}",
        [f"src/procession/{name}.pyx", *sources],
        include_dirs=["csrc", "src/procession"],
        depends=[*headers, "src/procession/_line_await.h"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


def compiler():
    """Return the compiler's name, or end with a sentence that says what to install."""
    name = os.environ.get("CC", "cc").split()[0]
    if shutil.which(name) or shutil.which("gcc"):
        return name
    sys.exit(
        f"procession is built from C and found no compiler ({name!r} is not on the PATH).\n"
        "Install one together with Python's headers, then run the same command again:\n"
        "  Debian, Ubuntu:  apt install gcc libc6-dev python3-dev\n"
        "  Fedora, RHEL:    dnf install gcc python3-devel\n"
        "  Alpine:          apk add gcc musl-dev linux-headers python3-dev"
    )


if {"build_ext", "bdist_wheel", "develop", "editable_wheel", "install"} & set(sys.argv):
    compiler()

setup(
    ext_modules=cythonize(
        [extension(name, sources) for name, sources in MODULES.items()],
        include_path=["src"],
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "embedsignature": True},
    )
)
