"""Where the values of jobs come from."""
