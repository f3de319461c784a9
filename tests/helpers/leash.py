"""A line to a child: it tells when the child is gone, and ends it."""

import select
import socket

from helpers import patience


class Leash:
    """Give `collar` as stdin to a `cat`: it lives until it is killed or let go.

    >>> with Leash() as leash:
    ...     await create_subprocess_exec("cat", stdin=leash.collar)
    """

    def __enter__(self):
        self._hand, self.collar = socket.socketpair()
        return self

    def __exit__(self, *exc_info):
        self._hand.close()
        self.collar.close()

    def assert_child_gone(self):
        """Wait until no process holds the collar."""
        self.collar.close()
        gone, _, _ = select.select([self._hand], [], [], patience.seconds)
        assert gone, "the child lives on"

    def assert_child_alive(self):
        gone, _, _ = select.select([self._hand], [], [], 0)
        assert not gone, "the child is gone"
