# Everything in it is for other extension modules: see _errors.pxd.
