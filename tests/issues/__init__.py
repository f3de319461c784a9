"""What users of asyncio's subprocesses suffer from, as 65 numbered statements.

Each is asserted of procession by a test that has its number in its name; on asyncio the
same test shows the defect, where it shows every time.

Not here, because they are about what does not exist yet: 30 (killing a tree), 38
(terminals), 39 (text), 43 (subinterpreters), 44 (resource usage) and 47 (the order of
protocol callbacks, which needs subprocess_exec of our own).
"""
