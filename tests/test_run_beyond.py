"""What run() has beyond subprocess.run()."""

import asyncio
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import time

import pytest

import procession
from children import CAT, SLEEP, TRUE, flood, is_gone, python, sh, until
from procession import PIPE, STDOUT, CommandFailed, CommandTimedOut
from procession._engine import live_objects

ENDLESS = sh("printf 'head'; printf error >&2; exec yes")
# Says that it is ready, and is deaf to SIGTERM.
DEAF = sh("trap '' TERM; echo ready; while :; do sleep 0.01; done")
# Ends in its own time after SIGTERM.
ORDERLY = sh("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done")


# What a Completed tells


async def test_an_exit_is_told():
    before = time.time()
    result = await procession.run(sh("exit 3"), stdout=PIPE)

    assert (result.returncode, result.reason, result.signal) == (3, "exit", None)
    assert (result.error, result.truncated, result.attempts) == (None, 0, 1)
    assert (result.ok, result.pid > 0) == (False, True)
    assert before <= result.started
    assert result.duration > 0
    assert is_gone(result.pid)


async def test_a_signal_is_told():
    result = await procession.run(sh("kill -TERM $$"))

    assert (result.returncode, result.reason) == (-signal.SIGTERM, "signal")
    assert result.signal is signal.SIGTERM
    assert not result.ok


async def test_a_signal_without_a_name_is_told_by_its_number():
    number = signal.SIGRTMIN + 1
    result = await procession.run(sh(f"kill -{number} $$"))

    assert (result.returncode, result.reason, result.signal) == (-number, "signal", None)


async def test_success_is_told():
    result = await procession.run(TRUE)

    assert result.ok
    assert result.check_returncode() is None


async def test_what_was_used_is_told():
    busy = "bytearray(50 << 20); x = 0\nwhile __import__('time').process_time() < 0.05: pass"
    usage = (await procession.run(python(busy))).usage

    assert 0.05 <= usage.user + usage.system < 60
    assert usage.max_rss >= 50 << 20
    assert usage.max_rss_floor > 0
    assert usage.minor_faults > 0


async def test_a_repr_says_what_matters():
    result = await procession.run(["echo", "a"], capture_output=True)
    assert repr(result) == (
        "Completed(args=['echo', 'a'], returncode=0, stdout=b'a\\n', stderr=b'')"
    )
    result = await procession.run(ENDLESS, stdout=PIPE, max_output=4, overflow="end", stderr=STDOUT)
    assert "reason='output limit', stdout=b'head')" in repr(result)


@pytest.mark.parametrize("copied", [copy.copy, lambda result: pickle.loads(pickle.dumps(result))])
async def test_a_result_can_be_copied_and_pickled(copied):
    result = await procession.run(sh("echo a; exit 3"), capture_output=True, text=True)
    twin = copied(result)

    assert type(twin) is procession.Completed
    assert vars(twin) == vars(result) | {"_used": result.usage}
    assert twin.usage == result.usage
    assert twin.signal is None


async def test_the_usage_in_a_pickle_is_that_of_the_process_that_has_run_it():
    """Whoever reads it may have had more memory."""
    result = await procession.run(TRUE)
    reader = (
        "import pickle, sys; ballast = bytearray(200 << 20); "
        "print(pickle.load(sys.stdin.buffer).usage.max_rss_floor)"
    )

    read = await procession.run(
        [sys.executable, "-c", reader], input=pickle.dumps(result), capture_output=True
    )

    assert int(read.stdout) == result.usage.max_rss_floor


# What errors tell


async def failure_of(script, **options):
    with pytest.raises(CommandFailed) as caught:
        await procession.run(sh(script), check=True, capture_output=True, **options)
    assert isinstance(caught.value, subprocess.CalledProcessError)
    return caught.value


async def test_a_failure_ends_with_the_end_of_stderr():
    error = await failure_of("seq 30 >&2; exit 3")

    first, _, tail = str(error).partition(" stderr ends with:")
    assert first.endswith("returned non-zero exit status 3.")
    assert tail.split() == [str(i) for i in range(21, 31)]
    assert error.result.reason == "exit"
    assert error.result.stderr == error.stderr


@pytest.mark.parametrize("options", [{}, {"text": True, "encoding": "utf-8"}])
async def test_a_failure_tells_a_bounded_part_of_one_long_line(options):
    error = await failure_of("yes ü | head -n 100000 | tr -d '\\n' >&2; exit 3", **options)

    tail = str(error).partition(" stderr ends with:\n    ")[2]
    assert tail == "ü" * 2000


async def test_a_failure_tells_what_is_no_text_in_escapes():
    error = await failure_of("printf 'a\\377\\303b' >&2; exit 3")

    assert str(error).endswith("stderr ends with:\n    a\\xff\\xc3b")


async def test_a_failure_without_stderr_is_told_as_subprocess_tells_it():
    for script in ("exit 3", "printf ' \\n' >&2; exit 3", "kill -9 $$"):
        error = await failure_of(script)
        assert str(error) == str(
            subprocess.CalledProcessError(error.returncode, error.cmd, error.stdout)
        )


async def test_a_failure_tells_the_reason():
    error = await failure_of("printf 12345; exec sleep 3600", max_output=4, overflow="end")
    assert str(error).endswith("died with <Signals.SIGTERM: 15> (output limit).")

    error = await failure_of(
        "trap 'exit 0' TERM; printf 12345; while :; do :; done",
        max_output=4,
        overflow="end",
    )
    assert str(error).endswith("returned exit status 0 (output limit).")


async def test_a_timeout_tells_the_output_so_far_and_the_end_of_stderr():
    with pytest.raises(CommandTimedOut) as caught:
        await procession.run(
            sh("echo output; echo error >&2; exec sleep 3600"), capture_output=True, timeout=1
        )
    error = caught.value

    assert isinstance(error, subprocess.TimeoutExpired)
    assert str(error).endswith("timed out after 1 seconds; stderr ends with:\n    error")
    assert (error.output, error.stdout, error.stderr) == (b"output\n", b"output\n", b"error\n")
    assert (error.result.reason, error.result.signal) == ("timeout", signal.SIGTERM)


@pytest.mark.parametrize(
    "script, options",
    [
        ("echo error >&2; exit 3", {"check": True}),
        ("exec sleep 3600", {"timeout": 0.05}),
        ("exec sleep 3600", {"idle_timeout": 0.05}),
    ],
)
async def test_errors_can_be_pickled(script, options):
    with pytest.raises(subprocess.SubprocessError) as caught:
        await procession.run(sh(script), capture_output=True, **options)
    error = caught.value
    twin = pickle.loads(pickle.dumps(error))

    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.result.reason == error.result.reason


async def error_of(args, **options):
    try:
        await procession.run(args, **options)
    except Exception as error:
        return error


async def test_errors_hold_nothing_after_they_are_forgotten(no_collector):
    """No cycle of an error, its traceback and what it is about."""

    async def rounds():
        for args, options in (
            (["no-such-program"], {}),
            (["sh", "-c", "exit 3"], {"check": True}),
            (["sleep", "3600"], {"timeout": 0.01}),
            (["printf", "\\377"], {"stdout": PIPE, "encoding": "ascii"}),
            (["true"], {"encoding": "no-such-encoding"}),
        ):
            error = await error_of(args, **options)
            assert error is not None
            del error

    await rounds()
    before = no_collector()
    await rounds()
    await until(lambda: no_collector()["child"] <= before["child"])


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield live_objects
    gc.enable()


# Bounds of output


async def test_an_endless_output_can_be_ended_by_its_length():
    result = await procession.run(
        ENDLESS, capture_output=True, max_output=1000, overflow="end", timeout=1000
    )

    assert result.reason == "output limit"
    assert result.signal is signal.SIGTERM
    assert result.stdout == (b"head" + b"y\n" * 1000)[:1000]
    assert result.stderr == b"error"
    assert result.truncated > 0


async def test_each_output_has_the_bound_for_itself():
    result = await procession.run(
        sh("printf 123456; printf abcdef >&2"), capture_output=True, max_output=4
    )

    note = b"\n[... 2 bytes left out ...]\n"
    assert (result.stdout, result.stderr) == (b"12" + note + b"56", b"ab" + note + b"ef")
    assert (result.truncated, result.reason, result.ok) == (4, "exit", True)


async def test_an_output_of_just_the_bound_ends_nothing():
    result = await procession.run(
        sh("printf 12345; printf abcde >&2"), capture_output=True, max_output=5, overflow="end"
    )

    assert (result.stdout, result.stderr) == (b"12345", b"abcde")
    assert (result.reason, result.truncated) == ("exit", 0)


async def test_text_that_was_cut_within_a_character_is_text():
    result = await procession.run(
        ["printf", "%s", "ü" * 10], stdout=PIPE, encoding="utf-8", max_output=6
    )

    note = "\n[... 14 bytes left out ...]\n"
    assert result.stdout == f"ü\N{REPLACEMENT CHARACTER}{note}\N{REPLACEMENT CHARACTER}ü"
    assert result.error is None


async def test_text_that_was_not_cut_is_decoded_as_it_was_asked_for():
    with pytest.raises(UnicodeDecodeError):
        await procession.run(["printf", "\\377"], stdout=PIPE, encoding="utf-8", max_output=6)


async def test_a_flood_takes_the_memory_of_its_bound():
    result = await procession.run(flood(100 << 20), stdout=PIPE, max_output=1000)

    assert result.truncated == (100 << 20) - 1000
    assert len(result.stdout) < 1100


# Silence


async def test_a_silent_command_is_ended():
    with pytest.raises(CommandTimedOut, match=r"had no output for 0\.2 seconds") as caught:
        await procession.run(sh("echo once; exec sleep 3600"), stdout=PIPE, idle_timeout=0.2)

    assert caught.value.output == b"once\n"
    assert caught.value.timeout == 0.2
    assert caught.value.result.reason == "idle"


@pytest.mark.slow
@pytest.mark.parametrize("stream", [1, 2])
async def test_a_command_that_goes_on_talking_is_not_idle(stream):
    script = f"for i in $(seq 20); do sleep 0.1; echo $i >&{stream}; done"
    result = await procession.run(sh(script), capture_output=True, idle_timeout=1.5)

    assert (result.reason, result.returncode) == ("exit", 0)
    assert len((result.stdout + result.stderr).split()) == 20


async def test_silence_after_the_exit_is_none():
    """Of the command, that is; what it has left may take its time."""
    result = await procession.run(sh("sleep 0.5 & exit 3"), stdout=PIPE, idle_timeout=0.2)

    assert (result.reason, result.returncode) == ("exit", 3)


@pytest.mark.parametrize("options", [{}, {"stderr": STDOUT}, {"stdout": procession.DEVNULL}])
async def test_silence_of_what_is_not_heard_cannot_be_told(options):
    with pytest.raises(ValueError, match="idle_timeout needs an output that is captured"):
        await procession.run(TRUE, idle_timeout=1, **options)


async def test_a_timeout_strikes_a_command_that_is_not_idle():
    with pytest.raises(CommandTimedOut, match="timed out after"):
        await procession.run(("yes",), stdout=PIPE, max_output=9, timeout=0.2, idle_timeout=10)


# Ends of outputs that others hold


async def test_the_end_of_an_output_is_waited_for_as_long_as_asked(pipe, caplog):
    holder = "exec 3<&0; cat <&3 & echo $!; exit 3"
    result = await procession.run(sh(holder), stdout=PIPE, eof_grace=0.05, stdin=pipe[0])

    os.write(pipe[1], b"late")
    assert (result.reason, result.returncode) == ("exit", 3)
    assert int(result.stdout)
    held = f"output of process {result.pid} is held open by cat (pid {int(result.stdout)})"
    assert caplog.messages == [held]


async def test_all_that_a_large_pipe_holds_is_there(pipe, tmp_path):
    size, written = 900_000, tmp_path / "written"
    holder = f"exec 3<&0; cat <&3 & head -c {size} /dev/zero; echo > {written}; exit 3"
    options = {"stdout": PIPE, "stdin": pipe[0], "pipesize": 1 << 20, "eof_grace": 0}
    task = asyncio.ensure_future(procession.run(sh(holder), **options))
    await asyncio.sleep(0)
    # No turn of the loop, so nothing is read before the command has ended.
    while not written.exists():
        time.sleep(0.001)

    result = await task

    os.write(pipe[1], b"late")
    assert (result.returncode, len(result.stdout)) == (3, size)


async def test_output_within_the_grace_belongs_to_it():
    result = await procession.run(sh("(sleep 0.05; echo late) & exit 3"), stdout=PIPE, eof_grace=60)

    assert result.stdout == b"late\n"


async def test_no_grace_takes_what_is_there(pipe):
    holder = "exec 3<&0; cat <&3 & printf %0100000d 0; exit 3"
    result = await procession.run(sh(holder), stdout=PIPE, eof_grace=0, stdin=pipe[0])

    os.write(pipe[1], b"late")
    assert result.stdout == b"0" * 100000


# How it is ended


async def end_when_ready(command, **options):
    """Run a command up to where it says "ready"."""
    result = await procession.run(
        command, stdout=PIPE, max_output=5, overflow="end", timeout=1000, **options
    )
    assert (result.stdout, result.reason) == (b"ready", "output limit")
    assert is_gone(result.pid)
    return result


async def test_a_command_may_end_in_its_own_way():
    result = await end_when_ready(ORDERLY, grace=1000)

    assert result.returncode == 7
    assert result.truncated == len("\nbye\n")


@pytest.mark.parametrize("grace", [0, -1, 0.05])
async def test_a_deaf_command_is_killed_after_the_grace(grace):
    result = await end_when_ready(DEAF, grace=grace)

    assert result.signal is signal.SIGKILL


async def test_without_grace_nothing_of_its_own_is_run():
    result = await end_when_ready(ORDERLY, grace=0)

    assert (result.signal, result.truncated) == (signal.SIGKILL, len("\n"))


async def test_without_a_bound_of_the_grace_its_end_is_waited_for():
    result = await end_when_ready(ORDERLY, grace=None)

    assert result.returncode == 7


async def test_a_timeout_has_the_grace_too():
    with pytest.raises(CommandTimedOut) as caught:
        await procession.run(DEAF, stdout=PIPE, timeout=1, grace=0.05)

    assert caught.value.output == b"ready\n"
    assert caught.value.result.signal is signal.SIGKILL


async def test_a_stopped_command_is_ended():
    with pytest.raises(CommandTimedOut) as caught:
        await procession.run(sh("kill -STOP $$"), timeout=0.2, grace=0.05)

    assert caught.value.result.signal is signal.SIGKILL


async def test_input_that_is_not_taken_holds_up_no_end():
    with pytest.raises(CommandTimedOut) as caught:
        await procession.run(SLEEP, input=bytes(1 << 20), timeout=0.1)

    assert caught.value.result.signal is signal.SIGTERM


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_output": -1}, "max_output must be 0 or more"),
        ({"overflow": "drop"}, "overflow must be"),
        ({"grace": float("nan")}, "grace must be"),
        ({"idle_timeout": float("nan"), "stdout": PIPE}, "idle_timeout must be"),
        ({"eof_grace": float("nan")}, "eof_grace must be"),
    ],
)
async def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        await procession.run(TRUE, **options)


@pytest.mark.parametrize("options", [{"max_output": 1.5}, {"grace": "long"}], ids=repr)
async def test_what_is_no_number_is_refused(options):
    with pytest.raises(TypeError):
        await procession.run(TRUE, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"input": "text"}, "bytes-like object is required|unless text=True"),
        ({"input": 7}, "memoryview"),
        ({"input": b"bytes", "text": True}, "input must be str in text mode"),
        ({"input": 7, "encoding": "utf-8"}, "input must be str in text mode"),
    ],
)
async def test_input_of_the_wrong_kind_is_refused_before_anything_is_started(
    options, message, tmp_path
):
    touched = tmp_path / "touched"
    with pytest.raises(TypeError, match=message):
        await procession.run(["touch", touched], **options)

    assert not touched.exists()


async def test_many_at_once():
    results = await asyncio.gather(
        *[procession.run(CAT, input=b"%d" % i, stdout=PIPE) for i in range(200)]
    )

    assert [result.stdout for result in results] == [b"%d" % i for i in range(200)]
    assert len({result.pid for result in results}) > 1
