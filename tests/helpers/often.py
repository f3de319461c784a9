"""How often something is tried that could be tried for ever."""

# Set by conftest before tests are collected.
is_deep = False


def examples(usual, deep):
    """Return how many examples are made, with --deep and without."""
    return deep if is_deep else usual
