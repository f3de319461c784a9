"""A job that has ended, as JSON: a line for --format json, and meta.json for --results.

What is no UTF-8 is an object {"base64": "..."} instead of a string, wherever a string may be:
in the command, in its arguments and in its output. Nothing is lost or replaced.
"""

from __future__ import annotations

import binascii
import codecs
import json
import os
from collections.abc import Iterator
from typing import Any

from procession.cli.output.spool import Spool
from procession.cli.run.jobs import Ended

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
READABLE = json.JSONEncoder(ensure_ascii=False, indent=2)


def text_of(text: str) -> str | dict[str, str]:
    """Return what JSON has for an argument, which os.fsdecode() has made."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"base64": binascii.b2a_base64(os.fsencode(text), newline=False).decode()}
    return text


def fields_of(ended: Ended) -> dict[str, Any]:
    """Return what is known of a job but its output.

    seq: the job's number; attempt: of which of its attempts the rest tells.
    exit: its status, null if a signal ended it; signal: the number of that, or null.
    start: in seconds since the epoch.
    user, system, max_rss: null where they are not known; max_rss in bytes.
    """
    job, result = ended.job, ended.result
    # A command that could not be started has no pid, and the status that a shell would have.
    by_signal = result.pid is not None and result.returncode < 0
    usage = result.usage
    peak = None
    if usage is not None and usage.max_rss > usage.max_rss_floor:
        peak = usage.max_rss
    return {
        "seq": job.number,
        "command": text_of(job.command),
        "args": [text_of(value) for value in job.values],
        "exit": None if by_signal else result.returncode,
        "signal": -result.returncode if by_signal else None,
        "reason": result.reason,
        "error": result.error and str(result.error).encode(errors="backslashreplace").decode(),
        "start": result.started,
        "seconds": result.duration,
        "attempts": result.attempts,
        "slot": job.slot,
        "pid": result.pid,
        "user": usage and usage.user,
        "system": usage and usage.system,
        "max_rss": peak,
    }


def meta_of(ended: Ended) -> bytes:
    """Return meta.json, which has all but the output."""
    return READABLE.encode(fields_of(ended)).encode() + b"\n"


def record_of(ended: Ended) -> Iterator[bytes]:
    """Yield the line that tells of a job, in pieces, whatever the size of its output.

    Raises:
        OSError: the output cannot be read from its temporary file.
    """
    yield ENCODER.encode(fields_of(ended))[:-1].encode()
    for name, spool in (("stdout", ended.stdout), ("stderr", ended.stderr)):
        yield b',"%s":' % name.encode()
        if spool is None:
            yield b"null"
        elif is_utf8(spool):
            yield from string_of(spool)
        else:
            yield from base64_of(spool)
    yield b"}\n"


def is_utf8(spool: Spool) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in spool.pieces():
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def string_of(spool: Spool) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    yield b'"'
    for piece in spool.pieces():
        yield ENCODER.encode(decoder.decode(piece))[1:-1].encode()
    yield b'"'


def base64_of(spool: Spool) -> Iterator[bytes]:
    yield b'{"base64":"'
    rest = b""
    for piece in spool.pieces():
        data = rest + piece
        # Three bytes are four letters, without padding in between.
        whole = len(data) - len(data) % 3
        rest = data[whole:]
        yield binascii.b2a_base64(data[:whole], newline=False)
    yield binascii.b2a_base64(rest, newline=False)
    yield b'"}'
