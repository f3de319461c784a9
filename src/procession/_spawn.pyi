from typing_extensions import disjoint_base

from procession._engine import Source

# What else is in it is for other extension modules: see _spawn.pxd.
@disjoint_base
class Newborn(Source): ...
