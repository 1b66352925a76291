"""What a pack works with. It stands apart from what packs do, which a daemon loads with the first order for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from pypidaemon.interfaces import IBlobStore, IIndex, IPins
from pypidaemon.model import InThread


@attrs.frozen
class Means:
    """What a pack works with."""

    indexes: Mapping[str, IIndex]
    default: str
    stores: Callable[[], Sequence[IBlobStore]]
    pins: IPins
    cpu: InThread
    disk: InThread
