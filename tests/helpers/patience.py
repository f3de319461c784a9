"""How long to wait for what must happen; less where it is known that it will not."""

EXPECTING_FAILURE = 1.5

seconds = 20.0
