"""The command `procession`: many commands at once, from a terminal or a script."""
