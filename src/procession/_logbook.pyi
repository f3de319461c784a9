# Everything in it is for other extension modules: see _logbook.pxd.
