"""What things are called, once they have passed the gate (`pypidaemon.filenames`)."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import NewType, ParamSpec, Protocol, TypeVar

from packaging.utils import NormalizedName as NormalizedName

Filename = NewType("Filename", str)
"""A file name that passed the gate: one path segment, printable ASCII, at most 255 - len(".provenance") bytes."""

Digest = NewType("Digest", str)
"""A sha256 in 64 lower-case hexadecimal digits; the name of a blob."""

P = ParamSpec("P")

T = TypeVar("T")


class InThread(Protocol):
    """Runs a function off the reactor's thread (in tests: at once) and gives its result to who awaits."""

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run `function` and answer what it returns, or raise what it raises."""


class Companion(enum.Enum):
    """What of a file is asked for: itself, or one of the documents that stand beside it."""

    FILE = ""
    METADATA = ".metadata"
    """Core metadata, PEP 658 and PEP 714."""
    PROVENANCE = ".provenance"
    """Attestations, PEP 740."""
