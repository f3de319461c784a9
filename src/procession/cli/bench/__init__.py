"""`procession bench`: what this machine does with procession and with its peers.

bench/ in the source tree compares more, against C programs that it compiles, and uses the
parts of this package that run in the program that compares. What runs in a player's own
interpreter is another matter: there nothing of procession may be imported by its peers.
"""
