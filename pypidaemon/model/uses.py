"""What is held of upstreams' files, and what of it is to stay."""

from __future__ import annotations

import attrs

from pypidaemon.model.names import Digest, Filename, NormalizedName


@attrs.frozen
class Use:
    """
    A file that was asked for, and is held.

    :param label: of the index that it was asked for by.
    :param size: in bytes.
    :param used: when that was last, seconds since the epoch; 0 where nobody knows.
    """

    digest: Digest
    label: str
    name: NormalizedName
    filename: Filename
    size: int
    used: float


@attrs.frozen
class UsedProject:
    """What is held of a project: how many files, how many bytes, and when one was asked for last."""

    name: NormalizedName
    files: int
    size: int
    used: float


@attrs.frozen
class KeptPage:
    """
    An upstream's page that is kept.

    :param size: in bytes, as it is kept.
    :param fetched: when upstream last said it, or that it still holds, seconds since the epoch.
    """

    label: str
    name: NormalizedName
    size: int
    fetched: float


@attrs.frozen(order=True)
class Pin:
    """A project, or with a version one release of it, whose files are kept from eviction."""

    name: NormalizedName
    version: str = ""

    @property
    def title(self) -> str:
        """As the command line spells it."""
        return f"{self.name}=={self.version}" if self.version else self.name
