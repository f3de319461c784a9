"""A run: jobs through procession.map()."""
