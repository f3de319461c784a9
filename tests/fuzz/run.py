"""Runs the fuzz targets with libFuzzer, each for its share of the time.

An input that fails is left beside the corpus, where tests/test_fuzz.py finds it. Exits with
1 when there is one, and with 0 where there is no clang that has libFuzzer.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FUZZ = pathlib.Path(__file__).resolve().parent
CORE = FUZZ.parents[1] / "csrc"

# What each target is linked with.
TARGETS = {
    "buf": ["psn_buf.c"],
    "outq": ["psn_outq.c"],
    "plan": ["psn_argv.c", "psn_child.c", "psn_job.c", "psn_limits.c", "psn_stdio.c"],
}
LONGEST_INPUT = 512
LONGEST_RUN = 10
COMPILERS = ["clang", *(f"clang-{version}" for version in range(22, 13, -1))]
FLAGS = ["-std=c11", "-O1", "-g", f"-I{CORE}", "-fsanitize=fuzzer,address,undefined"]
STRICT_UB = ["-fno-sanitize-recover=undefined"]


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as directory:
        compiler = find_compiler(pathlib.Path(directory))
        if compiler is None:
            print("no clang with libFuzzer: nothing is run")
            return 0
        failed = [
            name
            for name in options.only
            if not fuzz(name, compiler, pathlib.Path(directory), options)
        ]
    print(f"failed: {', '.join(failed)}" if failed else "no failure")
    return 1 if failed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--keep", action="store_true", help="make the corpus anew, smallest first")
    return parser.parse_args()


def find_compiler(directory):
    """Return a compiler that links the fuzzer's library, None if there is none."""
    empty = directory / "empty.c"
    empty.write_text("int LLVMFuzzerTestOneInput(void) { return 0; }\n")
    for name in filter(shutil.which, COMPILERS):
        command = [name, *FLAGS, empty, "-o", directory / "empty"]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return name
    return None


def fuzz(name, compiler, directory, options):
    """Run one target on what it finds, from the kept corpus on; say whether all was well."""
    program = directory / f"fuzz_{name}"
    sources = [FUZZ / f"fuzz_{name}.c", *(CORE / source for source in TARGETS[name])]
    subprocess.run([compiler, *FLAGS, *STRICT_UB, *sources, "-o", program], check=True)
    kept, found = FUZZ / "corpus" / name, directory / name
    found.mkdir()
    kept.mkdir(parents=True, exist_ok=True)
    seconds = max(1, options.seconds // len(options.only))
    print(f"{name}: {seconds} s", flush=True)
    done = run(program, f"-max_total_time={seconds}", f"-artifact_prefix={kept}/", found, kept)
    print("\n".join(line for line in done.splitlines() if line.startswith("Done")) or done)
    if "Done" not in done:
        return False
    if options.keep:
        smallest = directory / f"{name}-smallest"
        smallest.mkdir()
        run(program, "-merge=1", smallest, kept, found)
        shutil.rmtree(kept)
        shutil.copytree(smallest, kept)
    return True


def run(program, *arguments):
    """Run a target; return what it says."""
    limits = [f"-max_len={LONGEST_INPUT}", f"-timeout={LONGEST_RUN}", "-print_final_stats=0"]
    done = subprocess.run(
        [program, *limits, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"},
    )
    return done.stdout if done.returncode == 0 else done.stdout.replace("Done", "Ended")


if __name__ == "__main__":
    sys.exit(main())
