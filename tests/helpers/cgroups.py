"""Where tests may make cgroups of version 2."""

import os


def own_cgroup():
    """Return the directory of this process's cgroup v2 if it can be written to, or None."""
    with open("/proc/mounts") as mounts:
        places = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    with open("/proc/self/cgroup") as groups:
        paths = [line.rstrip().partition("::")[2] for line in groups if line.startswith("0::")]
    for place in places:
        for path in paths:
            directory = place + path.rstrip("/")
            if os.access(f"{directory}/cgroup.procs", os.W_OK) and os.access(directory, os.W_OK):
                return directory
    return None


def members(directory):
    """Return the cgroups below a directory."""
    return sorted(entry.path for entry in os.scandir(directory) if entry.is_dir())


def is_populated(directory):
    with open(f"{directory}/cgroup.events") as events:
        return "populated 1\n" in events.readlines()
