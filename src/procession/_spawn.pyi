from typing_extensions import disjoint_base

from procession._cgroup import Leaf
from procession._reaper import Mortal

TABLES: dict[str, int]

def use_table(name: str) -> None: ...

# What else is in it is for other extension modules: see _spawn.pxd.
@disjoint_base
class Newborn(Mortal):
    @property
    def cgroup(self) -> Leaf | None: ...
