"""subprocess_exec() and subprocess_shell(): transports, protocols and what they tell."""

import asyncio
import contextvars
import gc
import importlib
import logging
import re
import signal
import sys
import threading
import warnings
import weakref

import pytest

from children import CAT, SLEEP, TIMEOUT, TRUE, flood, is_gone, sh, until

PIPE, DEVNULL, STDOUT = (
    getattr(asyncio.subprocess, name) for name in ("PIPE", "DEVNULL", "STDOUT")
)
CALLBACKS = (
    "connection_made",
    "pipe_data_received",
    "pipe_connection_lost",
    "process_exited",
    "connection_lost",
)


class Protocol(asyncio.SubprocessProtocol):
    """Notes what it hears; `fails` names a callback that raises, `acts` one to run."""

    def __init__(self, fails=None, acts=None):
        self.fails = fails
        self.acts = acts or {}
        self.events = []
        self.data = {1: b"", 2: b""}
        self.transport = None
        self.ended = asyncio.get_running_loop().create_future()

    def note(self, *event):
        self.events.append(event)
        name = event[0]
        if name in self.acts:
            self.acts[name](self)
        if name == self.fails:
            raise ZeroDivisionError(name)

    def names(self):
        return [event[0] for event in self.events]

    def connection_made(self, transport):
        self.transport = transport
        self.note("connection_made")

    def pipe_data_received(self, fd, data):
        assert type(data) is bytes
        self.data[fd] += data
        self.note("pipe_data_received", fd)

    def pipe_connection_lost(self, fd, exc):
        self.note("pipe_connection_lost", fd, type(exc))

    def process_exited(self):
        self.note("process_exited")

    def pause_writing(self):
        self.note("pause_writing")

    def resume_writing(self):
        self.note("resume_writing")

    def connection_lost(self, exc):
        self.ended.set_result(exc)
        self.note("connection_lost", exc)


class OnLoop:
    """The calls of asyncio's own loop."""

    def __getattr__(self, name):
        return getattr(asyncio.get_running_loop(), name)


@pytest.fixture
def low(implementation):
    """Return what has subprocess_exec() and subprocess_shell()."""
    return OnLoop() if implementation == "asyncio" else importlib.import_module("procession")


@pytest.fixture
async def handler(monkeypatch):
    """Return the contexts that the loop's exception handler gets."""
    contexts = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_exception_handler", contexts.append)
    return contexts


async def ended(protocol):
    """Wait for connection_lost() and what follows, and close the transport."""
    await asyncio.wait_for(asyncio.shield(protocol.ended), TIMEOUT)
    await asyncio.sleep(0)
    protocol.transport.close()


async def test_events_come_in_the_documented_order(low):
    transport, protocol = await low.subprocess_exec(
        Protocol, *sh("read line; echo $line; echo wrong >&2; exit 3")
    )
    assert protocol.transport is transport
    transport.get_pipe_transport(0).write(b"right\n")

    await ended(protocol)

    names = protocol.names()
    assert names[0] == "connection_made"
    assert names[-1] == "connection_lost"
    assert names.count("process_exited") == 1
    lost = [event[1] for event in protocol.events if event[0] == "pipe_connection_lost"]
    assert sorted(lost) == [0, 1, 2]
    for fd in (1, 2):
        data = protocol.events.index(("pipe_data_received", fd))
        assert data < protocol.events.index(("pipe_connection_lost", fd, type(None)))
    assert protocol.data == {1: b"right\n", 2: b"wrong\n"}
    assert transport.get_returncode() == 3


@pytest.mark.parametrize("turn", range(20))
async def test_all_events_of_a_child_that_ends_at_once_come_after_connection_made(low, turn):
    _, protocol = await low.subprocess_exec(Protocol, *sh("echo out; echo err >&2"), stdin=None)

    await ended(protocol)

    assert protocol.names()[0] == "connection_made"
    assert protocol.data == {1: b"out\n", 2: b"err\n"}
    assert sorted(protocol.names()[1:]) == sorted(
        ["pipe_data_received"] * 2
        + ["pipe_connection_lost"] * 2
        + ["process_exited", "connection_lost"]
    )


async def test_a_long_output_arrives_whole_and_in_order(low):
    script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"
    _, protocol = await low.subprocess_exec(Protocol, *sh(script), stdin=None, stderr=None)

    await ended(protocol)

    assert protocol.data[1] == b"".join(b"%d\n" % i for i in range(20000))


async def test_the_shell_runs_a_command_line(low):
    transport, protocol = await low.subprocess_shell(Protocol, "echo $((40 + 2)) >&2; exit 7")

    await ended(protocol)

    assert protocol.data == {1: b"", 2: b"42\n"}
    assert transport.get_returncode() == 7


async def test_without_pipes_only_the_exit_is_told(low):
    transport, protocol = await low.subprocess_exec(
        Protocol, *TRUE, stdin=DEVNULL, stdout=None, stderr=None
    )

    await ended(protocol)

    assert protocol.names() == ["connection_made", "process_exited", "connection_lost"]
    assert [transport.get_pipe_transport(fd) for fd in range(4)] == [None] * 4


async def test_stderr_can_go_where_stdout_goes(low):
    transport, protocol = await low.subprocess_exec(
        Protocol, *sh("echo one; echo two >&2"), stdin=None, stderr=STDOUT
    )

    await ended(protocol)

    assert protocol.data[1] == b"one\ntwo\n"
    assert transport.get_pipe_transport(2) is None


async def test_the_transport_is_an_instance_of_asyncios_classes(low):
    transport, protocol = await low.subprocess_exec(Protocol, *CAT)

    assert isinstance(transport, asyncio.SubprocessTransport)
    assert isinstance(transport, asyncio.base_subprocess.BaseSubprocessTransport)
    assert isinstance(transport.get_pipe_transport(0), asyncio.WriteTransport)
    assert isinstance(transport.get_pipe_transport(1), asyncio.ReadTransport)
    assert transport.get_protocol() is protocol
    assert not transport.is_closing()
    transport.get_pipe_transport(0).close()
    await ended(protocol)
    assert transport.is_closing()
    assert transport.get_protocol() is None


async def test_the_child_can_be_looked_at_as_a_popen(low):
    transport, protocol = await low.subprocess_exec(Protocol, *CAT)
    child = transport.get_extra_info("subprocess")

    assert child.pid == transport.get_pid()
    assert tuple(child.args) == CAT
    assert child.returncode is None
    assert child.poll() is None
    assert child.stdin.fileno() >= 0
    pipes = [transport.get_pipe_transport(fd).get_extra_info("pipe") for fd in range(3)]
    assert all(pipe.fileno() >= 0 for pipe in pipes)
    transport.get_pipe_transport(0).close()
    await ended(protocol)
    assert child.returncode == 0


@pytest.mark.parametrize("callback", CALLBACKS)
async def test_a_callback_that_raises_breaks_nothing(low, handler, callback):
    _, protocol = await low.subprocess_exec(
        lambda: Protocol(fails=callback), *sh("echo out"), stdin=None, stderr=None
    )

    await ended(protocol)

    assert protocol.names() == [
        "connection_made",
        "pipe_data_received",
        "pipe_connection_lost",
        "process_exited",
        "connection_lost",
    ] or sorted(protocol.names()) == sorted(CALLBACKS)
    assert [type(context["exception"]) for context in handler] == [ZeroDivisionError]
    handler.clear()


@pytest.mark.parametrize("moment", CALLBACKS)
async def test_close_at_any_moment_ends_the_child(low, moment):
    _, protocol = await low.subprocess_exec(
        lambda: Protocol(acts={moment: lambda self: self.transport.close()}),
        *sh("echo out; exec cat"),
    )
    if moment == "pipe_connection_lost":
        protocol.transport.get_pipe_transport(2).close()
    elif moment in ("process_exited", "connection_lost"):
        protocol.transport.get_pipe_transport(0).close()

    await ended(protocol)

    assert protocol.names().count("connection_lost") == 1
    assert sorted(e[1] for e in protocol.events if e[0] == "pipe_connection_lost") == [0, 1, 2]
    assert protocol.transport.is_closing()


async def test_close_kills_a_child_that_runs_and_may_be_repeated(low):
    transport, protocol = await low.subprocess_exec(Protocol, *SLEEP)

    transport.close()
    transport.close()
    await ended(protocol)

    assert transport.get_returncode() == -signal.SIGKILL


async def test_after_close_no_data_is_told(low):
    transport, protocol = await low.subprocess_exec(Protocol, *sh("echo out; exec cat"))
    await until(lambda: protocol.data[1])
    transport.get_pipe_transport(0).write(b"more")

    transport.close()
    await ended(protocol)

    assert protocol.data[1] == b"out\n"


@pytest.mark.parametrize("name", ["terminate", "kill", "send_signal"])
async def test_signals_end_the_child_and_are_errors_after_connection_lost(low, name):
    transport, protocol = await low.subprocess_exec(Protocol, *SLEEP)
    send = getattr(transport, name)
    arguments = (signal.SIGUSR1,) if name == "send_signal" else ()

    send(*arguments)
    await ended(protocol)

    expected = {"terminate": signal.SIGTERM, "kill": signal.SIGKILL, "send_signal": signal.SIGUSR1}
    assert transport.get_returncode() == -expected[name]
    with pytest.raises(ProcessLookupError):
        send(*arguments)


async def test_a_transport_that_nobody_closed_warns(low):
    transport, protocol = await low.subprocess_exec(Protocol, *TRUE)
    await protocol.ended
    # asyncio's thread for the child holds the transport, where it has one.
    await until(lambda: not any("waitpid" in thread.name for thread in threading.enumerate()))
    await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del transport, protocol
        gc.collect()

    assert ["unclosed transport" in str(warning.message) for warning in caught] == [True]


async def test_a_transport_lives_while_its_child_does(low):
    transport, protocol = await low.subprocess_exec(Protocol, *CAT)
    dropped = weakref.ref(transport)
    del transport, protocol.transport
    gc.collect()

    dropped().get_pipe_transport(0).write(b"still here")
    await until(lambda: protocol.data[1])
    protocol.transport = dropped()
    protocol.transport.get_pipe_transport(0).close()
    await ended(protocol)

    assert protocol.data[1] == b"still here"


async def test_another_protocol_hears_from_set_protocol_on(low):
    transport, first = await low.subprocess_exec(Protocol, *CAT)
    transport.get_pipe_transport(0).write(b"one")
    await until(lambda: first.data[1])
    second = Protocol()
    second.transport = transport

    transport.set_protocol(second)
    assert transport.get_protocol() is second
    transport.get_pipe_transport(0).write(b"two")
    await until(lambda: second.data[1])
    transport.get_pipe_transport(0).close()
    await ended(second)

    assert first.names() == ["connection_made", "pipe_data_received"]
    assert (first.data[1], second.data[1]) == (b"one", b"two")
    assert second.names()[-1] == "connection_lost"


async def test_a_child_may_close_its_stdout_and_live_on(low):
    transport, protocol = await low.subprocess_exec(
        Protocol, *sh("echo out; exec >&-; read line; exit 5"), stderr=None
    )

    await until(lambda: ("pipe_connection_lost", 1, type(None)) in protocol.events)
    assert transport.get_returncode() is None
    transport.get_pipe_transport(0).write(b"\n")
    await ended(protocol)

    assert transport.get_returncode() == 5


async def test_writing_to_a_child_that_is_gone_is_no_error(low):
    transport, protocol = await low.subprocess_exec(Protocol, *SLEEP, stdout=None, stderr=None)
    stdin = transport.get_pipe_transport(0)

    transport.kill()
    while "pipe_connection_lost" not in protocol.names():
        stdin.write(b"x" * 1000)
        await asyncio.sleep(0)
    stdin.write(b"late")
    await ended(protocol)

    assert stdin.is_closing()
    assert stdin.get_write_buffer_size() == 0


async def test_the_loss_of_queued_input_is_told(low):
    transport, protocol = await low.subprocess_exec(Protocol, *SLEEP, stdout=None, stderr=None)

    transport.get_pipe_transport(0).write(b"x" * 1_000_000)
    transport.kill()
    await ended(protocol)

    assert ("pipe_connection_lost", 0, BrokenPipeError) in protocol.events


async def test_the_protocol_is_asked_to_pause_and_resume_writing(low):
    transport, protocol = await low.subprocess_exec(
        Protocol, *sh("read line; exec cat >/dev/null"), stdout=None, stderr=None
    )
    stdin = transport.get_pipe_transport(0)
    stdin.set_write_buffer_limits(high=1000, low=100)
    assert stdin.get_write_buffer_limits() == (100, 1000)

    stdin.write(b"x" * 500_000)
    assert protocol.names()[-1] == "pause_writing"
    assert stdin.get_write_buffer_size() > 1000
    stdin.write(b"\n")
    await until(lambda: protocol.names()[-1] == "resume_writing")
    assert stdin.get_write_buffer_size() <= 100
    assert stdin.can_write_eof()
    stdin.write_eof()
    await ended(protocol)

    assert protocol.names().count("pause_writing") == 1


@pytest.mark.parametrize("limits", [(-1, None), (10, 20), (None, -1)])
async def test_write_buffer_limits_that_make_no_sense_are_refused(low, limits):
    transport, protocol = await low.subprocess_exec(Protocol, *CAT)

    with pytest.raises(ValueError, match="must be"):
        transport.get_pipe_transport(0).set_write_buffer_limits(*limits)
    transport.close()
    await ended(protocol)


async def test_abort_drops_what_is_queued(low):
    transport, protocol = await low.subprocess_exec(Protocol, *SLEEP, stdout=None, stderr=None)
    stdin = transport.get_pipe_transport(0)
    stdin.write(b"x" * 1_000_000)

    stdin.abort()
    await until(lambda: "pipe_connection_lost" in protocol.names())

    assert stdin.get_write_buffer_size() == 0
    assert ("pipe_connection_lost", 0, type(None)) in protocol.events
    transport.close()
    await ended(protocol)


async def test_writelines_writes_in_order(low):
    transport, protocol = await low.subprocess_exec(Protocol, *CAT)
    stdin = transport.get_pipe_transport(0)

    stdin.writelines([b"one ", bytearray(b"two "), memoryview(b"three")])
    stdin.close()
    await ended(protocol)

    assert protocol.data[1] == b"one two three"


def pause(protocol):
    protocol.transport.get_pipe_transport(1).pause_reading()


async def test_a_paused_pipe_is_not_read_and_goes_on_when_resumed(low):
    transport, protocol = await low.subprocess_exec(
        lambda: Protocol(acts={"connection_made": pause}), *flood(3_000_000), stdin=None
    )
    stdout = transport.get_pipe_transport(1)
    stdout.pause_reading()
    assert not stdout.is_reading()
    # asyncio reads once before connection_made() can pause it.
    for _ in range(10):
        await asyncio.sleep(0)
    so_far = len(protocol.data[1])
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(protocol.data[1]) == so_far < 3_000_000

    stdout.resume_reading()
    stdout.resume_reading()
    assert stdout.is_reading()
    await ended(protocol)

    assert len(protocol.data[1]) == 3_000_000


async def test_pausing_inside_a_callback_takes_effect(low):
    transport, protocol = await low.subprocess_exec(
        lambda: Protocol(acts={"pipe_data_received": pause}),
        *flood(1_000_000),
        stdin=None,
        stderr=None,
    )
    stdout = transport.get_pipe_transport(1)

    while not protocol.ended.done():
        await until(lambda: not stdout.is_reading() or protocol.ended.done())
        stdout.resume_reading()
    await ended(protocol)

    assert len(protocol.data[1]) == 1_000_000


async def test_callbacks_run_in_the_context_of_the_call(low):
    variable = contextvars.ContextVar("variable", default="nobody's")
    seen = set()
    note = {name: lambda self: seen.add(variable.get()) for name in CALLBACKS}

    async def start():
        variable.set("caller's")
        return await low.subprocess_exec(lambda: Protocol(acts=note), *sh("echo"), stdin=None)

    _, protocol = await asyncio.ensure_future(start())
    await ended(protocol)

    assert seen == {"caller's"}


async def test_a_protocol_factory_that_raises_starts_nothing(low):
    def factory():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await low.subprocess_exec(factory, *TRUE)


@pytest.mark.parametrize(
    "option",
    [
        {"universal_newlines": True},
        {"shell": True},
        {"bufsize": 4096},
        {"text": True},
        {"encoding": "utf-8"},
        {"errors": "strict"},
    ],
    ids=lambda option: next(iter(option)),
)
async def test_what_makes_no_sense_for_bytes_is_refused(low, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        await low.subprocess_exec(asyncio.SubprocessProtocol, *TRUE, **option)


async def test_a_shell_wants_a_string(low):
    with pytest.raises(ValueError, match="cmd must be a string"):
        await low.subprocess_shell(asyncio.SubprocessProtocol, ["true"])


async def test_a_program_that_is_missing_is_reported_as_popen_does(low, tmp_path):
    missing = str(tmp_path / "missing")

    with pytest.raises(FileNotFoundError) as caught:
        await low.subprocess_exec(asyncio.SubprocessProtocol, missing)

    assert caught.value.filename == missing


async def test_a_cancelled_call_leaves_no_child(low):
    pid = []
    for turns in range(6):
        task = asyncio.ensure_future(low.subprocess_exec(Protocol, *SLEEP))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            transport, protocol = await task
        except asyncio.CancelledError:
            continue
        pid.append(transport.get_pid())
        transport.close()
        await ended(protocol)

    await until(lambda: all(map(is_gone, pid)))


async def test_debug_mode_logs_what_asyncio_logs(low, caplog):
    caplog.set_level(logging.DEBUG, "asyncio")
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        transport, protocol = await low.subprocess_exec(Protocol, *CAT, stderr=None)
        transport.get_pipe_transport(1).pause_reading()
        transport.get_pipe_transport(1).resume_reading()
        transport.close()
        await ended(protocol)
    finally:
        loop.set_debug(False)

    said = caplog.text
    caplog.clear()
    for pattern in (
        "execute program 'cat' stdin=<pipe> stdout=<pipe>",
        "process 'cat' created: pid \\d+",
        "execute program 'cat': <.*SubprocessTransport.* running",
        "<.*Read.*> pauses reading",
        "<.*Read.*> resumes reading",
        "Close running child process: kill <.*SubprocessTransport",
        "<.*SubprocessTransport.*> exited with return code -9",
    ):
        assert re.search(pattern, said), pattern


def test_a_loop_that_is_closed_under_a_child_kills_it(implementation):
    package = importlib.import_module("procession")
    loop = package.new_event_loop() if implementation == "procession" else asyncio.new_event_loop()
    heard = []

    async def start():
        protocol = Protocol()
        transport, _ = await loop.subprocess_exec(lambda: protocol, *SLEEP)
        heard.append(protocol)
        return transport.get_pid()

    pid = loop.run_until_complete(start())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.close()
        assert heard.pop().names() == ["connection_made"]
        gc.collect()

    assert "ResourceWarning" in {warning.category.__name__ for warning in caught}
    assert is_gone(pid)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is from Python 3.11 on")
def test_a_loop_of_procession_serves_asyncios_own_calls(implementation):
    package = importlib.import_module("procession")
    factory = package.new_event_loop if implementation == "procession" else None

    async def main():
        process = await asyncio.create_subprocess_exec(*CAT, stdin=PIPE, stdout=PIPE)
        output, _ = await process.communicate(b"through " * 100_000)
        return type(process), process.returncode, output

    with asyncio.Runner(loop_factory=factory) as runner:
        kind, status, output = runner.run(main())

    assert kind is asyncio.subprocess.Process
    assert status == 0
    assert output == b"through " * 100_000


async def test_many_transports_at_once_hear_of_everything(low):
    async def one(number):
        transport, protocol = await low.subprocess_exec(
            Protocol, *sh(f"read x; echo $x; exit {number}")
        )
        transport.get_pipe_transport(0).write(b"%d\n" % number)
        await ended(protocol)
        return transport.get_returncode(), protocol.data[1]

    results = await asyncio.gather(*(one(number) for number in range(50)))

    assert results == [(number, b"%d\n" % number) for number in range(50)]


SEQUENCE = """
    read line; echo "$line"
    read line; echo "$line" >&2
    read line; exec >&-
    read line; exec 2>&-
    read line; exit 3
"""


async def trace_of(subprocess_exec):
    """Lead a child through a sequence, each step after the answer to the last; return all
    that its protocol hears."""
    transport, protocol = await subprocess_exec(Protocol, *sh(SEQUENCE))
    stdin = transport.get_pipe_transport(0)
    for number in range(4):
        so_far = len(protocol.events)
        stdin.write(b"%d\n" % number)
        await until(lambda count=so_far: len(protocol.events) > count)
    stdin.write(b"end\n")
    await ended(protocol)
    return protocol.events, protocol.data, transport.get_returncode()


async def test_a_recorded_trace_is_asyncios():
    package = importlib.import_module("procession")

    ours = await trace_of(package.subprocess_exec)
    theirs = await trace_of(asyncio.get_running_loop().subprocess_exec)

    # The end of stdin and the exit come at once, and asyncio tells them either way round.
    assert ours[0][:5] == theirs[0][:5]
    assert sorted(map(str, ours[0])) == sorted(map(str, theirs[0]))
    assert ours[0][-1] == theirs[0][-1] == ("connection_lost", None)
    assert ours[1:] == theirs[1:]


@pytest.mark.parametrize("callback", ["pause_writing", "resume_writing"])
async def test_flow_control_that_raises_breaks_nothing(low, handler, callback):
    transport, protocol = await low.subprocess_exec(
        lambda: Protocol(fails=callback), *sh("read line; exec cat"), stderr=None
    )
    data = b"line\n" + b"x" * 1_000_000

    transport.get_pipe_transport(0).write(data)
    transport.get_pipe_transport(0).write_eof()
    await ended(protocol)

    assert protocol.data[1] == data[5:]
    assert [context["message"] for context in handler] == [f"protocol.{callback}() failed"]
    handler.clear()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_callback_leaves_the_loop_and_costs_nobody_data(implementation, kind):
    package = importlib.import_module("procession")
    loop = package.new_event_loop() if implementation == "procession" else asyncio.new_event_loop()

    def interrupt(protocol):
        protocol.acts.clear()
        raise kind

    async def start():
        acts = {"pipe_data_received": interrupt}
        script = "read line; exec head -c 300000 /dev/zero"
        return [
            (await loop.subprocess_exec(lambda: Protocol(acts=acts), *sh(script)))[1]
            for _ in range(3)
        ]

    async def finish(protocols):
        for protocol in protocols:
            protocol.transport.get_pipe_transport(0).write(b"\n")
        for protocol in protocols:
            await ended(protocol)
        return [len(protocol.data[1]) for protocol in protocols]

    protocols = loop.run_until_complete(start())
    finishing = loop.create_task(finish(protocols))
    with pytest.raises(kind):
        loop.run_until_complete(finishing)

    assert loop.run_until_complete(finishing) == [300_000] * 3
    loop.close()
