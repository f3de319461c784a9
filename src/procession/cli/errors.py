"""The exceptions of the command."""


class UsageError(Exception):
    """What is wrong with a command line, in a sentence."""
