# Nothing in it is for Python: see _limits.pxd.
