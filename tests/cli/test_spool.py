"""A job's output: whole, in order, flat in memory, and gone without a trace."""

import errno
import os
import resource
import subprocess
import sys
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.cli.output.spool import IN_MEMORY, Spool


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Have temporary files made in a directory of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def file_limit():
    """Return a function that limits how large a file may become."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def spool():
    """Return a spool that is closed after the test."""
    spool = Spool()
    yield spool
    spool.close()


def content(spool):
    return b"".join(spool.pieces())


def test_a_spool_of_which_nothing_was_asked_is_empty(spool):
    assert (spool.size, content(spool)) == (0, b"")


def test_what_is_short_is_kept_in_memory(spool, directory):
    spool.write(b"one ")
    spool.write(b"two ")
    spool.write(b"")
    spool.write(b"x" * (IN_MEMORY - 8))

    assert not spool.in_file
    assert spool.size == IN_MEMORY
    assert content(spool) == b"one two " + b"x" * (IN_MEMORY - 8)


def test_what_is_longer_is_in_a_file_without_a_name(spool, directory):
    spool.write(b"a" * IN_MEMORY)
    spool.write(b"b")

    assert spool.in_file
    assert list(directory.iterdir()) == []
    assert content(spool) == b"a" * IN_MEMORY + b"b"


def test_a_first_chunk_that_is_too_long_goes_to_the_file_at_once(spool):
    spool.write(b"a" * (IN_MEMORY + 1))

    assert spool.in_file
    assert content(spool) == b"a" * (IN_MEMORY + 1)


def test_bytes_are_yielded_as_often_as_is_asked(spool):
    spool.write(os.urandom(IN_MEMORY * 2))

    assert content(spool) == content(spool)


def test_a_file_is_read_in_pieces(spool):
    spool.write(bytes(IN_MEMORY * 2))

    assert max(map(len, spool.pieces())) <= IN_MEMORY // 2


@pytest.mark.slow
@given(st.lists(st.integers(0, 9).map(lambda n: bytes([65 + n]) * (n * 50_000)), max_size=12))
def test_any_chunks_come_back_in_their_order(chunks):
    spool = Spool()
    for chunk in chunks:
        spool.write(chunk)
    kept = content(spool)
    size = spool.size
    spool.close()

    assert kept == b"".join(chunks)
    assert size == len(kept)


def test_closing_twice_is_fine_and_leaves_nothing_but_the_size(spool):
    spool.write(bytes(IN_MEMORY + 1))

    spool.close()
    spool.close()

    assert (spool.size, content(spool), spool.in_file) == (IN_MEMORY + 1, b"", False)


def test_a_missing_directory_is_named(spool, tmp_path, monkeypatch):
    missing = str(tmp_path / "missing")
    monkeypatch.setattr(tempfile, "tempdir", missing)
    spool.write(b"kept")

    with pytest.raises(FileNotFoundError) as caught:
        spool.write(bytes(IN_MEMORY))

    assert caught.value.filename == missing
    assert content(spool) == b"kept"


def test_a_file_that_cannot_grow_keeps_what_it_had(spool, directory, file_limit):
    spool.write(b"a" * (IN_MEMORY + 1))
    file_limit(IN_MEMORY * 2)

    with pytest.raises(OSError) as caught:
        spool.write(b"b" * IN_MEMORY)

    file_limit(resource.RLIM_INFINITY)
    assert caught.value.errno == errno.EFBIG
    assert str(directory) in str(caught.value)
    spool.write(b"c")
    assert content(spool) == b"a" * (IN_MEMORY + 1) + b"c"
    assert spool.size == IN_MEMORY + 2


def test_what_does_not_fit_into_a_new_file_stays_in_memory(spool, directory, file_limit):
    spool.write(b"kept")
    file_limit(IN_MEMORY // 2)

    with pytest.raises(OSError):
        spool.write(bytes(IN_MEMORY))

    assert content(spool) == b"kept"
    assert not spool.in_file


FULL = """
import sys, tempfile
from procession.cli.output.spool import Spool
tempfile.tempdir = sys.argv[1]
spool = Spool()
try:
    while True:
        spool.write(b"x" * 65536)
except OSError as error:
    print(error.errno, error, spool.size)
spool.close()
"""


@pytest.mark.slow
def test_a_full_disk_is_an_error_that_names_the_directory(tmp_path):
    mount = f"mount -t tmpfs -o size=3m none {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh"]

    done = subprocess.run(
        [*command, sys.executable, "-c", FULL, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )

    message = f"[Errno 28] No space left on device: '{tmp_path}'"
    assert done.stdout == f"28 {message} {3 << 20}\n"
