"""How many processors are usable: affinity, and quotas of either kind of cgroup."""

import os
import sys

import pytest

from procession.cpus import quotas_of, usable_cpus

MOUNT_V2 = "41 31 0:38 {root} {point} rw,relatime shared:9 - cgroup2 cgroup2 rw"
MOUNT_V1 = "32 31 0:29 {root} {point} rw,relatime - cgroup cgroup rw,cpu,cpuacct"


@pytest.fixture
def machine(tmp_path):
    """Lay out a process with its cgroups; return where they are."""

    def build(cgroup, mounts, files):
        proc = tmp_path / "proc"
        proc.mkdir()
        (proc / "cgroup").write_text(cgroup)
        lines = [
            line.format(root=root, point=str(tmp_path / point).replace(" ", "\\040"))
            for line, root, point in mounts
        ]
        (proc / "mountinfo").write_text("".join(f"{line}\n" for line in lines))
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return proc

    return build


def v1(folder, quota, period=100_000):
    return {
        f"{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"{folder}/cpu.cfs_period_us": f"{period}\n",
    }


def test_the_quotas_of_all_cgroups_on_the_way_up_count(machine):
    proc = machine(
        "0::/slice/service\n",
        [(MOUNT_V2, "/", "cg")],
        {
            "cg/slice/service/cpu.max": "max 100000\n",
            "cg/slice/cpu.max": "150000 100000\n",
            "cg/other/cpu.max": "1000 100000\n",
        },
    )

    assert list(quotas_of(proc)) == [1.5]


def test_the_quotas_of_the_older_kind_count(machine):
    proc = machine(
        "4:memory:/m\n3:cpu,cpuacct:/a/b\n0::/\n",
        [(MOUNT_V1, "/", "cpu"), (MOUNT_V2, "/", "unified")],
        {**v1("cpu/a/b", 50_000), **v1("cpu/a", -1), **v1("cpu", -1)},
    )

    assert list(quotas_of(proc)) == [0.5]


def test_a_container_that_sees_only_its_own_cgroup_finds_it_at_the_mount_point(machine):
    proc = machine(
        "3:cpu,cpuacct:/docker/abc\n",
        [(MOUNT_V1, "/docker/abc", "cpu")],
        v1("cpu", 250_000),
    )

    assert list(quotas_of(proc)) == [2.5]


@pytest.mark.parametrize("path", ["/../../other", "/elsewhere", "/docker/abcd"])
def test_a_cgroup_that_is_not_mounted_counts_as_its_mount_point(machine, path):
    proc = machine(
        f"0::{path}\n",
        [(MOUNT_V2, "/docker/abc", "cg")],
        {"cg/cpu.max": "300000 100000\n", "other/cpu.max": "1 100000\n"},
    )

    assert list(quotas_of(proc)) == [3.0]


def test_a_mount_point_may_have_a_space_in_its_name(machine):
    proc = machine("0::/a\n", [(MOUNT_V2, "/", "c g")], {"c g/a/cpu.max": "100000 100000\n"})

    assert list(quotas_of(proc)) == [1.0]


@pytest.mark.parametrize(
    "cgroup, files",
    [
        ("0::/a\n", {}),
        ("0::/a\n", {"cg/a/cpu.max": ""}),
        ("0::/a\n", {"cg/a/cpu.max": "max 100000\n"}),
        ("", {"cg/cpu.max": "100000 100000\n"}),
        ("1:cpu:/a\n", {"cg/cpu.max": "100000 100000\n"}),
    ],
)
def test_what_is_not_there_is_no_quota(machine, cgroup, files):
    proc = machine(cgroup, [(MOUNT_V2, "/", "cg")], files)

    assert list(quotas_of(proc)) == []


def test_a_process_without_these_files_has_no_quota(tmp_path):
    assert list(quotas_of(tmp_path)) == []
    assert usable_cpus(tmp_path) == usable_cpus_without_quota()


def test_a_part_of_a_processor_is_one(machine):
    proc = machine("0::/\n", [(MOUNT_V2, "/", "cg")], {"cg/cpu.max": "1000 100000\n"})

    assert usable_cpus(proc) == 1


def test_a_quota_beyond_the_machine_changes_nothing(machine):
    proc = machine("0::/\n", [(MOUNT_V2, "/", "cg")], {"cg/cpu.max": "99900000 100000\n"})

    assert usable_cpus(proc) == usable_cpus_without_quota()


def test_affinity_counts(tmp_path):
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        assert usable_cpus(tmp_path) == usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, cpus)


def test_this_machine_has_at_least_one_and_at_most_what_it_has():
    assert 1 <= usable_cpus() <= usable_cpus_without_quota()


def usable_cpus_without_quota():
    if sys.version_info >= (3, 13):
        return os.process_cpu_count()
    return len(os.sched_getaffinity(0))
