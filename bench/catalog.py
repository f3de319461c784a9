"""Which workloads there are, how large, and what is read off their samples."""

from entry import Metric, Workload

MIB = 1 << 20

# The order is that of the columns. "C" is the limit of one thread; "C-pad" is the same
# with a trick that few programs could use, in the workloads where it matters.
IMPLEMENTATIONS = (
    "procession",
    "procession-uvloop",
    "asyncio",
    "uvloop",
    "rloop",
    "trio",
    "anyio",
    "subprocess",
    "C-pad",
    "C",
)
LIMIT = "C"
PAD = "C-pad"
# Only where they are asked for: they are much like another, and would make a run longer.
EXTRA = ("procession-uvloop", "rloop", "anyio", PAD)
DEFAULT_IMPLEMENTATIONS = tuple(n for n in IMPLEMENTATIONS if n not in EXTRA)


def spawn(name, title, k, full, quick, *, program="nolibc", status=7, **more):
    fixed = {"k": k, "program": program, "status": status}
    return Workload(
        name,
        "spawn",
        {"n": full, **fixed},
        {"n": quick, **fixed},
        (Metric(f"spawn and wait, {title}", "/s"),),
        ("ms per child", 1e3),
        ("spawn", program, "n", "k", "status"),
        **more,
    )


def many(name, function, title, k, full, quick, limit, **fixed):
    """What procession has a call of its own for, and asyncio's users build by hand."""
    return Workload(
        name,
        function,
        {"n": full, "k": k, **fixed},
        {"n": quick, "k": k, **fixed},
        (Metric(title, "/s"),),
        ("ms per child", 1e3),
        (*limit, "n", "k", *(("status",) if "status" in fixed else ())),
        players=("procession", "procession-uvloop", "asyncio"),
        quick_rounds=2,
    )


def lines(name, function, title, width, full, quick, *, program="lines", **more):
    return Workload(
        name,
        function,
        {"n": full, "width": width},
        {"n": quick, "width": width},
        (Metric(title, "M/s", 1e-6),),
        ("ns per line", 1e9),
        (program, "lines", "n", "width"),
        **more,
    )


def lateness(name, title, mib, *, ids=False, **more):
    late = f"loop lateness while spawning, {title}"
    return Workload(
        name,
        "lateness",
        {"mib": mib, "seconds": 2.0, "k": 16, "ids": ids},
        {"mib": mib, "seconds": 0.3, "k": 16, "ids": ids},
        (
            Metric(f"{late}: max", "ms", 1e3, "max", False),
            Metric(f"{late}: p99", "ms", 1e3, "p99", False),
            Metric(f"children meanwhile, {title}", "/s"),
        ),
        ("ms per child", 1e3),
        mib=mib + 512,
        **more,
    )


WORKLOADS = (
    spawn("spawn-1", "one at a time", 1, 1000, 100),
    spawn("spawn-16", "16 in flight", 16, 1500, 64, quick_rounds=2),
    spawn("spawn-64", "64 in flight", 64, 2000, 192),
    spawn("spawn-256", "256 in flight", 256, 2000, 256, quick_rounds=1),
    spawn(
        "true-64",
        "/bin/true, 64 in flight",
        64,
        1000,
        64,
        program="/bin/true",
        status=0,
        quick_rounds=2,
    ),
    Workload(
        "capture-64",
        "capture",
        {"n": 2000, "k": 64},
        {"n": 128, "k": 64},
        (Metric("capture 1 KiB + 1 KiB, 64 in flight", "/s"),),
        ("ms per child", 1e3),
        ("capture", "k1", "n", "k"),
    ),
    many(
        "map-64",
        "batch",
        "map of the smallest program, 64 in flight",
        64,
        2000,
        192,
        ("spawn", "nolibc"),
        program="nolibc",
        status=7,
    ),
    many(
        "map-capture-64",
        "batch_capture",
        "map, 1 KiB + 1 KiB captured, 64 in flight",
        64,
        2000,
        128,
        ("capture", "k1"),
    ),
    *(
        many(f"{name}-{k}", function, title, k, full, quick, ("capture", "k1"))
        for k, there, full, quick in (
            (1, "one at a time", 1000, 64),
            (16, "16 in flight", 1500, 64),
        )
        for name, function, title in (
            ("run", "run", f"run with 1 KiB + 1 KiB captured, {there}"),
            ("capture", "capture", f"capture 1 KiB + 1 KiB, {there}"),
        )
    ),
    Workload(
        "stream",
        "stream",
        {"size": 512 * MIB},
        {"size": 64 * MIB},
        (Metric("read output, 64 KiB a read", "MB/s", 1e-6),),
        ("s per GB", 1e9),
        ("stream", "flood", "size"),
    ),
    Workload(
        "streams-64",
        "streams",
        {"k": 64, "size": 8 * MIB},
        {"k": 64, "size": MIB},
        (Metric("read 64 outputs at once", "MB/s", 1e-6),),
        ("s per GB", 1e9),
        ("streams", "flood", "k", "size"),
        quick_rounds=2,
    ),
    Workload(
        "protocol",
        "protocol",
        {"size": 512 * MIB},
        {"size": 64 * MIB},
        (Metric("read output by a protocol", "MB/s", 1e-6),),
        ("s per GB", 1e9),
        ("stream", "flood", "size"),
    ),
    Workload(
        "communicate",
        "communicate",
        {"size": 256 * MIB},
        {"size": 32 * MIB},
        (
            Metric("communicate, one large output", "MB/s", 1e-6),
            Metric("peak memory over size of the output", "times", 1, "peak", False),
        ),
        ("s per GB", 1e9),
        ("communicate", "flood", "size"),
        fresh=True,
        mib=1024,
    ),
    lines("lines-20", "lines", "async for line, 20 bytes", 20, 2_000_000, 200_000),
    lines("lines-100", "lines", "async for line, 100 bytes", 100, 1_000_000, 150_000),
    lines("batches-20", "batches", "lines of 20 bytes, by the batch", 20, 2_000_000, 200_000),
    lines("readline", "readline", "await readline(), 20 bytes", 20, 500_000, 50_000),
    lines(
        "readuntil", "readuntil", "await readuntil(), 20 bytes", 20, 500_000, 50_000, quick_rounds=1
    ),
    lines(
        "readexactly",
        "readexactly",
        "await readexactly(20)",
        20,
        500_000,
        50_000,
        program="exactly",
        quick_rounds=1,
    ),
    Workload(
        "pingpong",
        "pingpong",
        {"n": 20_000},
        {"n": 1500},
        (Metric("round trip of a line", "/s"),),
        ("µs per round trip", 1e6),
        ("pingpong", "echo", "n"),
    ),
    Workload(
        "pingpong-1cpu",
        "pingpong",
        {"n": 20_000},
        {"n": 1500},
        (Metric("round trip of a line, both on one CPU", "/s"),),
        ("µs per round trip", 1e6),
        ("pingpong", "echo", "n"),
        one_cpu=True,
    ),
    Workload(
        "write",
        "write",
        {"size": 512 * MIB},
        {"size": 64 * MIB},
        (Metric("write 64 KiB and drain", "MB/s", 1e-6),),
        ("s per GB", 1e9),
        ("write", "sink", "size"),
    ),
    Workload(
        "live",
        "live",
        {"n": 2000, "k": 64},
        {"n": 500, "k": 64},
        (
            Metric("start children that stay, three pipes each", "/s", key="start"),
            Metric("kill and reap them", "/s", key="end"),
            Metric("parent's memory for each live child", "bytes", 1, "memory", False),
        ),
        ("ms per child", 1e3),
        ("live", "hold", "n"),
        most_rounds=3,
        quick_rounds=2,
        fresh=True,
        pad=True,
        files=2000 * 5,
    ),
    Workload(
        "descriptors",
        "descriptors",
        {"n": 300, "few": 10, "many": 10_000},
        {"n": 30, "few": 10, "many": 10_000},
        (
            Metric("spawn and wait, 10 descriptors open", "/s", key="few"),
            Metric("spawn and wait, 10,000 descriptors open", "/s"),
            Metric(
                "spawn: time with 10,000 descriptors over time with 10",
                "times",
                1,
                "growth",
                False,
                False,
            ),
        ),
        ("ms per child, 10,000 open", 1e3),
        ("descriptors", "nolibc", "n", "few", "many"),
        most_rounds=3,
        quick_rounds=2,
        pad=True,
        files=10_500,
    ),
    Workload(
        "exits",
        "exits",
        {"n": 300},
        {"n": 40},
        (Metric("from a child's exit to its status: median", "µs", 1e6, "p50", False),),
        ("ms per child", 1e3),
        ("exits", "stamp", "n"),
    ),
    Workload(
        "fairness",
        "fairness",
        {"size": 1024 * MIB},
        {"size": 256 * MIB},
        (
            Metric("loop lateness beside a flood that is read: max", "ms", 1e3, "max", False),
            Metric("loop lateness beside a flood that is read: p99", "ms", 1e3, "p99", False),
        ),
        ("s per GB", 1e9),
        ("fairness", "flood", "size"),
        quick_rounds=1,
    ),
    lateness("lateness-50m", "50 MiB parent", 50),
    lateness("lateness-512m", "512 MiB parent", 512, quick_rounds=1, only="quick"),
    lateness(
        "lateness-ids", "512 MiB, user and group", 512, ids=True, most_rounds=3, quick_rounds=1
    ),
    lateness("lateness-4g", "4 GiB parent", 4096, most_rounds=3, only="full"),
)


def select(names, quick):
    """The workloads whose name, or its part before the hyphen, is among the names."""
    chosen = list(WORKLOADS)
    if names:
        chosen = [w for w in WORKLOADS if {w.name, w.name.split("-")[0]} & set(names)]
        known = {part for w in WORKLOADS for part in (w.name, w.name.split("-")[0])}
        unknown = sorted(set(names) - known)
        if unknown:
            raise LookupError(f"no workload {', '.join(unknown)}")
    left_out = "full" if quick else "quick"
    return [w for w in chosen if w.only != left_out or w.name in names]
