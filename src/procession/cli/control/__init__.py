"""When a job may begin, and what ends a run before its time."""
